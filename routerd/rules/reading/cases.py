"""`tests:` of a rule file: nodes to cases. What they say is run by `cases`."""

import re
import unicodedata
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import UTC, datetime

from routerd.config.nearest import quoted
from routerd.config.values import format_duration, parse_duration, parse_size
from routerd.config.yaml_source import Mapping, Mark, Node, Scalar
from routerd.rules import keys
from routerd.rules.facts import ConversationFacts
from routerd.rules.labels import check_label
from routerd.rules.names import Names, suggestion
from routerd.rules.reading.conversation import read_given_conversation
from routerd.rules.reading.proofs import read_given_results, read_listed
from routerd.rules.reading.reader import Reader

CLOCK = datetime(2025, 1, 15, 10, 0, tzinfo=UTC)  # a Wednesday: where a test's clock stands
MAX_ATTACHMENT_BYTES = 10_000_000
_HEADER_NAME = re.compile(r"[!-9;-~]{1,100}\Z")
_LISTED = (
    *("labels", "labels_exactly", "labels_exclude", "rules", "all_rules"),
    *("watchers", "headers", "forward", "approve"),
)
_MET_BY_NONE = ("labels", "labels_exclude")  # by whatever comes of a message, where they name no label


@dataclass(frozen=True, slots=True)
class TestAttachment:
    name: str
    type: str
    size_bytes: int

    __test__ = False  # its name is no call to pytest


@dataclass(frozen=True, slots=True)
class TestMessage:
    """The message of a case; `eml` names a file that holds the whole of it."""

    sender: str = ""
    to: tuple[str, ...] = ()
    subject: str = ""
    body: str | None = None
    html: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[TestAttachment, ...] = ()
    eml: str | None = None

    __test__ = False


@dataclass(frozen=True, slots=True)
class Given:
    """What else is so while a case runs."""

    at: datetime = CLOCK
    at_is_said: bool = False
    away: tuple[str, ...] = ()
    load: MappingOf[str, int] = field(default_factory=dict)
    recipient: str | None = None
    internal: bool | None = None  # None: not said; then `results` say it, as in real life
    results: MappingOf[str, str] = field(default_factory=dict)  # what verified the sender
    listed: tuple[str, ...] = ()  # the DNS lists that the client is on
    conversation: ConversationFacts | None = None
    trials_live: bool = False


