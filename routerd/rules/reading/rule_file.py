"""One rule file: nodes to rules and test cases."""

import unicodedata
from collections.abc import Collection
from dataclasses import replace

from routerd.config.nearest import invisible, quoted
from routerd.config.yaml_source import Mapping, Mark, Node, Sequence, read_yaml
from routerd.rules import keys
from routerd.rules.decision import RuleRef
from routerd.rules.finding import KINDS
from routerd.rules.limits import UNLIMITED, FileLimit
from routerd.rules.names import Names, suggestion
from routerd.rules.reading.actions import ActionReader
from routerd.rules.reading.cases import Case, CaseReader
from routerd.rules.reading.conditions import ConditionReader
from routerd.rules.reading.reader import Reader
from routerd.rules.reading.text import read_languages
from routerd.rules.ruleset import Rule, RuleFile

MAX_RULE_NAME = 80
_NOT_IN_NAMES = ",:/"
_DASH = "each rule begins with a dash: `- name: …`"
_BELOW: dict[str, Collection[str]] = {"when": keys.CONDITIONS, "then": keys.ACTIONS}


def read_rule_file(
    name: str, label: str, data: bytes, names: Names, limit: FileLimit | None, reader: Reader
) -> tuple[RuleFile | None, tuple[Case, ...]]:
    """`label` is how places name the file; `limit` None: no entry of limits_of_rules fits it. Problems go to `reader`.

    The file is None where nothing of it could be read.
    """
    document = read_yaml(label, data)
    reader.problems.extend(document.problems)
    if limit is None:
        reader.refuse(
            Mark(label, 1, 1),
            f"no entry of limits_of_rules in routerd.yaml fits {quoted(name)}; add one, or rename the file",
        )
        limit = UNLIMITED
    if document.root is None:
        return RuleFile(name, None, ()), ()
    if isinstance(document.root, Sequence):
        reader.refuse(document.root.mark, "a rule file begins with a key, not with a list; write `rules:` above it")
        return None, ()
    root = reader.mapping(document.root, "a rule file")
    if root is None:
        return None, ()
    return read_rule_nodes(name, root, names, limit, reader)


def read_rule_nodes(
    name: str, root: Mapping, names: Names, limit: FileLimit, reader: Reader
) -> tuple[RuleFile, tuple[Case, ...]]:
    """A rule file whose YAML was read already. Problems go to `reader`; a rule that has any is not in the file."""
    return _FileReader(name, names, limit, reader).read(root)


class _FileReader:
    def __init__(self, name: str, names: Names, limit: FileLimit, reader: Reader) -> None:
        self._name = name
        self._names = names
        self._limit = limit
        self._reader = reader
        self._conditions = ConditionReader(reader, names, limit)
        self._actions = ActionReader(reader, names, limit)
        self._seen_names: dict[str, Mark] = {}

    def read(self, root: Mapping) -> tuple[RuleFile, tuple[Case, ...]]:
        inboxes = self._limit.inboxes
        rules: list[Rule] = []
        trial = False
        cases: tuple[Case, ...] = ()
        language_node = root.get("lang")
        if language_node is not None:
            self._reader.languages = read_languages(self._reader, language_node)  # wherever it stands, before the rules
        for key, value in self._reader.known_entries(root, keys.FILE_KEYS, "at the top of a rule file"):
            if key.text == "inbox":
                inboxes = self._inboxes(value)
            elif key.text == "rules":
                items = self._reader.sequence(value, "rules", _DASH)
                rules = [rule for rule in (self._rule(item) for item in items) if rule]
            elif key.text == "mode":
                trial = self._trial(value)
            elif key.text == "tests":
                cases = CaseReader(self._reader, self._names, self._name).read(value)
        if trial:
            rules = [replace(rule, trial=True) for rule in rules]
        return RuleFile(self._name, inboxes, tuple(rules)), cases

    def _inboxes(self, node: Node) -> frozenset[str]:
        inboxes = set()
        for scalar in self._reader.texts(node, "inbox"):
            inbox = self._names.inboxes.get(scalar.text.strip().lower())
            if inbox is None:
                known = suggestion(scalar.text, self._names.inboxes)
                self._reader.refuse(scalar.mark, f"no inbox {quoted(scalar.text)}{known}")
            elif self._limit.inboxes is not None and inbox.lower() not in self._limit.inboxes:
                allowed = ", ".join(sorted(self._limit.inboxes))
                self._reader.refuse(
                    scalar.mark, f"inbox {inbox} may not be named here; {self._limit.source} allows {allowed}"
                )
            else:
                inboxes.add(inbox.lower())
        return frozenset(inboxes)

    def _rule(self, node: Node) -> Rule | None:
        mapping = self._reader.mapping(node, "a rule")
        if mapping is None:
            return None
        found = dict(
            (key.text, value)
            for key, value in self._reader.known_entries(mapping, keys.RULE_KEYS, "in a rule", elsewhere=_BELOW)
        )
        missing = [key for key in ("name", "when", "then") if key not in found]
        if missing:
            hint = "; for every message write `when: {always: true}`" if "when" in missing else ""
            self._reader.refuse(mapping.mark, f"a rule without `{'`, without `'.join(missing)}`{hint}")
        name = self._rule_name(found["name"]) if "name" in found else None
        when = self._conditions.read(found["when"]) if "when" in found else None
        then = self._actions.read(found["then"]) if "then" in found else None
        trial = self._trial(found["mode"]) if "mode" in found else False
        allow = self._allowed(found["allow"]) if "allow" in found else frozenset[str]()
        if name is None or when is None or then is None:
            return None
        return Rule(RuleRef(self._name, name), mapping.mark, when, then, trial, allow)

    def _trial(self, node: Node) -> bool:
        scalar = self._reader.text(node, "mode")
        return scalar is not None and self._reader.chosen(scalar, ("trial",), "mode") is not None

    def _allowed(self, node: Node) -> frozenset[str]:
        kinds = (self._reader.chosen(scalar, KINDS, "finding") for scalar in self._reader.texts(node, "allow"))
        return frozenset(kind for kind in kinds if kind)

    def _rule_name(self, node: Node) -> str | None:
        scalar = self._reader.text(node, "name")
        if scalar is None:
            return None
        name = unicodedata.normalize("NFC", scalar.text)
        wrong = _wrong_with_name(name)
        first = self._seen_names.setdefault(name, scalar.mark)
        if wrong:
            self._reader.refuse(scalar.mark, wrong)
            return None
        if first is not scalar.mark:
            self._reader.refuse(scalar.mark, f"a second rule {quoted(name)}; the first is at line {first.line}")
            return None
        return name


def _wrong_with_name(name: str) -> str | None:
    hidden = invisible(name)
    if hidden:
        return f"the name {quoted(name)} contains the invisible character {hidden}; remove it"
    if len(name) > MAX_RULE_NAME:
        return f"the name {quoted(name)} has {len(name)} characters; at most {MAX_RULE_NAME} are allowed"
    bad = next((letter for letter in name if letter in _NOT_IN_NAMES), None)
    if bad:
        return f"the name {quoted(name)} contains {quoted(bad)}; none of , : / may stand in a name"
    if name != name.strip():
        return f"the name {quoted(name)} begins or ends with a space; remove it"
    return None
