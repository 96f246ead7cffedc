"""What was found, with the words around it: for people who ask why a rule matched."""

from dataclasses import dataclass

from routerd.message.fold import display, nfc_visible
from routerd.rules.decision import Evidence
from routerd.rules.facts import FieldText
from routerd.rules.matching.found import MAX_FOUND

AROUND = 40  # characters shown on either side
_TEXTS = ("subject", "text", "body", "everything", "from_name")
_CUT = "…"


@dataclass(frozen=True, slots=True)
class Context:
    """One line of the message around what was found in it; safe to print."""

    before: str
    found: str
    after: str

    def __str__(self) -> str:
        return f"{self.before}[{self.found}]{self.after}"


def context_of(evidence: Evidence, texts: FieldText) -> Context | None:
    """Where the evidence stands in its text; None where it is all of it, or not of a text."""
    if not evidence.found or not (evidence.field in _TEXTS or evidence.field.startswith("header ")):
        return None
    found = evidence.found.removesuffix(_CUT) if len(evidence.found) >= MAX_FOUND else evidence.found
    for part in texts.parts(evidence.field):
        for original in (part.original, nfc_visible(part.original)):
            line = " ".join(original.split())
            line = display(line, 10 * len(line) + 1)  # as `found` is shown: an unseen character takes ten
            at = line.find(found)
            if at >= 0 and line != found:
                return Context(_end_of(line[:at]), found, _start_of(line[at + len(found) :]))
    return None


def _end_of(text: str) -> str:
    """The last words."""
    if len(text) <= AROUND:
        return text
    return _CUT + text[-AROUND:].partition(" ")[2]


def _start_of(text: str) -> str:
    if len(text) <= AROUND:
        return text
    return text[:AROUND].rpartition(" ")[0] + _CUT
