"""A message in the making: what atoms ask for is put into it, as far as one text can meet them all."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from routerd.message.compose import Attached
from routerd.rules.conditions.addresses import AddressForms
from routerd.rules.conditions.attachment import AttachmentCondition
from routerd.rules.conditions.text_tests import Exact, OfTerms, TextTest, WithAlso
from routerd.rules.lint.atoms import (
    AddressAtom,
    Atom,
    EitherAtom,
    KindAtom,
    NumberAtom,
    OpaqueAtom,
    TextAtom,
    ThereAtom,
    ToldAtom,
)

STRANGER = "anna@customer.example"
_MOST_BYTES = 1_000_000  # of a message that is large because a rule asks for one
_HEADERS_OF_KINDS = {
    "reply": ("In-Reply-To", "<1@customer.example>"),
    "auto": ("Auto-Submitted", "auto-replied"),
    "list": ("List-Id", "<news.customer.example>"),
    "bulk": ("Precedence", "bulk"),
}
_SUBJECTS_OF_KINDS = {"reply": "Re: ", "forward": "Fwd: "}
_ORDER = {"exact": 0, "domain": 1, "suffix": 2, "glob": 3, "regex": 4}
_RUN = re.compile(r"[^\W_]+(?: [^\W_]+)*")


@dataclass(slots=True)
class Sketch:
    """`addresses` by field; `text_asked` and `addresses_asked` become text and addresses when all are known."""

    subject: str = ""
    text: str = ""
    quoted: str = ""
    from_name: str = ""
    prefix: str = ""  # of the subject
    internal: bool = False
    least_bytes: int = 0
    addresses: dict[str, list[str]] = field(default_factory=dict)
    headers: list[tuple[str, str]] = field(default_factory=list)
    attachments: list[Attached] = field(default_factory=list)
    text_asked: dict[str, list[TextAtom]] = field(default_factory=dict)
    addresses_asked: list[AddressAtom] = field(default_factory=list)

    def take(self, atom: Atom) -> None:
        match atom:
            case EitherAtom(atoms):
                self.take(atoms[0])
            case TextAtom(name):
                self.text_asked.setdefault(name, []).append(atom)
            case AddressAtom():
                self.addresses_asked.append(atom)
            case ThereAtom():
                self._take_there(atom)
            case NumberAtom("size", least):
                self.least_bytes = min(least, _MOST_BYTES)
            case KindAtom(kind):
                self.headers += [_HEADERS_OF_KINDS[kind]] if kind in _HEADERS_OF_KINDS else []
                self.prefix = _SUBJECTS_OF_KINDS.get(kind, self.prefix)
            case ToldAtom("internal", True):
                self.internal = True
            case OpaqueAtom(key):
                self._take_opaque(key)

    def _take_there(self, atom: ThereAtom) -> None:
        if atom.is_text:
            self.text_asked.setdefault(atom.field, [])
        elif atom.field == "attachment":
            self.attachments.append(Attached("file.pdf", "application/pdf", b"x"))
        else:
            self.addresses_asked.append(AddressAtom(atom.field, "exact", STRANGER))

    def _take_opaque(self, key: object) -> None:
        match key:
            case AttachmentCondition():
                self.attachments.append(_attachment_of(key))
            case (str() as name, TextTest() as test):
                term = TextAtom(name, "contains", _first_term(test))
                self.text_asked.setdefault(name, []).append(term)
            case (str() as name, AddressForms() as forms):
                form = next(iter(sorted(forms.exact)), STRANGER)
                self.addresses_asked.append(AddressAtom(name, "exact", form))

    def settle(self) -> None:
        """Writes what was asked for."""
        for name, asked in self.text_asked.items():
            self._write(name, _text_of(asked))
        for address in sorted(self.addresses_asked, key=lambda one: (_ORDER[one.kind], one.form)):
            self._address(address)

    def _write(self, name: str, text: str) -> None:
        if name == "from_name":
            self.from_name = text
        elif name.startswith("header "):
            self.headers.append((name.removeprefix("header ").title(), text))
        elif name == "whole":
            self.quoted = text
        elif name in ("body", "everything"):
            self.text = f"{self.text} {text}".strip(" ")
        else:
            self.subject = f"{self.subject} {text}".strip(" ")

    def _address(self, atom: AddressAtom) -> None:
        have = self.addresses.setdefault("from" if atom.field == "customer" else atom.field, [])
        if atom.kind == "exact":
            have.append(atom.form)
        elif atom.kind == "domain" and not any(one.endswith("@" + atom.form) for one in have):
            have.append(f"someone@{atom.form}")
        elif atom.kind == "suffix" and not any(("." + one.rpartition("@")[2]).endswith(atom.form) for one in have):
            have.append(f"someone@{atom.form[1:]}")
        elif atom.kind == "glob":
            have.append(atom.form.replace("*", "x").replace("?", "x"))
        elif atom.kind == "regex":
            have.append(f"{next(_run_of(atom.form), 'someone')}@customer.example")


def sketch_of(atoms: Iterable[Atom]) -> Sketch:
    sketch = Sketch()
    for atom in atoms:
        sketch.take(atom)
    sketch.settle()
    return sketch


def _attachment_of(condition: AttachmentCondition) -> Attached:
    name = _first_term(condition.name) if condition.name else "file"
    kind = condition.types[0][0].strip().lower() if condition.types else "application/pdf"
    size = 1
    if condition.size is not None:
        size = condition.size.number + {"over": 1, "under": -1}.get(condition.size.operator, 0)
    return Attached(name, kind.replace("*", "x"), b"x" * max(0, min(size, _MOST_BYTES)))


def _text_of(atoms: list[TextAtom]) -> str:
    """A text that meets as many of them as one can."""
    by_operator: dict[str, list[str]] = {}
    for atom in atoms:
        by_operator.setdefault(atom.operator, []).append(atom.term)
    if "equals" in by_operator:
        return by_operator["equals"][0]
    starts = sorted(by_operator.get("starts_with", ()), key=len)[-1:]
    ends = sorted(by_operator.get("ends_with", ()), key=len)[-1:]
    middle = _not_in_others(
        [*by_operator.get("contains", ()), *by_operator.get("word", ()), *by_operator.get("stem", ())]
    )
    middle += [run for pattern in by_operator.get("regex", ()) for run in _run_of(pattern)]
    return " ".join((*starts, *middle, *ends)) or "Hello"


def _not_in_others(terms: list[str]) -> list[str]:
    return [term for term in terms if not any(term in other and term != other for other in terms)]


def _run_of(pattern: str) -> Iterator[str]:
    """The longest run of letters of a regex: perhaps a text that it finds."""
    runs = _RUN.findall(re.sub(r"\\.", " ", pattern))
    if runs:
        yield max(runs, key=len)


def _first_term(test: TextTest) -> str:
    """As the rule writes it."""
    while isinstance(test, Exact | WithAlso):
        test = test.test
    return str(test.terms[0].written) if isinstance(test, OfTerms) else "file"
