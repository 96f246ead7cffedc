"""All that rules may see of one message, and the forms of its text that conditions compare, each made once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from unicodedata import normalize

from routerd.message.fold import fold, fold_exact, nfc_visible
from routerd.message.light import light
from routerd.message.view import Attachment, MessageView
from routerd.rules.matching.languages import language_of
from routerd.rules.matching.letter_folds import fold_by_letter, is_plain
from routerd.rules.matching.literals import Literals
from routerd.rules.matching.patterns import PatternSet
from routerd.rules.matching.phrases import Words
from routerd.rules.matching.stemmed import MAX_STEMMED_WORDS, StemmedText, Vocabulary

_JOINED: Mapping[str, tuple[str, ...]] = {"text": ("subject", "body"), "everything": ("subject", "whole")}
_HEADER = "header "
_ATTACHMENT = "attachment "


class Part:
    """One text of the message in the forms in which it is compared."""

    __slots__ = (
        "_exact", "_fitting", "_found", "_plain", "_stemmed", "_visible", "_vocabulary", "_words",
        "field", "folded", "folding", "original",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        original: str,
        folded: str,
        folding: Callable[[str], str] = fold,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        """`folded` is what `folding` makes of `original`, without white space at its ends."""
        self.field = name  # subject, body, header x-spam-flag, …
        self.original = original
        self.folded = folded
        self.folding = folding
        self._vocabulary = vocabulary
        self._exact: Part | None = None
        self._words: Words | None = None
        self._stemmed: StemmedText | None = None
        self._visible: bytes | None = None
        self._plain: bool | None = None
        self._found: dict[Literals, frozenset[str]] = {}
        self._fitting: dict[PatternSet, Sequence[int]] = {}

    def found_of(self, literals: Literals) -> frozenset[str]:
        """Those of `literals` that stand in the folded text, or in that folded letter by letter; looked for once."""
        found = self._found.get(literals)
        if found is None:
            found = literals.found_in(self.folded)
            if not self._is_plain:
                found |= literals.found_in(fold_by_letter(self.visible.decode()))
            self._found[literals] = found
        return found

    def fitting(self, patterns: PatternSet) -> Sequence[int]:
        """The numbers of those patterns that may fit the text as written; asked once."""
        found = self._fitting.get(patterns)
        if found is None:
            found = self._fitting[patterns] = patterns.may_fit(self.visible)
        return found

    @property
    def words(self) -> Words:
        if self._words is None:
            self._words = Words(self.folded)
        return self._words

    @property
    def exact(self) -> "Part":
        """The same text as `exact: true` compares it."""
        if self._exact is None:
            self._exact = Part(self.field, self.original, fold_exact(self.original).strip(), fold_exact)
        return self._exact

    @property
    def stemmed(self) -> StemmedText:
        if self._stemmed is None:
            self._stemmed = StemmedText(self.original, self._vocabulary)
        return self._stemmed

    @property
    def visible(self) -> bytes:
        """What a regex sees, in UTF-8: NFC without invisible characters, otherwise as written."""
        if self._visible is None:
            visible = normalize("NFC", self.original) if self._is_plain else nfc_visible(self.original)
            self._visible = visible.encode("utf-8", "replace")
        return self._visible

    @property
    def _is_plain(self) -> bool:
        if self._plain is None:
            self._plain = is_plain(self.original)
        return self._plain


class FieldText:
    """The texts of a message by field. A field that nobody asks about is not decoded; none is folded twice.

    Fields are `subject`, `body`, `text`, `everything`, `from_name`, `header NAME` (lower case) and `attachment N` (its
    file name). A text that is blank when folded is not there.
    """

    __slots__ = ("_folded", "_language", "_parts", "_vocabulary", "view")

    def __init__(self, view: MessageView) -> None:
        self.view = view
        self._parts: dict[str, tuple[Part, ...]] = {}
        self._folded: dict[str, tuple[str, ...]] = {}
        self._vocabulary = Vocabulary()
        self._language: tuple[str | None] | None = None

    def folded(self, name: str) -> tuple[str, ...]:
        """The field's texts, folded; a term holds where it fits one of them."""
        folded = self._folded.get(name)
        if folded is None:
            folded = self._folded[name] = tuple(part.folded for part in self.parts(name))
        return folded

    def parts(self, name: str) -> tuple[Part, ...]:
        parts = self._parts.get(name)
        if parts is None:
            joined = _JOINED.get(name)
            if joined is not None:
                parts = tuple(part for one in joined for part in self.parts(one))
            else:
                parts = self._read(name)
            self._parts[name] = parts
        return parts

    @property
    def language(self) -> str | None:
        """The ISO 639-1 code of the new text's language; None where it cannot be told."""
        if self._language is None:
            self._language = (language_of(self.view.new_text),)
        return self._language[0]

    @property
    def was_cut(self) -> bool:
        """Whether a text that was asked about had been cut at `limits.rule_text`."""
        return ("body" in self._parts or "whole" in self._parts) and self.view.text_was_cut

    @property
    def cuts(self) -> tuple[str, ...]:
        """What of the message rules have not seen, or not in full, in words."""
        notes = []
        if self.was_cut:
            notes.append("the text was cut at limits.rule_text before the rules saw it")
        if self._vocabulary.was_cut:
            notes.append(
                f"the message has more than {MAX_STEMMED_WORDS:,} different words: `stem` compares the others as `word`"
            )
        return tuple(notes)

    def _read(self, name: str) -> tuple[Part, ...]:
        if name == "whole":
            return self._whole()
        parts = []
        for original in self._originals(name):
            folded = fold(original).strip()
            if folded:
                parts.append(Part(name, original, folded, vocabulary=self._vocabulary))
        return tuple(parts)

    def _whole(self) -> tuple[Part, ...]:
        """The whole text; the new text's folded form is used again where nothing was cut from it."""
        whole = self.view.whole_text
        for part in self._parts.get("body", ()):
            if part.original == whole:
                return (Part("everything", whole, part.folded, vocabulary=self._vocabulary),)
        folded = fold(whole).strip()
        return (Part("everything", whole, folded, vocabulary=self._vocabulary),) if folded else ()

    def _originals(self, name: str) -> tuple[str, ...]:
        view = self.view
        if name == "subject":
            return (view.bare_subject,)
        if name == "body":
            return (view.new_text,)
        if name == "from_name":
            return tuple(mailbox.name for mailbox in view.addresses("from"))
        if name.startswith(_HEADER):
            return view.header(name[len(_HEADER) :])
        if name.startswith(_ATTACHMENT):
            return (view.attachments[int(name[len(_ATTACHMENT) :])].name or "",)
        raise ValueError(f"no text field {name!r}")


