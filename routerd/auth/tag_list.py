"""Lists of tags as DKIM and ARC write them (RFC 6376 3.2): `a=rsa-sha256; d=example.com; …`."""

import binascii
import re

MAX_TAG_LIST_CHARACTERS = 65_536

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*+\Z")
_FOLDING_SPACE = " \t\r\n"


class TagListError(ValueError):
    """The message says in words what is wrong."""


def parse_tags(text: str) -> dict[str, str]:
    """Values without the white space around them. Names are told apart by case. Linear. Raises TagListError."""
    if len(text) > MAX_TAG_LIST_CHARACTERS:
        raise TagListError("it is too long")
    tags: dict[str, str] = {}
    parts = text.split(";")
    if not parts[-1].strip(_FOLDING_SPACE):
        del parts[-1]
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip(_FOLDING_SPACE)
        if not equals or not _NAME.match(name):
            raise TagListError("it is no list of tags")
        if name in tags:
            raise TagListError(f"{_short(name)}= is there twice")
        tags[name] = value.strip(_FOLDING_SPACE)
    return tags


def decode_base64(value: str) -> bytes:
    """A value of base64, which may be folded anywhere. Raises TagListError."""
    try:
        return binascii.a2b_base64(without_space(value), strict_mode=True)
    except ValueError:  # what is not ASCII, too
        raise TagListError("it is no base64") from None


def without_space(value: str) -> str:
    return "".join(value.split())


def split_list(value: str) -> list[str]:
    """The members of a list with colons, in lower case, without the white space around them."""
    return [member.strip(_FOLDING_SPACE) for member in value.lower().split(":")]


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:20]}…"
