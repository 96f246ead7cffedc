"""What a person sees of an HTML mail, as text. Linear, never raises.

A walk over tokens, not over a tree: trees are quadratic or recursive in somebody's hands.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from urllib.parse import unquote

from turbohtml import Token, TokenType, tokenize

MAX_HTML_CHARACTERS = 512 * 1024

_BREAK_NAMES = """
    address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption figure
    footer form h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol optgroup option p pre section summary table
    tbody tfoot thead tr ul
"""
_VOID_NAMES = "area base br col embed hr img input link meta param source track wbr"
_UNSEEN_NAMES = """
    script style title template noframes noembed iframe object svg math audio video canvas datalist select
"""
_BREAKS = frozenset(_BREAK_NAMES.split())
_CELLS = frozenset(("td", "th"))
_VOID = frozenset(_VOID_NAMES.split())
_UNSEEN = frozenset(_UNSEEN_NAMES.split())
_WHITE = re.compile(r"[ \t\r\n\f]+")
_HIDING_STYLE = re.compile(
    r"(?:^|[;{\s])(?:display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?:\.0+)?(?![.\d])"
    r"|max-height\s*:\s*0(?:\.0+)?(?![.\d]))",
    re.IGNORECASE,
)
_FONT_SIZE = re.compile(r"(?:^|[;{\s])font-size\s*:\s*(\d{0,9}(?:\.\d{1,9})?)", re.IGNORECASE)
_MAX_STYLE = 2000
_CONTENT_ID = re.compile(r"""cid:([^\s"'<>)]{1,500})""", re.IGNORECASE)


_Attributes = Sequence[tuple[str, str | None]]


@dataclass(slots=True)
class _Frame:
    """An open element that changes how what is in it is seen."""

    tag: str
    hidden: bool
    tiny: bool  # font-size: 0, which an element inside may undo
    quoted: bool  # a client's quotation of the message that is answered
    preformatted: bool
    same_inside: int = 0  # open elements of this name inside, which end before it


def html_to_text(html: str) -> str:
    """The visible text: a line for each block, cells apart by a space, what a client quotes behind `> `.

    At most MAX_HTML_CHARACTERS are read.
    """
    writer = _Writer()
    _walk(html[:MAX_HTML_CHARACTERS], writer, may_have_noscript=True)
    return writer.text()


def shown_content_ids(html: str) -> frozenset[str]:
    """The Content-IDs, in lower case, that the HTML refers to by `cid:` (RFC 2392)."""
    found = _CONTENT_ID.findall(html[:MAX_HTML_CHARACTERS])
    return frozenset(unquote(unescape(name)).strip("<>").lower() for name in found)


class _Writer:
    """Lines as they grow, and the open elements that matter."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._frames = [_Frame("", False, False, False, False)]
        self._open: dict[str, list[_Frame]] = {}

    @property
    def seen(self) -> bool:
        top = self._frames[-1]
        return not (top.hidden or top.tiny)

    def write(self, text: str) -> None:
        if self._frames[-1].preformatted and "\n" in text:
            first, *others = text.replace("\r\n", "\n").split("\n")
            self._line.append(first)
            for line in others:
                self.end_line(blank=True)
                self._line.append(line)
            return
        self._line.append(_WHITE.sub(" ", text))

    def end_line(self, *, blank: bool = False) -> None:
        """Ends the line if there is one; `blank`: otherwise leaves an empty line, one at most."""
        line = _WHITE.sub(" ", "".join(self._line)).strip(" ")
        self._line.clear()
        if line:
            self._lines.append("> " + line if self._frames[-1].quoted else line)
        elif blank and self._lines and self._lines[-1]:
            self._lines.append("")

    def start(self, tag: str, attributes: _Attributes) -> None:
        top = self._frames[-1]
        if top.tag == "p" and tag in _BREAKS:
            self.end("p")
            top = self._frames[-1]
        frame = _frame_for(tag, attributes, top)
        if frame is not None:
            self._frames.append(frame)
            self._open.setdefault(tag, []).append(frame)
        elif self._open.get(tag):
            self._open[tag][-1].same_inside += 1

    def end(self, tag: str) -> None:
        """Closes the innermost open element of that name with all that is open inside it."""
        frames = self._open.get(tag)
        if not frames:
            return
        if frames[-1].same_inside:
            frames[-1].same_inside -= 1
            return
        while True:
            closed = self._frames.pop()
            self._open[closed.tag].pop()
            if closed.tag == tag:
                return

    def text(self) -> str:
        self.end_line()
        return "\n".join(self._lines).strip("\n")


def _walk(html: str, writer: _Writer, *, may_have_noscript: bool) -> None:
    in_noscript = False
    for token in tokenize(html):
        match token.type:
            case TokenType.TEXT:
                if in_noscript:  # its markup comes as text, and no mail client runs scripts
                    _walk(token.data or "", writer, may_have_noscript=False)
                elif writer.seen:
                    writer.write(token.data or "")
            case TokenType.START_TAG:
                in_noscript = may_have_noscript and token.tag == "noscript"
                _start(token, writer)
            case TokenType.END_TAG:
                in_noscript = False
                _end(token.tag or "", writer)
            case _:
                pass


def _start(token: Token, writer: _Writer) -> None:
    tag = token.tag or ""
    if tag in _BREAKS:
        writer.end_line(blank=tag == "br")
    elif tag in _CELLS:
        writer.write(" ")
    if tag not in _VOID:
        writer.start(tag, token.attrs or ())


def _end(tag: str, writer: _Writer) -> None:
    if tag in _BREAKS:
        writer.end_line()
    writer.end(tag)


def _frame_for(tag: str, attributes: _Attributes, around: _Frame) -> _Frame | None:
    """A frame where the element changes what is seen; None for all others, which are not kept track of."""
    hidden, tiny, quoted, preformatted = around.hidden, around.tiny, around.quoted, around.preformatted
    if tag in _UNSEEN:
        hidden = True
    elif tag in ("pre", "textarea"):
        preformatted = True
    for name, value in attributes:
        if name == "style" and value:
            style = value[:_MAX_STYLE]
            hidden = hidden or _HIDING_STYLE.search(style) is not None
            size = _FONT_SIZE.search(style)
            if size is not None and size[1]:
                tiny = float(size[1]) == 0
        elif name == "hidden":
            hidden = True
        elif (name == "type" and tag == "blockquote" and value == "cite") or (name == "class" and _quotes(tag, value)):
            quoted = True
    changed = (hidden, tiny, quoted, preformatted) != (
        around.hidden, around.tiny, around.quoted, around.preformatted,
    )  # fmt: skip
    return _Frame(tag, hidden, tiny, quoted, preformatted) if changed else None


def _quotes(tag: str, classes: str | None) -> bool:
    names = (classes or "").lower().split()
    return "yahoo_quoted" in names or (
        tag == "blockquote" and not {"gmail_quote", "protonmail_quote", "tutanota_quote"}.isdisjoint(names)
    )
