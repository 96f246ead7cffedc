"""`then`: nodes to what a rule does, within what its file may do."""

import re
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from routerd.config.nearest import invisible, quoted
from routerd.config.values import format_duration, parse_duration, parse_mail_address
from routerd.config.yaml_source import Mapping, Node, Scalar
from routerd.message.forged import is_ours
from routerd.rules import keys
from routerd.rules.actions import Actions, AssignBy, AssignTo
from routerd.rules.decision import Priority, Reply
from routerd.rules.labels import check_label
from routerd.rules.limits import FileLimit, shown_globs
from routerd.rules.names import Names, suggestion
from routerd.rules.reading.assign import TargetReader
from routerd.rules.reading.reader import Reader

MAX_REASON = 400  # characters: a reply line of SMTP has room for 512 with its codes (RFC 5321 4.5.3.1.5)
MAX_HEADER_NAME = 60
MAX_HEADER_VALUE = 400
LONGEST_RESPONSE = timedelta(days=365)
DEFAULT_ONCE_PER = timedelta(hours=24)
SHORTEST_ONCE_PER = timedelta(hours=1)
LONGEST_ONCE_PER = timedelta(days=90)
_BELOW = {"when": keys.CONDITIONS}
_HEADER_NAME = re.compile(r"[Xx]-[A-Za-z0-9-]*[A-Za-z0-9]\Z")
_NOT_FOR_RULES = {  # the key that sets it, or what it is for
    "x-priority": "`priority` sets it",
    "x-msmail-priority": "`priority` sets it",
    "x-original-from": "routerd sets it",
    "x-original-reply-to": "routerd sets it",
}


