"""`when`: nodes to conditions."""

import re
from collections.abc import Callable

from routerd.config.nearest import quoted, visible
from routerd.config.yaml_source import Mapping, Node, Scalar, Sequence
from routerd.message.forged import is_ours
from routerd.rules import keys
from routerd.rules.conditions.kinds import KindCondition, LabelCondition
from routerd.rules.conditions.numbers import CountCondition, SizeCondition
from routerd.rules.conditions.text import TextCondition
from routerd.rules.conditions.truth import All, Always, AnyOf, Condition, NoneOf
from routerd.rules.keys import Takes
from routerd.rules.labels import check_label
from routerd.rules.limits import FileLimit
from routerd.rules.names import Names, suggestion
from routerd.rules.reading.addresses import read_addresses
from routerd.rules.reading.attachment import read_attachment
from routerd.rules.reading.conversation import read_conversation
from routerd.rules.reading.languages import read_languages
from routerd.rules.reading.numbers import read_count_test, read_size_test
from routerd.rules.reading.proofs import read_auth, read_dnsbl
from routerd.rules.reading.reader import Reader
from routerd.rules.reading.terms import entry_scalars, read_each, terms_and_lists
from routerd.rules.reading.text import read_text_test
from routerd.rules.reading.time import read_at

_ACTIONS = {"then": keys.ACTIONS}
_HEADER_NAME = re.compile(r"[!-9;-~]{1,100}\Z")  # RFC 5322 2.2, bounded
_SHOWN_KEYS = 5  # of those that may not stand together


