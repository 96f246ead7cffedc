"""What is said of one thing that was looked at."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"  # it cannot be told from here, or not now


@dataclass(frozen=True, slots=True)
class Told:
    """`kind`: dkim, spf, mx, bounces, answers, notes, drafts, certificate, name. `text`: a sentence without its full
    stop."""

    kind: str
    state: State
    text: str

    def __str__(self) -> str:
        return f"{self.state:<8}{self.kind:<12}{self.text}"
