"""One message as people see it: decoded lazily from its bytes, each thing on first use and then kept. Never raises."""

import hashlib
import re
from dataclasses import dataclass, replace
from itertools import islice

from routerd.message.address_list import MAX_MAILBOXES, Mailbox, parse_mailboxes
from routerd.message.body_text import BodyText, is_attachment, read_body
from routerd.message.encoded_words import MAX_VALUE_BYTES, decode_8bit, decode_header
from routerd.message.envelope import Raw
from routerd.message.hashing import feed
from routerd.message.headers import HeaderBlock
from routerd.message.html_text import MAX_HTML_CHARACTERS, shown_content_ids
from routerd.message.kinds import is_forward, kinds_of
from routerd.message.mime import Part, decode_body, estimated_size, parse_parts
from routerd.message.nesting import is_nested_deeper
from routerd.message.once import once
from routerd.message.quotes import OwnWords, cut_quotes, own_words
from routerd.message.subject import BareSubject, cut_prefixes

__all__ = ["Attachment", "Mailbox", "MessageView"]

MAX_REFERENCES = 50
MAX_HTML_PARTS = 20  # that are searched for the pictures they show

# What hops add or change on the way. All else is hashed: a header decides how a body reads and what rules say of it.
_OF_THE_WAY = frozenset(
    (
        "received",
        "return-path",
        "delivered-to",
        "x-original-to",
        "envelope-to",
        "received-spf",
        "authentication-results",
        "arc-seal",
        "arc-message-signature",
        "arc-authentication-results",
    )
)
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,995})>")  # RFC 5322 2.1.1: a line has 998 characters


@dataclass(frozen=True, slots=True)
class Attachment:
    """`name` is decoded, "" without one; `type` such as application/pdf; the size is that of the decoded file."""

    name: str
    type: str
    size_bytes: int


