"""`then`: nodes to what a rule does, within what its file may do."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace

from routerd.config.nearest import invisible, quoted
from routerd.config.yaml_source import Mapping, Node, Scalar
from routerd.rules import keys
from routerd.rules.actions import Actions, AssignTo
from routerd.rules.decision import Priority
from routerd.rules.labels import check_label
from routerd.rules.limits import FileLimit, shown_globs
from routerd.rules.names import Names, suggestion
from routerd.rules.reading import Reader

MAX_REASON = 400  # characters: a reply line of SMTP has room for 512 with its codes (RFC 5321 4.5.3.1.5)


class ActionReader:
    """Reads the actions of one file."""

    def __init__(self, reader: Reader, names: Names, limit: FileLimit) -> None:
        self._reader = reader
        self._names = names
        self._limit = limit
        self._read_by: dict[str, Callable[[Actions, Scalar, Node], Actions]] = {
            "assign": self._assign,
            "label": self._label,
            "priority": self._priority,
            "watch": self._watch,
            "hold": self._hold,
            "reject": self._reject,
            "stop": self._stop,
        }

    def read(self, node: Node) -> Actions:
        actions = Actions()
        mapping = self._reader.mapping(node, "then")
        if mapping is None:
            return actions
        for key, value in self._reader.known_entries(mapping, keys.ACTIONS, "in then", keys.LATER_ACTIONS):
            actions = self._read_by[key.text](actions, key, value)
        return actions

    def _assign(self, actions: Actions, _key: Scalar, node: Node) -> Actions:
        if isinstance(node, Mapping):
            self._reader.refuse(
                node.mark,
                "assign with a mapping ({team: …, pick: …}, {by: customer, …}) is not available yet; write a name",
            )
            return actions
        scalar = self._reader.text(node, "assign")
        target = self._target(scalar) if scalar else None
        return replace(actions, assign=AssignTo(target)) if target else actions

    def _watch(self, actions: Actions, _key: Scalar, node: Node) -> Actions:
        targets = [self._target(scalar) for scalar in self._reader.texts(node, "watch")]
        return replace(actions, watch=tuple(dict.fromkeys(target for target in targets if target)))

    def _target(self, scalar: Scalar) -> str | None:
        name = unicodedata.normalize("NFC", scalar.text)
        if name not in self._names.targets:
            self._reader.refuse(
                scalar.mark, f"no member or team {quoted(scalar.text)}{suggestion(name, self._names.targets)}"
            )
            return None
        if not self._limit.allows_target(name):
            allowed = ", ".join(self._limit.targets or ()) or "nobody"
            self._reader.refuse(scalar.mark, f"{name} may not be named here; {self._limit.source} allows {allowed}")
            return None
        return name

    def _label(self, actions: Actions, _key: Scalar, node: Node) -> Actions:
        labels = []
        for scalar in self._reader.texts(node, "label"):
            label, wrong = check_label(scalar.text)
            if wrong is None and not self._limit.allows_label(label):
                allowed = shown_globs(self._limit.labels or ()) or "none"
                wrong = f"the label {quoted(label)} may not be given here; {self._limit.source} allows {allowed}"
            if wrong:
                self._reader.refuse(scalar.mark, wrong)
            labels.append(label)
        return replace(actions, labels=tuple(dict.fromkeys(labels)))

    def _priority(self, actions: Actions, _key: Scalar, node: Node) -> Actions:
        scalar = self._reader.text(node, "priority")
        chosen = self._reader.chosen(scalar, tuple(Priority), "priority") if scalar else None
        return replace(actions, priority=Priority(chosen)) if chosen else actions

    def _hold(self, actions: Actions, key: Scalar, node: Node) -> Actions:
        self._needs_grant(key, "hold")
        reason = self._reason(key, node)
        return replace(actions, hold=reason) if reason else actions

    def _reject(self, actions: Actions, key: Scalar, node: Node) -> Actions:
        self._needs_grant(key, "reject")
        reason = self._reason(key, node)
        if reason and not reason.isascii():
            letter = next(letter for letter in reason if not letter.isascii())
            self._reader.refuse(node.mark, f"reject is said in an SMTP reply, which is ASCII; {quoted(letter)} is not")
            return actions
        return replace(actions, reject=reason) if reason else actions

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

    def _stop(self, actions: Actions, key: Scalar, node: Node) -> Actions:
        if isinstance(node, Scalar) and node.text == "true":
            return replace(actions, stop="file")
        if isinstance(node, Scalar) and node.text == "all":
            self._needs_grant(key, "stop-all")
            return replace(actions, stop="all")
        self._reader.refuse(node.mark, "stop takes true (this file) or all (every file)")
        return actions

    def _needs_grant(self, key: Scalar, action: str) -> None:
        if self._limit.allows_action(action):
            return
        shown = "stop: all" if action == "stop-all" else action
        where = self._limit.source if self._limit.entry else "an entry of limits_of_rules in routerd.yaml"
        self._reader.refuse(
            key.mark, f"this file may not use {shown}; {where} would have to grant it with `actions: [{action}]`"
        )
