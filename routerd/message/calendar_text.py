"""What a person reads of a calendar object (RFC 5545): its summary, description, place and comments."""

import re

_FIELD = re.compile(
    r"(?:SUMMARY|DESCRIPTION|LOCATION|COMMENT)(?:;(?:[^\":]|\"[^\"]*+\"|(?!))*+)?:(.*)", re.IGNORECASE | re.DOTALL
)
_FOLD = re.compile(r"\n[ \t]")
_ESCAPE = re.compile(r"\\([nN\\,;])")


def calendar_text(source: str) -> str:
    """A line for each of these fields, in their order; those of alarms, which programs write, are left out."""
    said: list[str] = []
    in_alarm = False
    for line in _FOLD.sub("", source).split("\n"):
        match line.strip().upper():
            case "BEGIN:VALARM":
                in_alarm = True
            case "END:VALARM":
                in_alarm = False
            case _:
                found = None if in_alarm else _FIELD.match(line)
                if found:
                    said.append(_ESCAPE.sub(_unescape, found[1]).strip())
    return "\n".join(said)


def _unescape(found: re.Match[str]) -> str:
    return "\n" if found[1] in "nN" else found[1]
