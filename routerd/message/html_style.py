"""What a `style` attribute does to how text is seen: whether at all, and what keeps it apart. Linear, never raises.

Only the attribute: mail clients cut most style sheets, and in doubt text is seen.
"""

import re
from dataclasses import dataclass

_MAX_STYLE = 2000
_MATTERS = re.compile(r"display|visib|opacity|overflow|font-size|font\s*:|white-space|/\*", re.IGNORECASE)
_PROPERTIES = frozenset(
    (
        "display", "visibility", "opacity", "overflow", "overflow-x", "overflow-y", "height", "max-height", "width",
        "max-width", "font-size", "font", "white-space",
    )
)  # fmt: skip
_EXTENTS = ("height", "max-height", "width", "max-width")
_ZERO = re.compile(r"0+(?:\.0*)?(?:[a-z]{1,4}|%)?\Z|\.0+(?:[a-z]{1,4}|%)?\Z")
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})([a-z]{0,4}|%)\Z")
_RELATIVE = frozenset(("em", "%", "ex", "ch", "lh"))
_NAMED_SIZES = frozenset(("xx-small", "x-small", "small", "medium", "large", "x-large", "xx-large", "xxx-large"))
_LEAST_PIXELS = 1.5  # a dot a letter is a trick to hide text, not a size
_OWN_LINE = frozenset(("block", "flex", "grid", "table", "list-item", "table-row", "flow-root"))
_OWN_BOX = frozenset(("inline-block", "inline-flex", "inline-table", "table-cell"))
_KEEPS_LINES = {
    "pre": True, "pre-wrap": True, "pre-line": True, "break-spaces": True, "normal": False, "nowrap": False,
}  # fmt: skip
_VISIBILITY = {"hidden": True, "collapse": True, "visible": False}


@dataclass(frozen=True, slots=True)
class Style:
    """None: as it is around."""

    hidden: bool  # with all that is inside
    tiny: bool | None
    invisible: bool | None
    preformatted: bool | None
    apart: str  # what stands between it and the text beside it: "", " " or "\n"


def read_style(text: str) -> Style | None:
    """None where it changes nothing of that."""
    text = text[:_MAX_STYLE]
    if _MATTERS.search(text) is None:
        return None
    said = _declarations(_without_comments(text.lower()) if "/*" in text else text.lower())
    display = said.get("display", "")
    style = Style(
        display == "none" or _ZERO.match(said.get("opacity", "")) is not None or _is_clipped_away(said),
        _is_tiny(said),
        _VISIBILITY.get(said.get("visibility", "")),
        _KEEPS_LINES.get(said.get("white-space", "")),
        "\n" if display in _OWN_LINE else " " if display in _OWN_BOX else "",
    )
    return None if style == _NOTHING else style


_NOTHING = Style(False, None, None, None, "")


def _declarations(text: str) -> dict[str, str]:
    """Property → value in lower case. The last counts, but for one that is `!important`."""
    said: dict[str, str] = {}
    important: set[str] = set()
    for declaration in text.split(";"):
        name, _, value = declaration.partition(":")
        name = name.strip()
        if name not in _PROPERTIES:
            continue
        value, mark, _ = value.partition("!")
        if mark:
            important.add(name)
        elif name in important:
            continue
        said[name] = value.strip()
    return said


def _is_clipped_away(said: dict[str, str]) -> bool:
    """Without `overflow: hidden` text stands out of a box that has no height."""
    if not any(said.get(name, "").startswith(("hidden", "clip")) for name in ("overflow", "overflow-x", "overflow-y")):
        return False
    return any(_ZERO.match(said.get(name, "")) for name in _EXTENTS)


def _is_tiny(said: dict[str, str]) -> bool | None:
    if "font-size" in said:
        return _is_tiny_size(said["font-size"])
    for word in said.get("font", "").split():
        size = word.partition("/")[0]
        if size and (size[0] in "0." or not size.isdecimal()):  # 400 is a weight
            tiny = _is_tiny_size(size)
            if tiny is not None:
                return tiny
    return None


def _is_tiny_size(size: str) -> bool | None:
    if size in _NAMED_SIZES:
        return False
    found = _SIZE.match(size)
    if found is None:
        return None
    number, unit = float(found[1]), found[2]
    if unit in _RELATIVE:
        return True if number == 0 else None
    return number < _LEAST_PIXELS if unit in ("px", "pt", "") else number == 0


def _without_comments(text: str) -> str:
    pieces: list[str] = []
    at = 0
    while (start := text.find("/*", at)) >= 0:
        pieces.append(text[at:start])
        end = text.find("*/", start + 2)
        if end < 0:
            return "".join(pieces)
        at = end + 2
    pieces.append(text[at:])
    return "".join(pieces)
