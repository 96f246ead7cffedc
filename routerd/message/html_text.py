"""What a person sees of an HTML mail, as text. Linear, never raises.

A walk over tokens, not over a tree: trees are quadratic or recursive in somebody's hands.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from urllib.parse import unquote

from turbohtml import Token, TokenType, tokenize

from routerd.message.html_style import Style, read_style

MAX_HTML_CHARACTERS = 512 * 1024

_BREAK_NAMES = """
    address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption figure
    footer form h1 h2 h3 h4 h5 h6 header hr html legend li listing main menu nav ol optgroup option p plaintext pre
    section summary table tbody tfoot thead tr ul xmp
"""
_VOID_NAMES = "area base br col embed hr img input link meta param source track wbr"
_UNSEEN_NAMES = "script style title template noframes noembed iframe svg math datalist select"
# HTML 13.2.6.5: their start ends a drawing or a formula that was left open.
_OUT_OF_DRAWINGS_NAMES = """
    b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta nobr
    ol p pre ruby s small span strong strike sub sup table tt u ul var
"""
_BREAKS = frozenset(_BREAK_NAMES.split())
_BOXES = frozenset(("td", "th", "button", "input", "textarea"))
_VOID = frozenset(_VOID_NAMES.split())
_UNSEEN = frozenset(_UNSEEN_NAMES.split())
_DRAWINGS = ("svg", "math")
_OUT_OF_DRAWINGS = frozenset(_OUT_OF_DRAWINGS_NAMES.split())
_PREFORMATTED = frozenset(("pre", "textarea", "xmp", "listing", "plaintext"))
_CHANGING = _UNSEEN | _PREFORMATTED
# Elements that are left open end by the start of the next, unless a table or list inside them holds it.
_CELL = frozenset(("td", "th", "p"))
_ENDED_BY = dict.fromkeys(_BREAKS, frozenset(("p",))) | {
    "td": _CELL, "th": _CELL, "tr": _CELL | {"tr"}, "tbody": _CELL | {"tr", "tbody", "thead", "tfoot"},
    "tfoot": _CELL | {"tr", "tbody", "thead", "tfoot"}, "li": frozenset(("li", "p")),
    "dt": frozenset(("dt", "dd", "p")), "dd": frozenset(("dt", "dd", "p")), "option": frozenset(("option",)),
}  # fmt: skip
_HOLDERS = frozenset(("table", "ul", "ol", "dl"))
_ENDS_ITEMS = {"tr": _CELL, **dict.fromkeys(_HOLDERS, _CELL | {"tr", "tbody", "thead", "tfoot", "li", "dt", "dd"})}
_LOOKS_BACK = 8  # elements
_WHITE = re.compile(r"[ \t\r\n\f]+")
_CONTENT_ID = re.compile(r"""cid:([^\s"'<>)]{1,500})""", re.IGNORECASE)


_Attributes = Sequence[tuple[str, str | None]]


@dataclass(slots=True)
class _Frame:
    """An open element that changes how what is in it is seen."""

    tag: str = ""
    hidden: bool = False
    tiny: bool = False  # font-size: 0, which an element inside may undo
    invisible: bool = False  # visibility: hidden, likewise
    quoted: bool = False  # a client's quotation of the message that is answered
    preformatted: bool = False
    apart: str = ""  # what keeps it from the text beside it
    same_inside: int = 0  # open elements of this name inside, which end before it
    holders: int = 0  # open tables and lists inside


def html_to_text(html: str, *, doubts_blockquotes: bool = False) -> str:
    """The visible text: a line for each block, cells apart by a space, what a client quotes behind `> `.

    `doubts_blockquotes`: also what stands in a <blockquote> that nothing marks as a client's, which may be no more than
    indented. At most MAX_HTML_CHARACTERS are read.
    """
    writer = _Writer(doubts_blockquotes=doubts_blockquotes)
    _walk(html[:MAX_HTML_CHARACTERS], writer, may_have_noscript=True)
    return writer.text()


def shown_content_ids(html: str) -> frozenset[str]:
    """The Content-IDs, in lower case, that the HTML refers to by `cid:` (RFC 2392)."""
    found = _CONTENT_ID.findall(html[:MAX_HTML_CHARACTERS])
    return frozenset(unquote(unescape(name)).strip("<>").lower() for name in found)


class _Writer:
    """Lines as they grow, and the open elements that matter."""

    def __init__(self, *, doubts_blockquotes: bool) -> None:
        self._doubts_blockquotes = doubts_blockquotes
        self._lines: list[str] = []
        self._line: list[str] = []
        self._frames = [_Frame()]
        self._open: dict[str, list[_Frame]] = {}
        self._styles: dict[str, Style | None] = {}

    @property
    def seen(self) -> bool:
        top = self._frames[-1]
        return not (top.hidden or top.tiny or top.invisible)

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

    def keep_apart(self, by: str) -> None:
        if by == "\n":
            self.end_line()
        elif by:
            self._line.append(by)

    def start(self, tag: str, attributes: _Attributes, *, closed: bool) -> None:
        if len(self._frames) > 1:
            if tag in _OUT_OF_DRAWINGS:
                self._end_drawing()
            if tag in _ENDED_BY:
                self._end_left_open(_ENDED_BY[tag])
        if tag in _VOID or (closed and tag in _DRAWINGS):
            return
        frame = self._frame_for(tag, attributes, self._frames[-1])
        if frame is not None:
            self.keep_apart(_apart(frame, self._frames[-1]))
            self._frames.append(frame)
            self._open.setdefault(tag, []).append(frame)
            return
        if self._open.get(tag):
            self._open[tag][-1].same_inside += 1
        if tag in _HOLDERS:
            self._frames[-1].holders += 1

    def end(self, tag: str) -> None:
        """Closes the innermost open element of that name with all that is open inside it."""
        if len(self._frames) == 1:
            return
        if tag in _ENDS_ITEMS:
            self._end_left_open(_ENDS_ITEMS[tag])
            top = self._frames[-1]
            if tag in _HOLDERS and top.holders:
                top.holders -= 1
        frames = self._open.get(tag)
        if not frames:
            return
        if frames[-1].same_inside:
            frames[-1].same_inside -= 1
            return
        self._close(frames[-1])

    def _end_drawing(self) -> None:
        for tag in _DRAWINGS:
            if frames := self._open.get(tag):
                self._close(frames[0])

    def _end_left_open(self, tags: frozenset[str]) -> None:
        """Closes the outermost element of these names that no table or list inside it holds open."""
        found = None
        for frame in reversed(self._frames[-_LOOKS_BACK:]):
            if frame.holders or frame.tag in _HOLDERS:
                break
            if frame.tag in tags:
                found = frame
        if found is not None:
            self._close(found)

    def _close(self, frame: _Frame) -> None:
        while True:
            closed, around = self._frames[-1], self._frames[-2]
            self.keep_apart(_apart(closed, around))
            self._frames.pop()
            self._open[closed.tag].pop()
            if closed is frame:
                return

    def _frame_for(self, tag: str, attributes: _Attributes, around: _Frame) -> _Frame | None:
        """A frame where the element changes what is seen; None for all others, which are not kept track of."""
        frame = _inside(around, tag) if tag in _CHANGING else None
        if tag == "blockquote" and self._doubts_blockquotes:
            frame = _inside(around, tag)
            frame.quoted = True
        for name, value in attributes:
            if name == "style" and value:
                style = self._style(value)
                if style is not None:
                    frame = frame or _inside(around, tag)
                    _apply(style, frame)
            elif name == "hidden":
                frame = frame or _inside(around, tag)
                frame.hidden = True
            elif (name == "type" and tag == "blockquote" and value == "cite") or (
                name == "class" and _quotes(tag, value)
            ):
                frame = frame or _inside(around, tag)
                frame.quoted = True
        return frame if frame is not None and (frame.apart or _looks(frame) != _looks(around)) else None

    def _style(self, text: str) -> Style | None:
        if text not in self._styles:
            self._styles[text] = read_style(text)
        return self._styles[text]

    def text(self) -> str:
        self.end_line()
        return "\n".join(self._lines).replace("\0", "").strip("\n")  # browsers leave NUL out of text


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
    elif tag in _BOXES:
        writer.keep_apart(" ")
    writer.start(tag, token.attrs or (), closed=token.self_closing)


def _end(tag: str, writer: _Writer) -> None:
    if tag in _BREAKS:
        writer.end_line()
    elif tag in _BOXES:
        writer.keep_apart(" ")
    writer.end(tag)


def _inside(around: _Frame, tag: str) -> _Frame:
    return _Frame(
        tag,
        around.hidden or tag in _UNSEEN,
        around.tiny,
        around.invisible,
        around.quoted,
        around.preformatted or tag in _PREFORMATTED,
    )


def _apply(style: Style, frame: _Frame) -> None:
    frame.hidden = frame.hidden or style.hidden
    frame.apart = "" if frame.hidden else style.apart
    if style.tiny is not None:
        frame.tiny = style.tiny
    if style.invisible is not None:
        frame.invisible = style.invisible
    if style.preformatted is not None:
        frame.preformatted = style.preformatted


def _apart(frame: _Frame, around: _Frame) -> str:
    return "\n" if frame.quoted and not around.quoted else frame.apart


def _looks(frame: _Frame) -> tuple[bool, ...]:
    return frame.hidden, frame.tiny, frame.invisible, frame.quoted, frame.preformatted


def _quotes(tag: str, classes: str | None) -> bool:
    names = (classes or "").lower().split()
    return "yahoo_quoted" in names or (
        tag == "blockquote" and not {"gmail_quote", "protonmail_quote", "tutanota_quote"}.isdisjoint(names)
    )
