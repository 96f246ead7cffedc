"""Which text of a message people read: out of its tree of parts, plain text or what an HTML part shows."""

import re
from dataclasses import dataclass, field

from routerd.message.calendar_text import calendar_text
from routerd.message.charset import codec_for, is_utf8, says_nothing
from routerd.message.encoded_words import decode_header, decode_words
from routerd.message.envelope import Raw
from routerd.message.headers import HeaderBlock
from routerd.message.html_text import MAX_HTML_CHARACTERS, html_to_text
from routerd.message.mime import Part, decode_body, decode_part, estimated_size, parse_parts
from routerd.message.plain_text import unflow, without_armour, without_commands
from routerd.message.stub import is_far_less, is_stub, may_be_less

MAX_TOTAL_PARTS_OF_TEXT = 8  # the text of one message is capped at so many times the cap of a part

_PLAIN = frozenset(("text/plain", "text/markdown", "text/enriched", "text/richtext"))
_HTML = frozenset(("text/html", "application/xhtml+xml"))
_REPORTS = frozenset(("message/delivery-status", "message/global-delivery-status", "message/disposition-notification"))
_RETURNED_HEADERS = frozenset(("text/rfc822-headers", "message/global-headers"))
_MESSAGES = frozenset(("message/rfc822", "message/global"))
_NOT_SHOWN = frozenset(  # text, but none that clients show
    (
        "text/css", "text/javascript", "text/ecmascript", "text/rtf", "text/x-amp-html", "text/watch-html",
        "text/vcard", "text/x-vcard", "text/directory", "text/x-vcalendar", "text/xml",
    )
)  # fmt: skip
_META_CHARSET = re.compile(r"""<meta\s[^>]{0,300}charset\s{0,9}=\s{0,9}["']?([\w-]{1,40})""", re.IGNORECASE)


@dataclass(slots=True)
class BodyText:
    """`own`: what stands in the message itself; `enclosed`: in messages that are attached to it."""

    own: list[str] = field(default_factory=list)
    enclosed: list[str] = field(default_factory=list)
    was_cut: bool = False
    defects: list[str] = field(default_factory=list)


def read_body(raw: Raw, root: Part, text_limit: int, *, doubts_blockquotes: bool = False) -> BodyText:
    """The text of all parts that are shown, each capped at `text_limit` bytes. Never raises.

    `doubts_blockquotes`: as of `html_to_text`.
    """
    total = text_limit * MAX_TOTAL_PARTS_OF_TEXT
    reader = _Reader(raw, text_limit, total, BodyText(), doubts_blockquotes=doubts_blockquotes)
    texts = reader.read(root)
    if not texts and not (doubts_blockquotes and root.type.startswith("multipart/")):  # a file may be somebody else's
        texts = reader.read_leftovers(root)
    reader.body.own = texts
    return reader.body


def is_attachment(part: Part) -> bool:
    """By its header alone: disposed so, or with a file name."""
    return part.disposition.main == "attachment" or bool(part.file_name)


def readable_bytes(raw: Raw, root: Part) -> int:
    """The bytes of the message without the parts in which there is no text to read, by their type."""
    return len(raw) - sum(part.end - part.start for part in root.walk() if not _may_be_read(part))


def _may_be_read(part: Part) -> bool:
    """Whatever its disposition: where nothing else has text, files do. What holds other parts is what they are."""
    return part.type.startswith(("text/", "message/", "multipart/")) or part.type in _HTML


