"""What a label may be made of."""

import unicodedata

from routerd.config.nearest import invisible, quoted

MAX_LABEL = 64  # characters
_ALLOWED = frozenset("-_./")


def check_label(text: str) -> tuple[str, str | None]:
    """The label in NFC, and what is wrong with it or None."""
    label = unicodedata.normalize("NFC", text)
    hidden = invisible(label)
    if hidden:
        return label, f"the label {quoted(label)} contains the invisible character {hidden}; remove it"
    if len(label) > MAX_LABEL:
        return label, f"the label {quoted(label)} has {len(label)} characters; at most {MAX_LABEL} are allowed"
    for letter in label:
        if letter not in _ALLOWED and unicodedata.category(letter)[0] not in "LMN":
            shown = "a space" if letter == " " else quoted(letter)
            return label, f"the label {quoted(label)} contains {shown}; a label is letters, digits and - _ . /"
    if not any(unicodedata.category(letter)[0] in "LN" for letter in label):
        return label, f"the label {quoted(label)} has no letter or digit"
    return label, None