class ActionReader:
    """Reads the actions of one file."""

    def __init__(self, reader: Reader, names: Names, limit: FileLimit) -> None:
        self._reader = reader
        self._names = names
        self._limit = limit
        self._targets = TargetReader(reader, names, limit)
        # Key → the field of Actions, and what reads it; None: nothing of it could be read.
        self._read_by: dict[str, tuple[str, Callable[[Scalar, Node], object | None]]] = {
            "assign": ("assign", self._assign),
            "reassign": ("reassign", self._reassign),
            "label": ("labels", self._label),
            "priority": ("priority", self._priority),
            "watch": ("watch", self._watch),
            "respond_within": ("respond_within", self._respond_within),
            "header": ("headers", self._headers),
            "forward": ("forward", self._forward),
            "hold": ("hold", self._hold),
            "reject": ("reject", self._reject),
            "approve": ("approve", self._approve),
            "reply": ("reply", self._reply),
            "stop": ("stop", self._stop),
        }

    def read(self, node: Node) -> Actions:
        mapping = self._reader.mapping(node, "then")
        if mapping is None:
            return Actions()
        given: dict[str, Any] = {}
        for key, value in self._reader.known_entries(mapping, keys.ACTIONS, "in then", _BELOW):
            field, read = self._read_by[key.text]
            if (found := read(key, value)) is not None:
                given[field] = found
        actions = Actions(**given)
        if actions.reassign and mapping.get("assign") is None:
            self._reader.refuse(mapping.mark, "reassign without assign; say to whom")
        return actions

    def _assign(self, _key: Scalar, node: Node) -> AssignTo | AssignBy | None:
        return self._targets.assign(node)

    def _reassign(self, key: Scalar, node: Node) -> bool | None:
        self._needs_grant(key, "reassign")
        if isinstance(node, Scalar) and node.text == "true":
            return True
        self._reader.refuse(node.mark, "reassign takes true")
        return None

    def _watch(self, _key: Scalar, node: Node) -> tuple[str, ...]:
        targets = [self._targets.target(scalar) for scalar in self._reader.texts(node, "watch")]
        return tuple(dict.fromkeys(target for target in targets if target))

    def _respond_within(self, _key: Scalar, node: Node) -> timedelta | None:
        scalar = self._reader.text(node, "respond_within")
        if scalar is None:
            return None
        try:
            within = parse_duration(scalar.text)
        except ValueError as error:
            self._reader.refuse(scalar.mark, str(error))
            return None
        if not timedelta(0) < within <= LONGEST_RESPONSE:
            longest = format_duration(LONGEST_RESPONSE)
            self._reader.refuse(scalar.mark, f"respond_within is more than 0s and at most {longest} of working time")
            return None
        return within

    def _headers(self, key: Scalar, node: Node) -> tuple[tuple[str, str], ...] | None:
        self._needs_grant(key, "header")
        if not isinstance(node, Mapping):
            self._reader.refuse(node.mark, "header takes names and values: {X-Ticket-Class: B2B}")
            return None
        mapping = self._reader.mapping(node, "header")
        headers: dict[str, tuple[str, str]] = {}
        for name, value in mapping.entries if mapping else ():
            wrong = _wrong_with_header(name.text)
            if wrong:
                self._reader.refuse(name.mark, wrong)
                continue
            text = self._header_value(name, value)
            if name.text.lower() in headers:
                self._reader.refuse(name.mark, f"{name.text} is given twice; case does not count in a header's name")
            elif text:
                headers[name.text.lower()] = (name.text, text)
        return tuple(headers.values())

    def _header_value(self, name: Scalar, node: Node) -> str | None:
        scalar = self._reader.text(node, name.text)
        if scalar is None:
            return None
        value = unicodedata.normalize("NFC", scalar.text.strip())
        hidden = invisible(value)
        if hidden:
            self._reader.refuse(scalar.mark, f"{name.text} contains the invisible character {hidden}; remove it")
        elif len(value) > MAX_HEADER_VALUE:
            wrong = f"{name.text} has {len(value)} characters; at most {MAX_HEADER_VALUE} are allowed"
            self._reader.refuse(scalar.mark, wrong)
        else:
            return value
        return None

    def _forward(self, key: Scalar, node: Node) -> tuple[str, ...]:
        self._needs_grant(key, "forward")
        addresses = [self._outside(scalar) for scalar in self._reader.texts(node, "forward")]
        return tuple(dict.fromkeys(address for address in addresses if address))

    def _outside(self, scalar: Scalar) -> str | None:
        """An address that is nobody's of ours, and that mail can be sent to."""
        try:
            address = parse_mail_address(scalar.text)
        except ValueError as error:
            self._reader.refuse(scalar.mark, str(error))
            return None
        member = self._names.member_with(address)
        if member:
            wrong = f"{address} is an address of {member}; write `watch: {member}`"
        elif self._names.is_own(address):
            wrong = f"{address} is an address of routerd itself: the copy would come back (a loop)"
        elif not self._names.has_route(address):
            wrong = f"no route of `delivery` in routerd.yaml fits {address}; add one for {address.domain}"
        else:
            return str(address)
        self._reader.refuse(scalar.mark, wrong)
        return None

    def _label(self, _key: Scalar, node: Node) -> tuple[str, ...]:
        labels = []
        for scalar in self._reader.texts(node, "label"):
            label, wrong = check_label(scalar.text)
            if wrong is None and not self._limit.allows_label(label):
                allowed = shown_globs(self._limit.labels or ()) or "none"
                wrong = f"the label {quoted(label)} may not be given here; {self._limit.source} allows {allowed}"
            if wrong:
                self._reader.refuse(scalar.mark, wrong)
            labels.append(label)
        return tuple(dict.fromkeys(labels))

    def _priority(self, _key: Scalar, node: Node) -> Priority | None:
        scalar = self._reader.text(node, "priority")
        chosen = self._reader.chosen(scalar, tuple(Priority), "priority") if scalar else None
        return Priority(chosen) if chosen else None

    def _hold(self, key: Scalar, node: Node) -> str | None:
        self._needs_grant(key, "hold")
        return self._reason(key, node)

    def _reject(self, key: Scalar, node: Node) -> str | None:
        self._needs_grant(key, "reject")
        reason = self._reason(key, node)
        if reason and not reason.isascii():
            letter = next(letter for letter in reason if not letter.isascii())
            self._reader.refuse(node.mark, f"reject is said in an SMTP reply, which is ASCII; {quoted(letter)} is not")
            return None
        return reason

    def _approve(self, key: Scalar, node: Node) -> tuple[str, ...]:
        self._needs_grant(key, "approve")
        targets = [self._targets.known(scalar) for scalar in self._reader.texts(node, "approve")]
        return tuple(dict.fromkeys(target for target in targets if target))

    def _reply(self, key: Scalar, node: Node) -> Reply | None:
        self._needs_grant(key, "reply")
        mapping = self._reader.mapping(node, "reply")
        if mapping is None:
            return None
        template, once_per = None, DEFAULT_ONCE_PER
        for name, value in self._reader.known_entries(mapping, keys.REPLY_KEYS, "in reply"):
            scalar = self._reader.text(value, name.text)
            if scalar is None:
                continue
            if name.text == "template":
                template = self._template(scalar)
            else:
                once_per = self._once_per(scalar)
        if mapping.get("template") is None:
            self._reader.refuse(mapping.mark, "reply without a template: {template: received, once_per: 24h}")
        return Reply(template, once_per) if template else None

    def _template(self, scalar: Scalar) -> str | None:
        if scalar.text in self._names.templates:
            return scalar.text
        if not self._names.templates:
            where = "; `templates` in routerd.yaml names the folder that they are in"
        else:
            where = suggestion(scalar.text, self._names.templates)
        self._reader.refuse(scalar.mark, f"no template {quoted(scalar.text)}{where}")
        return None

    def _once_per(self, scalar: Scalar) -> timedelta:
        try:
            once_per = parse_duration(scalar.text)
        except ValueError as error:
            self._reader.refuse(scalar.mark, str(error))
            return DEFAULT_ONCE_PER
        if not SHORTEST_ONCE_PER <= once_per <= LONGEST_ONCE_PER:
            bounds = f"{format_duration(SHORTEST_ONCE_PER)} to {format_duration(LONGEST_ONCE_PER)}"
            self._reader.refuse(scalar.mark, f"once_per is {bounds}")
        return once_per

    def _reason(self, key: Scalar, node: Node) -> str | None:
        scalar = self._reader.text(node, key.text)
        if scalar is None:
            return None
        reason = " ".join(scalar.text.split())
        hidden = invisible(reason)
        if hidden:
            self._reader.refuse(scalar.mark, f"{key.text} contains the invisible character {hidden}; remove it")
            return None
        if len(reason) > MAX_REASON:
            self._reader.refuse(
                scalar.mark, f"{key.text} has {len(reason)} characters; at most {MAX_REASON} are allowed"
            )
            return None
        return reason

    def _stop(self, key: Scalar, node: Node) -> str | None:
        if isinstance(node, Scalar) and node.text == "true":
            return "file"
        if isinstance(node, Scalar) and node.text == "all":
            self._needs_grant(key, "stop-all")
            return "all"
        self._reader.refuse(node.mark, "stop takes true (this file) or all (every file)")
        return None

    def _needs_grant(self, key: Scalar, action: str) -> None:
        if self._limit.allows_action(action):
            return
        shown = "stop: all" if action == "stop-all" else action
        where = self._limit.source if self._limit.entry else "an entry of limits_of_rules in routerd.yaml"
        self._reader.refuse(
            key.mark, f"this file may not use {shown}; {where} would have to grant it with `actions: [{action}]`"
        )


def _wrong_with_header(name: str) -> str | None:
    lower = name.lower()
    if not _HEADER_NAME.match(name) or len(name) > MAX_HEADER_NAME:
        return (
            f"{quoted(name)} cannot be given by a rule; a name begins with X-, and is letters, digits and hyphens,"
            f" at most {MAX_HEADER_NAME} in all"
        )
    if is_ours(lower):
        return f"{name} is routerd's own; take another name"
    if lower in _NOT_FOR_RULES:
        return f"{name} cannot be given by a rule; {_NOT_FOR_RULES[lower]}"
    return None
