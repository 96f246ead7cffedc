"""`when`: nodes to conditions."""

import re
from collections.abc import Callable

from routerd.config.nearest import quoted
from routerd.config.yaml_source import Mapping, Mark, Node, Scalar, Sequence
from routerd.message.forged import is_ours
from routerd.rules import keys
from routerd.rules.attachment_condition import AttachmentCondition
from routerd.rules.conditions import (
    AddressCondition,
    AddressForms,
    KindCondition,
    LabelCondition,
    TextCondition,
)
from routerd.rules.keys import Takes
from routerd.rules.labels import check_label
from routerd.rules.limits import FileLimit
from routerd.rules.names import Names, suggestion
from routerd.rules.number_conditions import SizeCondition
from routerd.rules.patterns import Pattern, compile_glob
from routerd.rules.read_text import one_operator, read_addresses, read_number_test, read_text_test
from routerd.rules.reading import Reader
from routerd.rules.truth import All, Always, AnyOf, Condition, NoneOf

_HEADER_NAME = re.compile(r"[!-9;-~]{1,100}\Z")  # RFC 5322 2.2, bounded
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+*-]+/[a-z0-9!#$&^_.+*-]+\Z")  # RFC 6838 4.2, with globs


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
            Takes.ATTACHMENT: self._attachment,
            Takes.NUMBER: self._number,
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
        for key, value in self._reader.known_entries(mapping, keys.CONDITIONS, f"in {what}", keys.LATER_CONDITIONS):
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
            items = ", ".join(f"{{{name.text}: …}}" for name, _ in node.entries)
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
        self._reader.refuse(node.mark, "always takes true")
        return None

    def _text(self, key: Scalar, node: Node) -> Condition | None:
        test = read_text_test(self._reader, key.text, node)
        return TextCondition(key.text, test) if test else None

    def _addresses(self, key: Scalar, node: Node) -> Condition | None:
        condition = read_addresses(self._reader, key.text, node)
        if key.text == "inbox" and isinstance(condition, AddressCondition):
            return self._known_inboxes(condition, node)
        return condition

    def _known_inboxes(self, condition: AddressCondition, node: Node) -> Condition:
        """Aliases become their inboxes; an address that is no inbox could never fit."""
        exact = set()
        for address in condition.forms.exact:
            mark = _mark_of(node, address)
            inbox = self._names.inboxes.get(address)
            if inbox is None:
                self._reader.refuse(mark, f"no inbox {quoted(address)}{suggestion(address, self._names.inboxes)}")
            elif self._limit.inboxes is not None and inbox.lower() not in self._limit.inboxes:
                self._reader.refuse(mark, f"inbox {inbox} is outside what {self._limit.source} allows")
            else:
                exact.add(inbox.lower())
        forms = condition.forms
        return AddressCondition(
            condition.field, AddressForms(forms.written, frozenset(exact), forms.domains, forms.suffixes, forms.globs)
        )

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

    def _attachment(self, _key: Scalar, node: Node) -> Condition | None:
        if not isinstance(node, Mapping):
            self._reader.refuse(
                node.mark, "attachment takes a mapping: {name: …, type: [application/pdf], size: {over: 1MB}}"
            )
            return None
        mapping = self._reader.mapping(node, "attachment")
        if mapping is None:
            return None
        if mapping.get("exists") is not None:
            return self._attachment_exists(mapping)
        name = size = None
        types: tuple[tuple[str, Pattern], ...] = ()
        for part, value in self._reader.known_entries(mapping, keys.ATTACHMENT_KEYS, "under attachment"):
            if part.text == "name":
                name = read_text_test(self._reader, "attachment name", value)
            elif part.text == "type":
                types = self._media_types(value)
            else:
                size = read_number_test(self._reader, "attachment size", value)
        if name is None and size is None and not types:
            return None
        return AttachmentCondition(name, types, size)

    def _attachment_exists(self, mapping: Mapping) -> Condition | None:
        operator = one_operator(self._reader, "attachment", mapping, keys.ATTACHMENT_KEYS, ())
        if operator is None:
            return None
        wanted = self._reader.flag(operator[1], "attachment: exists")
        return None if wanted is None else AttachmentCondition(None, (), None, wanted)

    def _media_types(self, node: Node) -> tuple[tuple[str, Pattern], ...]:
        if isinstance(node, Mapping):
            self._reader.refuse(node.mark, "attachment type takes a list such as [application/pdf, image/*]")
            return ()
        types = []
        for scalar in self._reader.texts(node, "attachment type"):
            text = scalar.text.strip().lower()
            if _MEDIA_TYPE.match(text):
                types.append((scalar.text, compile_glob(text)))
            else:
                self._reader.refuse(
                    scalar.mark, f"{quoted(scalar.text)} is not a media type, such as application/pdf or image/*"
                )
        return tuple(types)

    def _number(self, key: Scalar, node: Node) -> Condition | None:
        test = read_number_test(self._reader, key.text, node)
        return SizeCondition(test) if test else None

    def _kinds(self, _key: Scalar, node: Node) -> Condition | None:
        scalars = self._reader.texts(node, "is")
        kinds = [self._reader.chosen(scalar, keys.KINDS, "kind of message") for scalar in scalars]
        known = tuple(kind for kind in kinds if kind)
        return KindCondition(known) if known else None

    def _labels(self, _key: Scalar, node: Node) -> Condition | None:
        labels = []
        for scalar in self._reader.texts(node, "label"):
            label, wrong = check_label(scalar.text)
            if wrong:
                self._reader.refuse(scalar.mark, wrong)
            labels.append(label)
        return LabelCondition(tuple(labels)) if labels else None


def _mark_of(node: Node, address: str) -> Mark:
    items = node.items if isinstance(node, Sequence) else [node]
    fitting = (item for item in items if isinstance(item, Scalar) and item.text.strip().lower() == address)
    return next(fitting, node).mark
