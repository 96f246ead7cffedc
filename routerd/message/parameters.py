"""The values of Content-Type and Content-Disposition with their parameters (RFC 2045 5.1, RFC 2231).

Linear, bounded, never raises.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from routerd.message.charset import decode_text
from routerd.message.encoded_words import decode_header
from routerd.message.light import light

_MAX_VALUE_BYTES = 20_000
_MAX_PARAMETERS = 200
_MAX_SECTIONS = 100  # of one continued value

_PARAMETER = re.compile(
    rb';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?+[^;]*+|([^;]*+))',
    re.DOTALL,
)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_SECTION = re.compile(r"([^*]+)\*(?:(\d{1,4})(\*)?)?\Z")
_MAIN = re.compile(rb'[\s"]*+([^\s",/]++(?:\s*+/\s*+[^\s",]++)?)')  # `text/html, charset=x` is known, too
_COMMENT = re.compile(rb"\([^()]*+\)")


@light
@dataclass(frozen=True, slots=True)
class HeaderValue:
    """`main` in lower case, such as `text/plain` or `attachment`; parameter names in lower case, values decoded.

    But for a boundary, whose bytes that are no UTF-8 are surrogates (PEP 383).
    """

    main: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_value(value: bytes, declared: str = "") -> HeaderValue:
    """A raw, unfolded value. `declared`: the charset of the message, for raw 8-bit parameters."""
    value = value[:_MAX_VALUE_BYTES]
    main, semicolon, _ = value.partition(b";")
    if b"(" in main:
        main = _COMMENT.sub(b"", main)
    found = _MAIN.match(main)
    name = b"".join(found[1].split()).lower().decode("ascii", "replace") if found else ""
    if not semicolon:
        return HeaderValue(name)
    raw: dict[str, bytes] = {}
    for number, match in enumerate(_PARAMETER.finditer(value, len(value.partition(b";")[0]))):
        if number == _MAX_PARAMETERS:
            break
        parameter = match[1].lower().decode("ascii", "replace")
        quoted, plain = match[2], match[3]
        raw.setdefault(parameter, plain.strip() if quoted is None else _QUOTED_PAIR.sub(rb"\1", quoted))
    return HeaderValue(name, _decode_all(raw, declared))


def _decode_all(raw: dict[str, bytes], declared: str) -> dict[str, str]:
    """RFC 2231: `name*=charset'lang'%xx`, `name*0=`, `name*1*=`. The extended form wins over a plain one."""
    decoded: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bool, bytes]]] = {}
    for parameter, value in raw.items():
        match = _SECTION.match(parameter) if "*" in parameter else None
        if parameter == "boundary":  # compared byte by byte
            decoded[parameter] = value.decode("utf-8", "surrogateescape")
        elif match is None:
            decoded[parameter] = decode_header(value, declared)
        elif match[2] is None:
            sections.setdefault(match[1], {}).setdefault(0, (True, value))
        elif int(match[2]) < _MAX_SECTIONS:
            sections.setdefault(match[1], {})[int(match[2])] = (match[3] is not None, value)
    for name, parts in sections.items():
        joined = _join_sections(parts)
        if joined:
            decoded[name] = joined
    return decoded


def _join_sections(parts: dict[int, tuple[bool, bytes]]) -> str:
    charset, data, extended_anywhere = "", b"", False
    for number in range(_MAX_SECTIONS):
        if number not in parts:
            break
        extended, value = parts[number]
        if extended:
            extended_anywhere = True
            if number == 0 and value.count(b"'") >= 2:
                label, _, value = value.split(b"'", 2)
                charset = label.decode("ascii", "replace")
            value = unquote_to_bytes(value)
        data += value
    if not extended_anywhere:
        return decode_header(data)
    return decode_text(data, charset or "utf-8").replace("\r", " ").replace("\n", " ").replace("\0", "")
