"""Parsers of headers as they are found in the field. Each gives the names that it sees in a header section."""

import re
from collections.abc import Callable
from email import message_from_bytes


def _python(header: bytes) -> list[str]:
    return [name.strip().lower() for name in message_from_bytes(header + b"\r\n").keys()]  # noqa: SIM118


def _reading_on(header: bytes) -> list[str]:
    """Ends lines at LF, passes over what is no field, trims names, stops at an empty line."""
    unfolded = re.sub(rb"\r?\n(?=[ \t])", b"", re.split(rb"\n\r?\n", header)[0])
    lines = [line.partition(b":") for line in unfolded.split(b"\n")]
    return [name.strip().lower().decode("latin-1") for name, colon, _ in lines if colon]


def _dropping_cr(header: bytes) -> list[str]:
    return _reading_on(header.replace(b"\r", b""))


def _dropping_controls(header: bytes) -> list[str]:
    return _reading_on(re.sub(rb"[\x00-\x08\x0b-\x1f\x7f]", b"", header))


def _any_line_end(header: bytes) -> list[str]:
    return _reading_on(header.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


def _without_folding(header: bytes) -> list[str]:
    lines = [line.partition(b":") for line in header.split(b"\n") if line[:1] not in (b" ", b"\t")]
    return [name.strip().lower().decode("latin-1") for name, colon, _ in lines if colon]


READERS: tuple[Callable[[bytes], list[str]], ...] = (
    _python, _reading_on, _dropping_cr, _dropping_controls, _any_line_end, _without_folding,
)  # fmt: skip
