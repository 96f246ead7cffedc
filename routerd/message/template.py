"""Templates of automatic replies: a header, an empty line, a text, with {{names}} from a closed list.

Nothing else is in them: no conditions, no code. What is put in loses line ends and control characters.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from routerd.message.encode import clean

MAX_LINE_CHARACTERS = 2_000
# What a template may name. Values that are not known are empty.
NAMES = {
    "customer.name": "the customer's name; his address where he has none",
    "customer.address": "the address that the reply goes to",
    "inbox": "the inbox's address",
    "inbox.name": "its name, as answers are sent under",
    "subject": "the subject of the customer's message",
    "id": "the message's id, as in X-Routerd-Id",
    "respond_by": "by when an answer is promised, in the time of the team's calendar; empty where none is",
    "team": "the team that has it; empty where a person has",
    "date": "today's date, as 2026-03-04",
}
HEADERS = ("subject",)  # that a template may set; the others are routerd's

_PLACE = re.compile(r"\{\{([^{}\n]*)\}\}")
_FIELD = re.compile(r"([A-Za-z][A-Za-z-]*)[ \t]*:[ \t]*(.*)\Z")


class TemplateError(ValueError):
    """`line` and `column` count from 1."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line, self.column = line, column


@dataclass(frozen=True, slots=True)
class Template:
    subject: str
    text: str  # lines end with \n

    def fill(self, values: Mapping[str, str]) -> tuple[str, str]:
        """Subject and text. `values`: of NAMES; those that are not there are empty."""

        def value(found: re.Match[str]) -> str:
            return clean(values.get(found[1].strip(), ""))

        return clean(_PLACE.sub(value, self.subject)), _PLACE.sub(value, self.text)


def parse_template(text: str) -> Template:
    """Raises TemplateError for the first thing that is wrong."""
    lines = text.replace("\r\n", "\n").split("\n")
    subject: str | None = None
    for number, line in enumerate(lines, 1):
        _check(number, line)
        if not line.strip():
            begins = number
            break
        found = _FIELD.match(line)
        if found is None:
            raise TemplateError(
                number, 1, "a template begins with its header, such as 'Subject: We have your mail', and an empty line"
            )
        if found[1].lower() not in HEADERS:
            raise TemplateError(number, 1, f"{found[1]} cannot be set by a template; Subject can")
        if subject is not None:
            raise TemplateError(number, 1, "Subject is given twice")
        subject = found[2].strip()
    else:
        raise TemplateError(len(lines), 1, "no empty line between the header and the text")
    if not subject:
        raise TemplateError(1, 1, "no Subject; write one on the first line")
    body = lines[begins:]
    for number, line in enumerate(body, begins + 1):
        _check(number, line)
    if not any(line.strip() for line in body):
        raise TemplateError(len(lines), 1, "the template has no text")
    return Template(subject, "\n".join(body).strip("\n") + "\n")


def _check(number: int, line: str) -> None:
    if len(line) > MAX_LINE_CHARACTERS:
        raise TemplateError(number, MAX_LINE_CHARACTERS, f"a line has more than {MAX_LINE_CHARACTERS} characters")
    at = 0
    for found in _PLACE.finditer(line):
        name = found[1].strip()
        if name not in NAMES:
            raise TemplateError(number, found.start() + 1, f"there is no {{{{{name}}}}}; {_there_are(NAMES)}")
        at = found.end()
    stray = line.find("{{", at)
    if stray >= 0:
        raise TemplateError(number, stray + 1, "{{ is not closed on this line by }}")


def _there_are(names: Collection[str]) -> str:
    return "there are " + ", ".join(f"{{{{{name}}}}}" for name in names)
