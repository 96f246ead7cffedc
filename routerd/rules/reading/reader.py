"""Reading nodes of a rule file: every problem is gathered with its place, and reading goes on."""

from collections.abc import Collection, Iterable
from collections.abc import Mapping as MappingOf
from types import MappingProxyType

from routerd.config.nearest import quoted
from routerd.config.yaml_source import Mapping, Mark, Node, Problem, Scalar, Sequence
from routerd.rules.matching.regex_budget import RegexBudget
from routerd.rules.matching.stems import DEFAULT_LANGUAGES
from routerd.rules.names import suggestion
from routerd.rules.reading.list_files import ListFiles, nothing_beside

_NULLS = ("~", "null", "Null", "NULL")  # YAML 1.2.2, 10.3.2; editors take them for a key without a value
MAX_PROBLEMS = 1_000  # of one file; more help nobody


class Reader:
    """The problems of one file so far, the shapes that values come in, and the lists they may name."""

    def __init__(self, lists: ListFiles | None = None, regexes: RegexBudget | None = None) -> None:
        self.problems: list[Problem] = []
        self.headers_read: list[tuple[str, Mark]] = []  # by conditions: the names as written
        self.lists = lists or ListFiles(nothing_beside, "")
        self.regexes = regexes or RegexBudget()
        self.languages: tuple[str, ...] = DEFAULT_LANGUAGES  # of the file: what words in Latin script are stemmed by

    def refuse(self, mark: Mark, message: str) -> None:
        if not self._is_full:
            self.problems.append(Problem(mark, message))

    @property
    def _is_full(self) -> bool:
        """No more problems are told, so what they would say need not be made up."""
        return len(self.problems) >= MAX_PROBLEMS

    def mapping(self, node: Node, what: str) -> Mapping | None:
        """`node` as a mapping with at least one key."""
        if isinstance(node, Mapping):
            if node.entries:
                return node
            self.refuse(node.mark, f"{what} is empty")
        else:
            self.refuse(node.mark, f"{what} must be a mapping of keys, not {_kind(node)}")
        return None

    def sequence(self, node: Node, what: str, written: str = "") -> list[Node]:
        """The items of a list that is not empty. `written`: how the list is meant to look."""
        if isinstance(node, Sequence):
            if not node.items:
                self.refuse(node.mark, f"{what} is an empty list")
            return node.items
        self.refuse(node.mark, f"{what} must be a list, not {_kind(node)}" + (written and f"; {written}"))
        return []

    def text(self, node: Node, what: str) -> Scalar | None:
        """A text that is not blank."""
        if not isinstance(node, Scalar):
            self.refuse(node.mark, f"{what} must be text, not {_kind(node)}")
            return None
        if not node.text.strip():
            self.refuse(node.mark, f"{what} is empty")
            return None
        if node.plain and node.text in _NULLS:
            self.refuse(node.mark, f'{what}: {node.text} is nothing in YAML; if the text is meant, write "{node.text}"')
            return None
        return node

    def texts(self, node: Node, what: str) -> list[Scalar]:
        """A text or a list of texts."""
        if isinstance(node, Scalar):
            scalar = self.text(node, what)
            return [scalar] if scalar else []
        if isinstance(node, Mapping):
            self.refuse(node.mark, f"{what} must be text or a list, not a mapping")
            return []
        read = (self.text(item, f"an entry of {what}") for item in self.sequence(node, what))
        return [scalar for scalar in read if scalar]

    def flag(self, node: Node, what: str) -> bool | None:
        if isinstance(node, Scalar) and node.text in ("true", "false"):
            return node.text == "true"
        shown = quoted(node.text) if isinstance(node, Scalar) else _kind(node)
        self.refuse(node.mark, f"{what} takes true or false, not {shown}")
        return None

    def chosen(self, scalar: Scalar, choices: Collection[str], what: str) -> str | None:
        """The text, where it is one of the choices."""
        if scalar.text in choices:
            return scalar.text
        if not self._is_full:
            self.refuse(scalar.mark, f"no {what} {quoted(scalar.text)}{suggestion(scalar.text, choices)}")
        return None

    def known_entries(
        self,
        node: Mapping,
        known: Collection[str],
        where: str,
        elsewhere: MappingOf[str, Collection[str]] = MappingProxyType({}),
    ) -> Iterable[tuple[Scalar, Node]]:
        """The entries whose keys are known; the others are refused.

        `elsewhere`: what may be meant by an unknown key, by the key that it belongs below.
        """
        for key, value in node.entries:
            if key.text in known:
                yield key, value
                continue
            places = [f"`{place}`" for place, there in elsewhere.items() if key.text in there]
            if places:
                self.refuse(key.mark, f"{quoted(key.text)} {where}; indent it below {' or '.join(places)}")
            else:
                self.unknown(key, known, where)

    def unknown(self, key: Scalar, known: Collection[str], where: str) -> None:
        if not self._is_full:
            self.refuse(key.mark, f"unknown key {quoted(key.text)} {where}{suggestion(key.text, known)}")


def _kind(node: Node) -> str:
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    return quoted(node.text) if node.text else "nothing"
