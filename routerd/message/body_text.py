"""Which text of a message people read: out of its tree of parts, plain text or what an HTML part shows."""

import re
from dataclasses import dataclass, field

from routerd.message.encoded_words import decode_header
from routerd.message.envelope import Raw
from routerd.message.html_text import MAX_HTML_CHARACTERS, html_to_text
from routerd.message.mime import Part, decode_part

MAX_TOTAL_PARTS_OF_TEXT = 8  # the text of one message is capped at so many times the cap of a part

_STUB = re.compile(
    # English
    r"view (?:this |the )?(?:e-?mail |message |newsletter |it )?(?:in|with|on) (?:a |your |the )?(?:web ?)?browser"
    r"|(?:does not|doesn't|cannot|can't|can not|unable to|not) (?:support|display|show|read|view) (?:an? )?html"
    r"|html[ -](?:e-?mail|message|format|version)"
    r"|to view (?:this|the) (?:e-?mail|message)|view (?:the )?(?:online|web) version|read (?:this|it) online"
    # Polish
    r"|(?:zobacz|wyświetl|otwórz|obejrzyj) .{0,40}(?:w|przez) przeglądar"
    r"|(?:nie obsługuje|w formacie|format|wersj\w+) .{0,30}html"
    # German
    r"|(?:im|in ihrem|in einem) (?:web)?browser (?:anzeigen|ansehen|öffnen|lesen)|unterstützt kein"
    r"|html-?(?:nachricht|e-?mail|mail|format|darstellung)"
    # French and Spanish
    r"|(?:dans|avec) (?:votre |un |le )?navigateur|version en ligne|(?:en|con) (?:su |tu |el |un )?navegador"
    r"|(?:supporte|soporta|admite|affiche\w*) .{0,20}html"
    # Arabic
    r"|في المتصفح|لا يدعم .{0,20}html",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>]*", re.IGNORECASE)
_MAX_STUB = 600  # characters without links: longer text is not only there to point at the HTML
_WORD_CHARACTERS = re.compile(r"\w")
_CALENDAR_FIELD = re.compile(
    r"^(?:SUMMARY|DESCRIPTION|LOCATION|COMMENT)(?:;[^:\n]{0,500})?:(.*)$", re.MULTILINE | re.IGNORECASE
)
_SOFT_BREAK = re.compile(r"(?<!^--) \n(?!>)", re.MULTILINE)
_PLAIN_LIKE = frozenset(("text/plain", "text/markdown", "text/enriched", "text/x-amp-html-fallback", "text/directory"))
_RAW_REPORTS = frozenset(
    ("message/delivery-status", "message/global-delivery-status", "message/disposition-notification")
)


@dataclass(slots=True)
class BodyText:
    """`own`: what stands in the message itself; `enclosed`: in messages that are attached to it."""

    own: list[str] = field(default_factory=list)
    enclosed: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)  # sources of HTML that is shown
    was_cut: bool = False
    defects: list[str] = field(default_factory=list)


def read_body(raw: Raw, root: Part, text_limit: int, declared: str = "") -> BodyText:
    """The text of all parts that are shown, each capped at `text_limit` bytes. Never raises."""
    reader = _Reader(raw, text_limit, declared)
    texts = reader.read(root)
    if not texts:
        texts = reader.read_leftovers(root)
    reader.body.own = texts
    return reader.body


def is_attachment(part: Part) -> bool:
    """By its header alone: disposed so, or with a file name."""
    return part.disposition.main == "attachment" or bool(part.file_name)


