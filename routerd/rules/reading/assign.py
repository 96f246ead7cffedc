"""Whom an action names: members and teams, within what the file may name, and the forms of `assign`."""

import unicodedata

from routerd.config.nearest import quoted
from routerd.config.settings import Pick
from routerd.config.yaml_source import Mapping, Mark, Node, Scalar
from routerd.rules import keys
from routerd.rules.actions import AssignBy, AssignTo
from routerd.rules.limits import FileLimit
from routerd.rules.names import Names, suggestion
from routerd.rules.reading.list_files import ListError
from routerd.rules.reading.reader import Reader

_FORMS = "{team: finance, pick: last} or {by: customer, in: lists/accounts.csv}"


class TargetReader:
    """Reads the members and teams that the rules of one file name."""

    def __init__(self, reader: Reader, names: Names, limit: FileLimit) -> None:
        self._reader = reader
        self._names = names
        self._limit = limit

    def target(self, scalar: Scalar) -> str | None:
        """A member's or team's name, where this file may assign to it."""
        name = self.known(scalar)
        return name if name is not None and self._is_allowed(name, scalar.mark) else None

    def known(self, scalar: Scalar) -> str | None:
        """A member's or team's name."""
        name = unicodedata.normalize("NFC", scalar.text)
        if name not in self._names.targets:
            self._reader.refuse(
                scalar.mark, f"no member or team {quoted(scalar.text)}{suggestion(name, self._names.targets)}"
            )
            return None
        return name

    def assign(self, node: Node) -> AssignTo | AssignBy | None:
        """What stands behind `assign:`; None where something was wrong."""
        if not isinstance(node, Mapping):
            scalar = self._reader.text(node, "assign")
            target = self.target(scalar) if scalar else None
            return AssignTo(target) if target else None
        found = {key.text: value for key, value in self._reader.known_entries(node, keys.ASSIGN_KEYS, "under assign")}
        if found.keys() <= {"team", "pick"} and "team" in found:
            return self._team(found["team"], found.get("pick"))
        if found.keys() == {"by", "in"}:
            return self._look_up(found["by"], found["in"])
        if len(found) == len(node.entries):  # else the key that there is not was refused
            self._reader.refuse(node.mark, f"assign takes a name, {_FORMS}")
        return None

    def _team(self, team: Node, pick: Node | None) -> AssignTo | None:
        scalar = self._reader.text(team, "team")
        target = self.target(scalar) if scalar else None
        way = None
        if pick is not None:
            chosen = self._reader.text(pick, "pick")
            way = self._reader.chosen(chosen, tuple(Pick), "way to pick") if chosen else None
            if way is None:
                return None
        if scalar is None or target is None:
            return None
        if target not in self._names.teams:
            self._reader.refuse(scalar.mark, f"{target} is a member; write `assign: {target}`")
            return None
        return AssignTo(target, way)

    def _look_up(self, by: Node, file: Node) -> AssignBy | None:
        scalar, path = self._reader.text(by, "by"), self._reader.text(file, "in")
        field = self._reader.chosen(scalar, tuple(keys.LOOK_UP_FIELDS), "field to look up by") if scalar else None
        if path is None:
            return None
        try:
            table, is_new = self._reader.lists.table(path.text, self._names.targets)
        except ListError as error:
            self._reader.refuse(path.mark, str(error))
            return None
        if is_new:  # its problems are told once, however many rules name it
            self._reader.problems.extend(table.problems)
        allowed = [self._is_allowed(target, mark) for target, mark in table.named.items()]
        if field is None or table.problems or not all(allowed):
            return None
        return AssignBy(field, path.text, table.rows)

    def _is_allowed(self, name: str, mark: Mark) -> bool:
        if self._limit.allows_target(name):
            return True
        allowed = ", ".join(self._limit.targets or ()) or "nobody"
        self._reader.refuse(mark, f"{name} may not be named here; {self._limit.source} allows {allowed}")
        return False