@light
@dataclass(frozen=True, slots=True)
class ConversationFacts:
    """What is known of the conversation that the message belongs to, as it was before this message."""

    owner: str  # member
    team: str | None  # the team that was picked from
    labels: frozenset[str]
    state: str  # open, answered, snoozed or closed
    messages: int
    waiting: timedelta | None  # how long the customer has been waiting for an answer; None: he is not


@dataclass(frozen=True, slots=True)
class DnsLists:
    """What DNS lists say of the client, by their zones."""

    listed: frozenset[str] = frozenset()  # that it is on
    unanswered: frozenset[str] = frozenset()  # that could not be asked then


NOT_LISTED = DnsLists()


@light
@dataclass(frozen=True, slots=True)
class Facts:
    """One message as the rules of one inbox see it.

    `at`: when it was accepted; None: not said (in a rule's test). `internal` None: it cannot be told now. `results`:
    what verified the sender, method → result (RFC 8601 2.7), in lower case; a method without a result is not in it.
    """

    view: MessageView
    sender: str  # MAIL FROM; "" is the null sender
    recipients: tuple[str, ...]  # this inbox's RCPT TO, with their details
    inbox: str
    own_addresses: frozenset[str]  # all inboxes and their aliases, in lower case
    internal: bool | None
    at: datetime | None
    results: Mapping[str, str] = field(default_factory=dict)
    dmarc_wish: str = ""  # what the owner of From's domain asks for where DMARC fails; "" unknown
    dnsbl: DnsLists = NOT_LISTED
    conversation: ConversationFacts | None = None
    delimiter: str = "+"  # of the detail in an address of ours
    texts: FieldText = field(default=None, repr=False, compare=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.texts is None:
            object.__setattr__(self, "texts", FieldText(self.view))

    def at_inbox(self, inbox: str, recipients: tuple[str, ...]) -> "Facts":
        """The same message for another inbox; what was decoded and folded is kept."""
        return Facts(  # written out: `replace` takes twice as long, for each inbox of each message
            self.view,
            self.sender,
            recipients,
            inbox,
            self.own_addresses,
            self.internal,
            self.at,
            self.results,
            self.dmarc_wish,
            self.dnsbl,
            self.conversation,
            self.delimiter,
            self.texts,
        )


class Seen:
    """What the conditions of one decision are asked of: the facts, and the labels given so far."""

    __slots__ = ("_address_texts", "_addresses", "facts", "labels", "texts")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.texts = facts.texts
        self.labels: dict[str, None] = {}  # in the order given
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._address_texts: dict[str, tuple[Part, ...]] = {}

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        return self.facts.view.attachments

    def addresses(self, name: str) -> tuple[str, ...]:
        """The addresses of a field in lower case, without names; none where there are none."""
        found = self._addresses.get(name)
        if found is None:
            found = self._addresses[name] = _ADDRESSES[name](self.facts)
        return found

    def address_texts(self, name: str) -> tuple[Part, ...]:
        """The same, as texts."""
        found = self._address_texts.get(name)
        if found is None:
            found = tuple(Part(name, address, fold(address)) for address in self.addresses(name))
            self._address_texts[name] = found
        return found


def _of_header(header: str) -> Callable[[Facts], tuple[str, ...]]:
    return lambda facts: tuple(mailbox.address.lower() for mailbox in facts.view.addresses(header) if mailbox.address)


def customer_of(facts: Facts) -> tuple[str, ...]:
    """Reply-To where From is one of ours (a web form writes in our name), else From."""
    authors = _of_header("from")(facts)
    if any(_is_ours(author, facts) for author in authors):
        return _of_header("reply-to")(facts) or authors
    return authors


def _is_ours(address: str, facts: Facts) -> bool:
    """An inbox or an alias of one, perhaps with a detail."""
    local, _, domain = address.rpartition("@")
    base = f"{local.partition(facts.delimiter)[0]}@{domain}"
    return not facts.own_addresses.isdisjoint((address, base))


_ADDRESSES: Mapping[str, Callable[[Facts], tuple[str, ...]]] = {
    "from": _of_header("from"),
    "reply_to": _of_header("reply-to"),
    "to": _of_header("to"),
    "cc": _of_header("cc"),
    "customer": customer_of,
    "sender": lambda facts: (facts.sender.lower(),) if facts.sender else (),
    "recipient": lambda facts: tuple(recipient.lower() for recipient in facts.recipients),
    "inbox": lambda facts: (facts.inbox.lower(),),
}
ADDRESS_FIELDS = frozenset(_ADDRESSES)