class _Reader:
    """One walk over the parts. Its depth is bounded by `mime.MAX_DEPTH`."""

    def __init__(
        self,
        raw: Raw,
        limit: int,
        left: int,
        body: BodyText,
        *,
        encoded: bool = False,
        doubts_blockquotes: bool = False,
    ) -> None:
        self._raw = raw
        self._doubts_blockquotes = doubts_blockquotes
        self._limit = limit
        self._left = left
        self._encoded = encoded  # the bytes were decoded out of a part: what is encoded again inside is left
        self.body = body

    def read(self, part: Part) -> list[str]:
        """The texts of the part and all in it, in their order, without blank ones."""
        if part.broken:
            self.body.defects.append(part.broken)
            return self._plain(part)
        if part.type in _MESSAGES:
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
        if part.type in _HTML:
            return self._html(part)
        if part.type == "text/calendar":
            text = calendar_text(self._decode(part, self._limit))
            return [text] if text.strip() else []
        if part.type in _RETURNED_HEADERS:
            self.body.enclosed.extend("\n".join(map(decode_words, text.split("\n"))) for text in self._plain(part))
            return []
        if part.type in _REPORTS or (part.type.startswith("text/") and part.type not in _NOT_SHOWN):
            return self._plain(part)  # RFC 2046 4.1.4: text of an unknown kind is plain text
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
            if child.type in _PLAIN and not is_attachment(child):
                texts = self.read(child)
                if texts and not is_stub(texts[0]):
                    if not may_be_less(texts[0], self._html_bytes(part)):
                        return texts
                    rich = self._rich(part)
                    return rich if is_far_less(texts[0], "\n".join(rich)) else texts
                stub = stub or texts
        if texts := self._rich(part):
            return texts
        if stub:
            return stub
        return [text for child in part.children if child.type == "text/calendar" for text in self.read(child)]

    def _rich(self, part: Part) -> list[str]:
        """The last of the alternatives that shows something and is not plain; HTML before what nobody knows."""
        children = [child for child in reversed(part.children) if child.type not in _PLAIN | {"text/calendar"}]
        children.sort(key=lambda child: child.type.startswith("text/") and child.type not in _HTML)
        for child in children:
            if texts := self.read(child):
                return texts
        return []

    def _html_bytes(self, part: Part) -> int:
        return max((estimated_size(self._raw, below) for below in part.walk() if below.type in _HTML), default=0)

    def _plain(self, part: Part) -> list[str]:
        text = self._decode(part, self._limit)
        parameters = part.content_type.parameters
        if parameters.get("format", "").lower() == "flowed":
            text = unflow(text, deletes_spaces=parameters.get("delsp", "").lower() == "yes")
        if part.type in ("text/enriched", "text/richtext"):
            text = without_commands(text)
        if "-----BEGIN PGP " in text:
            text = without_armour(text)
        return [text] if text.strip() else []

    def _html(self, part: Part) -> list[str]:
        source = self._decode(part, MAX_HTML_CHARACTERS)
        if not source.isascii() and says_nothing(part.charset):
            source = self._by_meta(part, source)
        text = html_to_text(source, doubts_blockquotes=self._doubts_blockquotes)
        if len(text) > self._limit:
            text = text[: self._limit]
            self.body.was_cut = True
        return [text] if text.strip() else []

    def _by_meta(self, part: Part, source: str) -> str:
        """The source again, by the charset that the HTML itself names, where the part names none and it is no UTF-8."""
        meta = _META_CHARSET.search(source[:4096])
        codec = codec_for(meta[1]) if meta else None
        if meta is None or codec is None or codec.startswith("utf"):
            return source
        if is_utf8(decode_body(self._raw, part, MAX_HTML_CHARACTERS)[0]):
            return source
        return decode_part(self._raw, part, MAX_HTML_CHARACTERS, meta[1])[0]

    def _enclosed(self, part: Part) -> list[str]:
        if part.encoding == "base64":
            self._read_encoded(part)
        for child in part.children:
            subject = child.headers.raw_values("subject")
            texts = self.read(child)
            if subject:
                texts.insert(0, decode_header(subject[0], child.charset))
            self.body.enclosed.extend(texts)
        return []

    def _read_encoded(self, part: Part) -> None:
        """A whole message in base64, which RFC 2046 5.2.1 forbids and gateways send."""
        if self._encoded:
            return
        raw = decode_body(self._raw, part, min(MAX_HTML_CHARACTERS, self._left))[0]
        reader = _Reader(raw, self._limit, self._left, self.body, encoded=True)
        root = parse_parts(raw, HeaderBlock.scan(raw))
        texts = reader.read(root)
        self._left = reader._left
        self.body.enclosed.extend([decode_header(value, root.charset) for value in root.headers.raw_values("subject")])
        self.body.enclosed.extend(texts)

    def _decode(self, part: Part, limit: int) -> str:
        text, cut = decode_part(self._raw, part, max(min(limit, self._left), 0))
        self._left -= len(text)
        self.body.was_cut = self.body.was_cut or cut
        return text


def _related_root(part: Part) -> Part:
    start = part.content_type.parameters.get("start", "").strip("<> \t").lower()
    if start:
        for child in part.children:
            if child.content_id == start:
                return child
    with_text = (child for child in part.children if child.type.startswith(("text/", "multipart/")))
    return next(with_text, part.children[0])