class MessageView:
    """A view on `raw`, which stays as it is. Text of a part is read up to `text_limit` bytes."""

    def __init__(self, raw: Raw, *, text_limit: int = 256_000) -> None:
        self.raw = raw
        self.defects: list[str] = []  # what was found broken so far, in the order in which it was looked at
        self._text_limit = text_limit
        self._decoded: dict[str, tuple[str, ...]] = {}
        self._mailboxes: dict[str, tuple[Mailbox, ...]] = {}

    @once
    def headers(self) -> HeaderBlock:
        return HeaderBlock.scan(self.raw)

    @property
    def size_bytes(self) -> int:
        return len(self.raw)

    def header(self, name: str) -> tuple[str, ...]:
        """The values of every field called `name` (any case): unfolded, decoded (RFC 2047), without CR, LF and NUL."""
        known = self._decoded.get(name)
        if known is None:
            values = self.headers.raw_values(name)
            if values and max(map(len, values)) > MAX_VALUE_BYTES:
                self.defects.append(f"header {name.lower()} is too long to be read whole")
            known = self._decoded[name] = tuple([self._decode(value).strip() for value in values])
        return known

    def addresses(self, name: str) -> tuple[Mailbox, ...]:
        """The mailboxes in every field called `name`, groups opened, at most `MAX_MAILBOXES`."""
        known = self._mailboxes.get(name)
        if known is None:
            found: list[Mailbox] = []
            for value in self.headers.raw_values(name):
                if len(found) < MAX_MAILBOXES:
                    found.extend(parse_mailboxes(self._decode_8bit(value)))
            known = self._mailboxes[name] = tuple(found[:MAX_MAILBOXES])
        return known

    @once
    def subject(self) -> str:
        """The first Subject with its prefixes; "" without one."""
        return next(iter(self.header("subject")), "")

    @property
    def bare_subject(self) -> str:
        """The first Subject without `Re:`, `Fwd:` and their kin."""
        return self._cut_subject.text

    @once
    def author(self) -> Mailbox | None:
        """The first mailbox in From."""
        return next(iter(self.addresses("from")), None)

    @once
    def message_id(self) -> str | None:
        """The first Message-ID without its brackets."""
        value = next(iter(self.header("message-id")), "")
        found = _MESSAGE_ID.search(value)
        if found is not None:
            return found[1]
        bare = value.strip("<> \t")
        return bare if bare and len(bare) < 996 and not any(character.isspace() for character in bare) else None

    @once
    def references(self) -> tuple[str, ...]:
        """Message-IDs in References and In-Reply-To, each once, newest last, the newest `MAX_REFERENCES`."""
        values = (*self.header("references"), *self.header("in-reply-to"))
        return tuple(dict.fromkeys(found for value in values for found in _MESSAGE_ID.findall(value)))[-MAX_REFERENCES:]

    @once
    def received_count(self) -> int:
        return self.headers.count("received")

    @once
    def new_text(self) -> str:
        """What the sender newly wrote: quotes and signature cut. A forward is seen whole."""
        own = "\n".join(self._body.own)
        if is_forward(self.root, self._cut_subject):
            return self.whole_text
        if not own.strip():
            return self.whole_text
        return cut_quotes(own)

    @once
    def own_words(self) -> OwnWords:
        """What the sender himself wrote on top: for what is done because he says so.

        Where it is in doubt whether somebody else wrote it, it is left out.
        """
        body = read_body(self.raw, self.root, self._text_limit, doubts_blockquotes=True)
        own = own_words("\n".join(body.own))
        return replace(own, passes_on=own.passes_on or is_forward(self.root, self._cut_subject))

    @once
    def whole_text(self) -> str:
        """All text that is shown, quotes and enclosed messages included."""
        return "\n".join((*self._body.own, *self._body.enclosed)).strip()

    @property
    def text_was_cut(self) -> bool:
        """Some text was longer than is read."""
        return self._body.was_cut

    @once
    def attachments(self) -> tuple[Attachment, ...]:
        """Parts disposed `attachment`, or with a file name and no Content-ID that the HTML shows."""
        candidates = [part for part in self.root.walk() if is_attachment(part)]
        undecided = any(part.disposition.main != "attachment" and part.content_id for part in candidates)
        shown = self._shown_content_ids if undecided else frozenset[str]()
        return tuple(
            Attachment(part.file_name, part.type, estimated_size(self.raw, part))
            for part in candidates
            if part.disposition.main == "attachment" or part.content_id not in shown
        )

    def is_nested_deeper(self, levels: int) -> bool:
        """Whether parts are nested in parts more than so many times."""
        said = b" ".join(self.headers.raw_values("content-type")).lower()
        return (b"multipart" in said or b"message" in said) and is_nested_deeper(self.raw, self.root, levels)

    @once
    def kinds(self) -> frozenset[str]:
        """Any of: reply forward auto bounce list bulk encrypted signed calendar."""
        author = self.author.address if self.author else ""
        return kinds_of(self.raw, self.headers, self.root, self._cut_subject, author)

    @once
    def content_hash(self) -> bytes:
        """SHA-256 over the message, less what the way to us adds to its header."""
        digest = hashlib.sha256()
        with memoryview(self.raw) as whole:
            kept_from = 0
            for field in self.headers.fields:
                if field.name_lower in _OF_THE_WAY:
                    feed(digest, whole[kept_from : field.start])
                    kept_from = field.end
            feed(digest, whole[kept_from:])
        return digest.digest()

    @once
    def _cut_subject(self) -> BareSubject:
        return cut_prefixes(self.subject)

    @once
    def root(self) -> Part:
        """The message as the tree of its parts."""
        return parse_parts(self.raw, self.headers)

    @once
    def _shown_content_ids(self) -> frozenset[str]:
        """By all HTML, also where the plain text beside it is what rules read."""
        sources = (part for part in self.root.walk() if part.type == "text/html")
        return frozenset[str]().union(
            *(
                shown_content_ids(decode_body(self.raw, part, MAX_HTML_CHARACTERS)[0].decode("latin-1"))
                for part in islice(sources, MAX_HTML_PARTS)
            )
        )

    @once
    def _body(self) -> BodyText:
        body = read_body(self.raw, self.root, self._text_limit)
        self.defects.extend(body.defects)
        return body

    def _decode(self, value: bytes) -> str:
        """The charset of the message is looked up only for bytes that are neither ASCII nor UTF-8."""
        return decode_header(value, "" if value.isascii() else self.root.charset)

    def _decode_8bit(self, value: bytes) -> str:
        """Like `_decode`, with encoded words left for after the addresses are told apart."""
        value = value[:MAX_VALUE_BYTES]
        if value.isascii():
            return value.decode("ascii")
        return decode_8bit(value, self.root.charset)