@dataclass(frozen=True, slots=True)
class Expectation:
    """One line of `expect`; lists stay lists, all else is one value."""

    key: str
    values: tuple[str, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Case:
    file: str
    name: str
    mark: Mark
    message: TestMessage
    given: Given
    expect: tuple[Expectation, ...]
    todo: bool = False


class CaseReader:
    """Reads the cases of one file."""

    def __init__(self, reader: Reader, names: Names, file: str) -> None:
        self._reader = reader
        self._names = names
        self._file = file

    def read(self, node: Node) -> tuple[Case, ...]:
        items = self._reader.sequence(node, "tests", "each test begins with a dash: `- name: …`")
        cases = (self._case(item) for item in items)
        return tuple(case for case in cases if case)

    def _case(self, node: Node) -> Case | None:
        mapping = self._reader.mapping(node, "a test")
        if mapping is None:
            return None
        found = {key.text: value for key, value in self._reader.known_entries(mapping, keys.TEST_KEYS, "in a test")}
        missing = [key for key in ("name", "message", "expect") if key not in found]
        if missing:
            self._reader.refuse(mapping.mark, f"a test without `{'`, without `'.join(missing)}`")
            return None
        name = self._reader.text(found["name"], "name")
        message = self._message(found["message"])
        given = self._given(found["given"]) if "given" in found else Given()
        expect = self._expect(found["expect"])
        todo = self._reader.flag(found["todo"], "todo") if "todo" in found else False
        if name is None or message is None or not expect:
            return None
        return Case(self._file, " ".join(name.text.split()), mapping.mark, message, given, expect, bool(todo))

    def _message(self, node: Node) -> TestMessage | None:
        mapping = self._reader.mapping(node, "message")
        if mapping is None:
            return None
        found = {key.text: value for key, value in self._reader.known_entries(mapping, keys.MESSAGE_KEYS, "in message")}
        if "eml" in found:
            return self._eml(mapping, found["eml"])
        missing = [key for key in ("from", "to") if key not in found]
        if missing:
            self._reader.refuse(mapping.mark, f"a message without `{'`, without `'.join(missing)}`")
            return None
        sender = self._reader.text(found["from"], "from")
        return TestMessage(
            sender=sender.text if sender else "",
            to=tuple(scalar.text for scalar in self._reader.texts(found["to"], "to")),
            subject=self._any_text(found, "subject") or "",
            body=self._any_text(found, "body"),
            html=self._any_text(found, "html"),
            headers=self._headers(found["headers"]) if "headers" in found else (),
            attachments=self._attachments(found["attachments"]) if "attachments" in found else (),
        )

    def _eml(self, mapping: Mapping, node: Node) -> TestMessage | None:
        other = next((key for key, _ in mapping.entries if key.text != "eml"), None)
        if other is not None:
            self._reader.refuse(other.mark, f"{quoted(other.text)} beside eml; the file holds the whole message")
            return None
        scalar = self._reader.text(node, "eml")
        if scalar is None:
            return None
        if scalar.text.startswith("/") or ".." in scalar.text.split("/"):
            self._reader.refuse(scalar.mark, f"{quoted(scalar.text)} leads out of the rules folder")
            return None
        return TestMessage(eml=scalar.text)

    def _any_text(self, found: dict[str, Node], key: str) -> str | None:
        """A text that may be blank."""
        node = found.get(key)
        if node is None:
            return None
        if isinstance(node, Scalar):
            return node.text
        self._reader.refuse(node.mark, f"{key} must be text")
        return None

    def _headers(self, node: Node) -> tuple[tuple[str, str], ...]:
        mapping = self._reader.mapping(node, "headers")
        headers: list[tuple[str, str]] = []
        for name, value in mapping.entries if mapping else ():
            if not _HEADER_NAME.match(name.text):
                self._reader.refuse(name.mark, f"{quoted(name.text)} cannot be a header's name")
                continue
            scalars = [value] if isinstance(value, Scalar) else self._reader.texts(value, f"header {name.text}")
            headers.extend((name.text, scalar.text) for scalar in scalars)
        return tuple(headers)

    def _attachments(self, node: Node) -> tuple[TestAttachment, ...]:
        attachments = []
        for item in self._reader.sequence(node, "attachments"):
            mapping = self._reader.mapping(item, "an attachment")
            entries = (
                self._reader.known_entries(mapping, keys.ATTACHMENT_OF_TEST_KEYS, "in an attachment") if mapping else ()
            )
            found = {key.text: self._reader.text(value, key.text) for key, value in entries}
            name, kind, size = found.get("name"), found.get("type"), found.get("size")
            attachments.append(
                TestAttachment(
                    name.text if name else "",
                    kind.text.strip().lower() if kind else "application/octet-stream",
                    self._attachment_size(size) if size else 1,
                )
            )
        if sum(one.size_bytes for one in attachments) > MAX_ATTACHMENT_BYTES:
            self._reader.refuse(node.mark, f"the attachments of a test may have at most {MAX_ATTACHMENT_BYTES} bytes")
        return tuple(attachments)

    def _attachment_size(self, scalar: Scalar) -> int:
        try:
            size = parse_size(scalar.text)
        except ValueError as error:
            self._reader.refuse(scalar.mark, str(error))
            return 0
        if size > MAX_ATTACHMENT_BYTES:
            self._reader.refuse(scalar.mark, f"an attachment of a test may have at most {MAX_ATTACHMENT_BYTES} bytes")
            return 0
        return size

    def _given(self, node: Node) -> Given:
        mapping = self._reader.mapping(node, "given")
        entries = self._reader.known_entries(mapping, keys.GIVEN_KEYS, "in given") if mapping else ()
        found = {key.text: value for key, value in entries}
        recipient = self._reader.text(found["recipient"], "recipient") if "recipient" in found else None
        if recipient and inbox_of(recipient.text, self._names) is None:
            self._reader.refuse(recipient.mark, f"{quoted(recipient.text)} is no inbox")
        return Given(
            at=self._moment(found["at"]) if "at" in found else CLOCK,
            at_is_said="at" in found,
            away=self._members(found["away"], "away") if "away" in found else (),
            load=self._load(found["load"]) if "load" in found else {},
            recipient=recipient.text.strip() if recipient else None,
            internal=self._reader.flag(found["internal"], "internal") if "internal" in found else None,
            results=read_given_results(self._reader, found["auth"]) if "auth" in found else {},
            listed=read_listed(self._reader, self._names, found["dnsbl"]) if "dnsbl" in found else (),
            conversation=self._conversation(found),
            trials_live="trial" in found and self._is_live(found["trial"]),
        )

    def _conversation(self, found: dict[str, Node]) -> ConversationFacts | None:
        if "conversation" not in found:
            return None
        return read_given_conversation(self._reader, self._names, found["conversation"])

    def _is_live(self, node: Node) -> bool:
        scalar = self._reader.text(node, "trial")
        if scalar is not None and scalar.text != "live":
            self._reader.refuse(scalar.mark, f"trial takes live, not {quoted(scalar.text)}")
        return True

    def _moment(self, node: Node) -> datetime:
        scalar = self._reader.text(node, "at")
        if scalar is None:
            return CLOCK
        try:
            at = datetime.fromisoformat(scalar.text)
            if at.tzinfo is None:
                wrong = f"{quoted(scalar.text)} has no offset; write it with one, such as 2025-01-15T10:00+01:00, or Z"
                self._reader.refuse(scalar.mark, wrong)
                return CLOCK
            return at.astimezone(UTC)
        except (ValueError, OverflowError):  # 0001-01-01 with an offset is before all time
            self._reader.refuse(scalar.mark, f"{quoted(scalar.text)} is not a moment, such as 2025-01-15T10:00:00Z")
            return CLOCK

    def _members(self, node: Node, what: str) -> tuple[str, ...]:
        scalars = self._reader.texts(node, what)
        return tuple(scalar.text for scalar in scalars if self._is_member(scalar))

    def _is_member(self, scalar: Scalar) -> bool:
        if scalar.text in self._names.members:
            return True
        meant = suggestion(scalar.text, self._names.members)
        self._reader.refuse(scalar.mark, f"no member {quoted(scalar.text)}{meant}")
        return False

    def _load(self, node: Node) -> dict[str, int]:
        mapping = self._reader.mapping(node, "load")
        load = {}
        for key, value in mapping.entries if mapping else ():
            if not self._is_member(key):
                continue
            if isinstance(value, Scalar) and re.fullmatch("[0-9]{1,6}", value.text):
                load[key.text] = int(value.text)
            else:
                self._reader.refuse(value.mark, f"load of {key.text} must be a whole number")
        return load

    def _expect(self, node: Node) -> tuple[Expectation, ...]:
        mapping = self._reader.mapping(node, "expect")
        entries = self._reader.known_entries(mapping, keys.EXPECT_KEYS, "in expect") if mapping else ()
        return tuple(expected for expected in (self._expected(key, value) for key, value in entries) if expected)

    def _expected(self, key: Scalar, node: Node) -> Expectation | None:
        if key.text == "headers" and isinstance(node, Mapping):
            return Expectation(key.text, self._expected_headers(node), key.mark)
        listed = key.text in _LISTED
        if listed and not isinstance(node, Mapping | Scalar) and not node.items:
            if key.text in _MET_BY_NONE:
                wrong = f"`{key.text}: []` is met by every message; for no label write `labels_exactly: []`"
                self._reader.refuse(node.mark, wrong)
            return Expectation(key.text, (), key.mark)  # [] says: none
        if listed:
            scalars = self._reader.texts(node, key.text)
        else:
            one = self._reader.text(node, key.text)
            scalars = [one] if one else []
        if not scalars:
            return None
        values = [self._checked(key.text, scalar) for scalar in scalars]
        return Expectation(key.text, tuple(values), key.mark)

    def _duration(self, scalar: Scalar) -> str:
        try:
            return format_duration(parse_duration(scalar.text))
        except ValueError as error:
            self._reader.refuse(scalar.mark, str(error))
            return scalar.text

    def _expected_headers(self, node: Mapping) -> tuple[str, ...]:
        mapping = self._reader.mapping(node, "headers")
        entries = mapping.entries if mapping else ()
        texts = ((name, self._reader.text(value, quoted(name.text))) for name, value in entries)
        return tuple(f"{name.text}: {unicodedata.normalize('NFC', text.text.strip())}" for name, text in texts if text)

    def _checked(self, key: str, scalar: Scalar) -> str:
        """The value, refused where nothing could ever be equal to it."""
        text = scalar.text.strip()
        if key.startswith("labels"):
            label, wrong = check_label(text)
            if wrong:
                self._reader.refuse(scalar.mark, wrong)
            return label
        choices: tuple[str, ...] = {
            "owner": tuple(self._names.members),
            "team": (*self._names.teams, "none"),
            "watchers": self._names.targets,
            "approve": self._names.targets,
            "priority": ("high", "normal", "low", "none"),
        }.get(key, ())
        if key == "reply":
            choices = (*self._names.templates, "none")
        if choices:
            what = {
                "owner": "member",
                "watchers": "member or team",
                "approve": "member or team",
                "reply": "template",
            }.get(key, key)
            self._reader.chosen(scalar, choices, what)
        if key == "respond_within" and text != "none":
            return self._duration(scalar)
        if key == "headers":
            self._reader.refuse(scalar.mark, "headers takes names and values: {X-Ticket-Class: B2B}, or [] for none")
        if key == "inbox" and inbox_of(text, self._names) is None:
            self._reader.refuse(scalar.mark, f"{quoted(text)} is no inbox{suggestion(text, self._names.inboxes)}")
        return text


def inbox_of(address: str, names: Names) -> str | None:
    """The inbox that a recipient address is for: itself, an alias, or one of them with a detail."""
    lower = address.strip().lower()
    if lower in names.inboxes:
        return names.inboxes[lower]
    local, _, domain = lower.rpartition("@")
    base = local.partition(names.delimiter)[0]
    return names.inboxes.get(f"{base}@{domain}")
