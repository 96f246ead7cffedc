"""Labels of domains that are not ASCII: U-labels and the A-labels that stand for them (RFC 5890, 5891, 5893)."""

import re
import unicodedata

_LONGEST_LABEL = 63
_PREFIX = "xn--"
_UNFIT = re.compile(r"[\x00-\x7f\u0080-\u00a0\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_IN_RTL_LABEL = frozenset({"R", "AL", "AN", "EN", "ES", "CS", "ET", "ON", "BN", "NSM"})
_IN_LTR_LABEL = frozenset({"L", "EN", "ES", "CS", "ET", "ON", "BN", "NSM"})


class LabelError(ValueError):
    """No A-label can be made of it; the message says why, in ASCII."""


def to_a_labels(text: str) -> str:
    """A domain with U-labels in lower-case A-labels. Raises LabelError where that would take guessing.

    RFC 5891 5.3 without its mapping: what NFKC would change (full-width letters and kin) is refused. Not Python's
    `idna` codec: its IDNA2003 makes another domain of `ß`.
    """
    text = unicodedata.normalize("NFC", text.lower())
    if unicodedata.normalize("NFKC", text) != text:
        raise LabelError("domain cannot be written in A-labels")
    labels = text.split(".")
    for label in labels:
        if not label.isascii():
            _check_u_label(label)
    if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text) and not all(map(_keeps_order, labels)):
        raise LabelError("domain has a label that mixes directions of writing")
    return ".".join(
        label if label.isascii() else _PREFIX + label.encode("punycode").decode("ascii") for label in labels
    )


def has_broken_a_label(domain: str) -> bool:
    """Whether a label claims to be an A-label, and no punycode stands behind it. `domain`: in lower-case ASCII."""
    return not all(_decodes(label[len(_PREFIX) :]) for label in domain.split(".") if label.startswith(_PREFIX))


def _decodes(punycode: str) -> bool:
    """What it decodes to need not be a label of IDNA2008: there are domains with an emoji."""
    try:
        text = punycode.encode("ascii").decode("punycode")
    except UnicodeError:
        return False
    return not text.isascii() and not any(_UNFIT.match(char) for char in text if not char.isascii())


def _check_u_label(label: str) -> None:
    """RFC 5891 4.2.3 by the characters' general categories, and the length that an A-label may have."""
    if len(label) > _LONGEST_LABEL or not all(char == "-" or unicodedata.category(char)[0] in "LMN" for char in label):
        raise LabelError("domain has a label that is not letters, digits and hyphens")
    if unicodedata.category(label[0])[0] == "M" or label[2:4] == "--" or label.startswith("-") or label.endswith("-"):
        raise LabelError("domain cannot be written in A-labels")


def _keeps_order(label: str) -> bool:
    """RFC 5893 2: a label whose characters are seen in the order in which they stand, whatever surrounds it."""
    classes = [unicodedata.bidirectional(char) for char in label]
    while classes and classes[-1] == "NSM":
        classes.pop()
    if not classes:
        return False
    seen = set(classes)
    if classes[0] in ("R", "AL"):
        return seen <= _IN_RTL_LABEL and classes[-1] in ("R", "AL", "EN", "AN") and not {"EN", "AN"} <= seen
    return classes[0] == "L" and seen <= _IN_LTR_LABEL and classes[-1] in ("L", "EN")