class ConditionReader:
    """Reads the conditions of one file."""

    def __init__(self, reader: Reader, names: Names, limit: FileLimit) -> None:
        self._reader = reader
        self._names = names
        self._limit = limit
        self._read_by: dict[Takes, Callable[[Scalar, Node], Condition | None]] = {
            Takes.TEXT: self._text,
            Takes.ADDRESS: self._addresses,
            Takes.HEADERS: self._headers,
            Takes.ATTACHMENT: lambda _, node: read_attachment(self._reader, node),
            Takes.NUMBER: self._size,
            Takes.COUNT: self._count,
            Takes.LANGUAGES: lambda _, node: read_languages(self._reader, node),
            Takes.RESULTS: lambda _, node: read_auth(self._reader, node),
            Takes.LISTS: lambda _, node: read_dnsbl(self._reader, self._names, node),
            Takes.TIME: lambda _, node: read_at(self._reader, self._names, node),
            Takes.CONVERSATION: lambda _, node: read_conversation(self._reader, self._names, node),
            Takes.KINDS: self._kinds,
            Takes.LABELS: self._labels,
            Takes.TRUE: self._always,
            Takes.CONDITIONS: self._conditions,
            Takes.NEGATED: self._negated,
        }

    def read(self, node: Node, what: str = "when") -> Condition | None:
        """A mapping whose keys must all hold; None where something was wrong."""
        if isinstance(node, Mapping) and not node.entries:
            self._reader.refuse(node.mark, f"{what} is empty and would match everything; for that write `always: true`")
            return None
        if isinstance(node, Sequence):
            self._reader.refuse(node.mark, f"{what} must be a mapping; for a list write `all: […]` or `any: […]`")
            return None
        mapping = self._reader.mapping(node, what)
        if mapping is None:
            return None
        parts = []
        for key, value in self._reader.known_entries(mapping, keys.CONDITIONS, f"in {what}", elsewhere=_ACTIONS):
            part = self._read_by[keys.CONDITIONS[key.text].takes](key, value)
            if part is not None:
                parts.append(part)
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _conditions(self, key: Scalar, node: Node) -> Condition | None:
        items = self._reader.sequence(node, key.text)
        parts = tuple(part for part in (self.read(item, f"an entry of {key.text}") for item in items) if part)
        if not parts:
            return None
        if len(parts) == 1:
            return parts[0]
        return All(parts) if key.text == "all" else AnyOf(parts)

    def _negated(self, _key: Scalar, node: Node) -> Condition | None:
        if isinstance(node, Sequence):
            parts = tuple(
                part
                for part in (self.read(item, "an entry of not") for item in self._reader.sequence(node, "not"))
                if part
            )
            return NoneOf(parts) if parts else None
        if isinstance(node, Mapping) and len(node.entries) > 1:
            items = ", ".join(f"{{{visible(name.text)}: …}}" for name, _ in node.entries[:_SHOWN_KEYS])
            items += ", …" if len(node.entries) > _SHOWN_KEYS else ""
            self._reader.refuse(
                node.entries[1][0].mark,
                f"two keys under one `not`; write `not: [{items}]` where none may hold, "
                f"`not: {{all: [{items}]}}` where they may not hold together",
            )
            return None
        part = self.read(node, "not")
        return NoneOf((part,)) if part else None

    def _always(self, _key: Scalar, node: Node) -> Condition | None:
        if isinstance(node, Scalar) and node.text == "true":
            return Always()
        off = "; to switch a rule off write `mode: trial`, or `#` before its lines"
        is_off = isinstance(node, Scalar) and node.text == "false"
        self._reader.refuse(node.mark, "always takes true" + (off if is_off else ""))
        return None

    def _text(self, key: Scalar, node: Node) -> Condition | None:
        test = read_text_test(self._reader, key.text, node)
        return TextCondition(key.text, test) if test else None

    def _addresses(self, key: Scalar, node: Node) -> Condition | None:
        return read_addresses(self._reader, key.text, node, self._known_inbox if key.text == "inbox" else None)

    def _known_inbox(self, scalar: Scalar, address: str) -> str | None:
        """An alias becomes its inbox; an address that is no inbox could never fit."""
        inbox = self._names.inboxes.get(address)
        if inbox is None:
            self._reader.refuse(scalar.mark, f"no inbox {quoted(address)}{suggestion(address, self._names.inboxes)}")
        elif self._limit.inboxes is not None and inbox.lower() not in self._limit.inboxes:
            self._reader.refuse(scalar.mark, f"inbox {inbox} is outside what {self._limit.source} allows")
        else:
            return inbox.lower()
        return None

    def _headers(self, _key: Scalar, node: Node) -> Condition | None:
        if not isinstance(node, Mapping):
            self._reader.refuse(node.mark, 'header takes a header\'s name: {X-Spam-Flag: {equals: "YES"}}')
            return None
        mapping = self._reader.mapping(node, "header")
        parts: list[Condition] = []
        for name, value in mapping.entries if mapping else ():
            lower = name.text.lower()
            if not _HEADER_NAME.match(name.text):
                self._reader.refuse(name.mark, f"{quoted(name.text)} cannot be a header's name")
            elif is_ours(lower):
                self._reader.refuse(name.mark, f"{name.text} is cut from what comes in, so no rule can see it")
            else:
                self._reader.headers_read.append((name.text, name.mark))
                test = read_text_test(self._reader, f"header {name.text}", value)
                if test is not None:
                    parts.append(TextCondition(f"header {lower}", test))
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _size(self, key: Scalar, node: Node) -> Condition | None:
        test = read_size_test(self._reader, key.text, node)
        return SizeCondition(test) if test else None

    def _count(self, key: Scalar, node: Node) -> Condition | None:
        test = read_count_test(self._reader, key.text, node)
        return CountCondition(key.text, test) if test else None

    def _kinds(self, _key: Scalar, node: Node) -> Condition | None:
        scalars = self._reader.texts(node, "is")
        kinds = [self._reader.chosen(scalar, keys.KINDS, "kind of message") for scalar in scalars]
        known = tuple(kind for kind in kinds if kind)
        return KindCondition(known) if known else None

    def _labels(self, _key: Scalar, node: Node) -> Condition | None:
        def read(scalar: Scalar) -> str:
            label, wrong = check_label(scalar.text)
            if wrong:
                self._reader.refuse(scalar.mark, wrong)
            return label

        scalars, lists = terms_and_lists(self._reader, "label", node)
        listed = [scalar for file in lists for scalar in entry_scalars(file)]
        labels = read_each(self._reader, [*scalars, *listed], read)
        return LabelCondition(tuple(dict.fromkeys(labels))) if labels else None
