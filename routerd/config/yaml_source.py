"""YAML with places: the only door to the yaml library.

Text becomes a tree of `Scalar`, `Sequence` and `Mapping` nodes, each with its `Mark`. Every plain scalar is read as
the text that stands there (`no` stays "no", `0755` stays "0755"): what a value means is for the key that holds it to
say. What a configuration never needs and what hurts (anchors, tags, duplicate keys, depth) is refused with its place.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import yaml

from routerd.config.nearest import quoted, visible

MAX_DEPTH = 50
MAX_BYTES = 32_000_000
MAX_PROBLEMS = 1_000  # after which a file is not read on

_COMMENT_IN_LIST = re.compile(r"[\[{,](#[^\s,\]}]*)")
LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what YAML 1.1 counts as the end of a line

_BOM = "\ufeff"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Mark(NamedTuple):
    """A place in a file; line and column count from 1, columns in characters. Line 0: the file itself, not its text."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file, with its place."""

    mark: Mark
    message: str

    def __str__(self) -> str:
        return f"{self.mark}: {self.message}"


@dataclass(slots=True)
class Scalar:
    text: str
    mark: Mark
    plain: bool  # written without quotes


@dataclass(slots=True)
class Sequence:
    items: list["Node"]
    mark: Mark


@dataclass(slots=True)
class Mapping:
    entries: list[tuple[Scalar, "Node"]]
    mark: Mark

    def get(self, key: str) -> "Node | None":
        """The value of `key`, or None."""
        return next((value for name, value in self.entries if name.text == key), None)

    def key_mark(self, key: str) -> Mark:
        """Where `key` stands; the mapping's own place when it does not."""
        return next((name.mark for name, _ in self.entries if name.text == key), self.mark)


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file: its root (None when the file is empty) and what was wrong with it."""

    file: str
    root: Node | None
    problems: tuple[Problem, ...]


def read_yaml(file: str, data: bytes) -> Document:
    """Reads one document; never raises. `file` is the name that places bear.

    A syntax error ends the reading of this file (the parser cannot go on); duplicate keys, anchors and tags are
    gathered.
    """
    if len(data) > MAX_BYTES:
        return Document(file, None, (Problem(Mark(file, 1, 1), f"the file is larger than {MAX_BYTES} bytes"),))
    try:
        text = data.decode().removeprefix(_BOM)
    except UnicodeDecodeError as error:
        mark = _behind(file, data[: error.start].decode().removeprefix(_BOM))
        return Document(file, None, (Problem(mark, "not UTF-8; save the file as UTF-8"),))
    builder = _Builder(file, text)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if not builder.take(event):
                break
    except yaml.MarkedYAMLError as error:
        builder.problems.append(_in_words(file, error, text))
        return Document(file, None, tuple(builder.problems))
    except yaml.reader.ReaderError as error:
        builder.problems.append(_unreadable(file, error, text))
        return Document(file, None, tuple(builder.problems))
    return Document(file, builder.root, tuple(builder.problems))


_NO_KEY = Scalar("", Mark("", 0, 0), plain=False)  # stands for a key that was refused; its entry is left out


class _Builder:
    """Parser events to nodes, without recursion."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._text = text
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._open: list[_Collection] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> bool:
        """Adds one event; False when reading on makes no sense."""
        if len(self.problems) >= MAX_PROBLEMS:
            self.root = None
            return False
        match event:
            case yaml.ScalarEvent():
                self._refuse_extras(event)
                mark = self._mark(event) if event.value else min(self._mark(event), self._end)
                self._place(Scalar(event.value, mark, bool(event.implicit[0])))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._refuse_extras(event)
                mark = self._mark(event)
                if len(self._open) >= MAX_DEPTH:
                    self.problems.append(Problem(mark, f"nested deeper than {MAX_DEPTH} levels"))
                    self.root = None
                    return False
                kind = Mapping if isinstance(event, yaml.MappingStartEvent) else Sequence
                self._open.append(_Collection(kind([], mark)))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._place(self._open.pop().node)
            case yaml.AliasEvent():
                mark = self._mark(event)
                self.problems.append(
                    Problem(mark, f"aliases (*{visible(event.anchor or '')}) are not allowed; write the value out")
                )
                self._place(Scalar("", mark, plain=False))
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self.problems.append(
                        Problem(self._mark(event), "a second document ('---'); one file holds one document")
                    )
                    return False
        return True

    def _place(self, node: Node) -> None:
        if not self._open:
            self.root = node if not _is_empty(node) else None
            return
        top = self._open[-1]
        if isinstance(top.node, Sequence):
            top.node.items.append(node)
        elif top.key is None:
            top.key = self._as_key(node)
        else:
            self._add_entry(top, top.key, node)
            top.key = None

    def _as_key(self, node: Node) -> Scalar:
        if not isinstance(node, Scalar):
            self.problems.append(Problem(node.mark, "a key must be plain text, not a list or mapping"))
            return _NO_KEY
        if not node.text:
            self.problems.append(Problem(node.mark, "a key is empty"))
            return _NO_KEY
        return node

    def _add_entry(self, top: "_Collection", key: Scalar, value: Node) -> None:
        if key is _NO_KEY or not isinstance(top.node, Mapping):
            return
        first = top.seen.setdefault(key.text, key.mark)
        if first is not key.mark:
            self.problems.append(Problem(key.mark, f"{quoted(key.text)} is given twice; first at line {first.line}"))
            return
        top.node.entries.append((key, value))

    def _refuse_extras(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            self.problems.append(
                Problem(self._mark(event), f"anchors (&{visible(event.anchor)}) are not allowed; write the value out")
            )
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            self.problems.append(Problem(self._mark(event), f"tags ({visible(tag)}) are not allowed; remove it"))

    @cached_property
    def _end(self) -> Mark:
        """For libyaml the end is on a line of its own, also where there is none; what is missing lies on it."""
        return _behind(self.file, self._text)

    def _mark(self, event: yaml.Event) -> Mark:
        start = event.start_mark
        return Mark(self.file, start.line + 1, start.column + 1)


class _Collection:
    """A list or mapping still open, with the key that waits for its value."""

    __slots__ = ("key", "node", "seen")

    def __init__(self, node: "Mapping | Sequence") -> None:
        self.node = node
        self.key: Scalar | None = None
        self.seen: dict[str, Mark] = {}


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text == ""


_SENTENCES = (  # what libyaml says, and what a person can do about it
    ("mapping values are not allowed", "a ': ' that YAML takes for a key; quote the text, or mend the indentation"),
    ("could not find expected ':'", "a key without ':'; write 'key: value'"),
    ("did not find expected key", "does not line up with the lines above; mend the indentation"),
    ("did not find expected '-' indicator", "does not line up with the lines above; mend the indentation"),
    ("did not find expected ',' or ']'", "a list is not closed; expected ',' or ']'"),
    ("did not find expected ',' or '}'", "a mapping is not closed; expected ',' or '}'"),
    ("unexpected end of", "a quote is not closed"),
    ("found a tab character", "a tab; indent with spaces"),
    ("expected comment or line break", "text behind '|' or '>', which begin a block; put the text in quotes"),
    ("block sequence entries are not allowed", "a list begins on a line of its own; or put the text in quotes"),
    ("mapping keys are not allowed", "'? ' begins a key; put the text in quotes"),
    ("did not find expected node content", "a value is missing: a ',' or bracket too many, or one not closed"),
    ("expected hexdecimal number", 'too few digits behind "\\"; use single quotes, or write "\\\\"'),
    ("invalid Unicode character escape code", 'half of a character behind "\\u"; write the character itself'),
    ("found unknown escape character", 'an unknown escape behind "\\"; use single quotes, or write "\\\\"'),
    ("did not find expected <document start>", "more behind the end; mend the indentation"),
)


def _in_words(file: str, error: yaml.MarkedYAMLError, text: str) -> Problem:
    """libyaml's error as a sentence that says what would be right."""
    at = error.problem_mark or error.context_mark
    mark = Mark(file, at.line + 1, at.column + 1) if at else Mark(file, 1, 1)
    mark = min(mark, _behind(file, text))  # as what is missing at the end lies behind it
    problem = error.problem or "not valid YAML"
    opened = Mark(file, error.context_mark.line + 1, error.context_mark.column + 1) if error.context_mark else mark
    if "cannot start any token" in problem:
        return Problem(mark, _refused_start(_rest_of_line(text, mark)))
    if "expected alphabetic or numeric character" in problem:  # of what would be an alias or an anchor
        return Problem(opened, _refused_start(_rest_of_line(text, opened)))
    behind = _behind_what(text, mark)
    if behind and "did not find expected" in problem:
        return Problem(mark, behind)
    for said, sentence in _SENTENCES:
        if said in problem and "is not closed" in sentence:
            return Problem(opened, sentence + _of_comment(_rest_of_line(text, opened)))
        if said in problem:
            return Problem(mark, sentence)
    context = f"{error.context}: " if error.context else ""
    return Problem(mark, f"not valid YAML: {context}{problem}")


def _rest_of_line(text: str, mark: Mark) -> str:
    lines = LINE_END.split(text)
    return lines[mark.line - 1][mark.column - 1 :] if mark.line <= len(lines) else ""


def _behind_what(text: str, mark: Mark) -> str:
    """What is wrong with more on a line whose value has ended; "" where that is not so."""
    rest = _rest_of_line(text, mark)
    before = LINE_END.split(text)[mark.line - 1][: mark.column - 1].rstrip() if rest.strip() else ""
    if before.endswith(("'", '"')):
        return "more behind the closing quote; part entries by ',', and write '' for a ' inside of '…'"
    return (
        "more behind the closing bracket; remove it, or put all of it in quotes" if before.endswith(("]", "}")) else ""
    )


def _of_comment(line: str) -> str:
    if " #" in line:
        return "; what stands behind ' #' is a comment: put it in quotes"
    cut_off = _COMMENT_IN_LIST.search(line)
    return f"; '#' begins a comment: put {visible(cut_off[1])} in quotes" if cut_off else ""


def _refused_start(rest: str) -> str:
    if rest.startswith("\t"):
        return "a tab; indent with spaces"
    word = re.split(r"[,\]}]", rest, maxsplit=1)[0].strip()
    return f'{quoted(rest[:1])} must be in quotes: "{visible(word)}"'


def _unreadable(file: str, error: yaml.reader.ReaderError, text: str) -> Problem:
    character = error.character
    shown = f"U+{ord(character):04X}" if isinstance(character, str) and character else "a control character"
    if isinstance(character, int):
        shown = f"U+{character:04X}"
    at = text.find(chr(character)) if isinstance(character, int) else error.position
    return Problem(_behind(file, text[: max(at, 0)]), f"{shown} is not allowed in YAML; remove it")


def _behind(file: str, text: str) -> Mark:
    """The place of what stands behind `text`, with which the file begins."""
    lines = LINE_END.split(text)
    return Mark(file, len(lines), len(lines[-1]) + 1)


def walk(node: Node) -> Iterator[Node]:
    """Every node below and including `node`, in the order of the file."""
    stack: list[Node] = [node]
    while stack:
        top = stack.pop()
        yield top
        if isinstance(top, Sequence):
            stack.extend(reversed(top.items))
        elif isinstance(top, Mapping):
            stack.extend(value for _, value in reversed(top.entries))