class _Reader:
    """One walk over the parts. Its depth is bounded by `mime.MAX_DEPTH`."""

    def __init__(self, raw: Raw, limit: int, declared: str) -> None:
        self._raw = raw
        self._limit = limit
        self._left = limit * MAX_TOTAL_PARTS_OF_TEXT
        self._declared = declared
        self.body = BodyText()

    def read(self, part: Part) -> list[str]:
        """The texts of the part and all in it, in their order, without blank ones."""
        if part.broken:
            self.body.defects.append(part.broken)
            return self._plain(part)
        if part.type in ("message/rfc822", "message/global"):
            return self._enclosed(part)
        if part.type.startswith("multipart/"):
            return self._multipart(part)
        if is_attachment(part) and part.type != "text/calendar":
            return []
        return self._leaf(part)

    def read_leftovers(self, root: Part) -> list[str]:
        """The first text that has a file name but is not disposed as an attachment: scanners send so."""
        for part in root.walk():
            if part.type in ("text/plain", "text/html") and part.disposition.main != "attachment" and part.file_name:
                return self._leaf(part)
        return []

    def _leaf(self, part: Part) -> list[str]:
        if part.type in _PLAIN_LIKE or part.type in _RAW_REPORTS:
            return self._plain(part)
        if part.type in ("text/html", "application/xhtml+xml"):
            return self._html(part)
        if part.type == "text/calendar":
            return self._calendar(part)
        return []

    def _multipart(self, part: Part) -> list[str]:
        children = part.children
        match part.type:
            case "multipart/alternative":
                return self._alternative(part)
            case "multipart/related":
                return self.read(_related_root(part))
            case "multipart/encrypted":
                return []
            case "multipart/signed":
                children = children[:1]
        texts: list[str] = []
        for child in children:
            texts.extend(self.read(child))
        return texts

    def _alternative(self, part: Part) -> list[str]:
        """Plain text where it says something (RFC 2046 5.1.4 puts it first), else the last that can be read."""
        stub: list[str] = []
        for child in part.children:
            if child.type in _PLAIN_LIKE and not is_attachment(child):
                texts = self.read(child)
                if texts and not _is_stub(texts[0]):
                    return texts
                stub = stub or texts
        for child in reversed(part.children):
            if child.type not in _PLAIN_LIKE and child.type != "text/calendar" and (texts := self.read(child)):
                return texts
        if stub:
            return stub
        return [text for child in part.children if child.type == "text/calendar" for text in self.read(child)]

    def _plain(self, part: Part) -> list[str]:
        text = self._decode(part, self._limit)
        if part.content_type.parameters.get("delsp", "").lower() == "yes":
            text = _SOFT_BREAK.sub("", text)  # RFC 3676 4.2
        return [text] if text.strip() else []

    def _html(self, part: Part) -> list[str]:
        source = self._decode(part, MAX_HTML_CHARACTERS)
        if not part.charset and not source.isascii():
            source = self._by_meta(part, source)
        self.body.html.append(source)
        text = html_to_text(source)
        if len(text) > self._limit:
            text = text[: self._limit]
            self.body.was_cut = True
        return [text] if text.strip() else []

    def _by_meta(self, part: Part, source: str) -> str:
        """The source again, by the charset that the HTML itself names, where the part names none."""
        meta = _META_CHARSET.search(source[:4096])
        if meta is None or meta[1].lower().replace("-", "") == "utf8":
            return source
        return decode_part(self._raw, part, MAX_HTML_CHARACTERS, meta[1])[0]

    def _calendar(self, part: Part) -> list[str]:
        source = self._decode(part, self._limit).replace("\n ", "").replace("\n\t", "")
        fields = [found[1].strip() for found in _CALENDAR_FIELD.finditer(source)]
        text = "\n".join(fields).replace("\\n", "\n").replace("\\N", "\n").replace("\\,", ",").replace("\\;", ";")
        return [text] if text.strip() else []

    def _enclosed(self, part: Part) -> list[str]:
        for child in part.children:
            subject = child.headers.raw_values("subject")
            texts = self.read(child)
            if subject:
                texts.insert(0, decode_header(subject[0], child.charset))
            self.body.enclosed.extend(texts)
        return []

    def _decode(self, part: Part, limit: int) -> str:
        text, cut = decode_part(self._raw, part, min(limit, self._left), self._declared)
        self._left -= len(text)
        self.body.was_cut = self.body.was_cut or cut
        return text


_META_CHARSET = re.compile(r"""<meta\s[^>]{0,300}charset\s{0,9}=\s{0,9}["']?([\w-]{1,40})""", re.IGNORECASE)


def _related_root(part: Part) -> Part:
    start = part.content_type.parameters.get("start", "").strip("<> \t").lower()
    if start:
        for child in part.children:
            if child.content_id == start:
                return child
    return part.children[0]


def _is_stub(text: str) -> bool:
    said = _LINK.sub("", text[: 4 * _MAX_STUB])
    if _WORD_CHARACTERS.search(said) is None:
        return True
    return len(said) <= _MAX_STUB and _STUB.search(" ".join(said.split())) is not None
