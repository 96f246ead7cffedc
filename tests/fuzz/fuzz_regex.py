"""Patterns at random: what compiles is found where a plain reference finds it, and has its literals there.

An input is JSON: `texts`, and a `tree` of which the pattern is written, or a `pattern` that may be anything. A tree is
asked by the sets of places at which each of its nodes can end; any pattern, of ASCII texts, by RE2 as it is.
"""

import json
import random
import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

from harness import run
from pieces import spoil

from routerd.message.fold import fold
from routerd.rules.facts import Part
from routerd.rules.matching.literals import Literals
from routerd.rules.matching.patterns import MAX_PROGRAM, Pattern, PatternSet
from routerd.rules.matching.regex import RegexError, compile_regex

SLOW_MS = 1_000
FEW = 120  # executions that are run with the tests

Tree = list[Any]  # [kind, …], of which some are trees again
Flags = dict[str, bool]
Places = frozenset[int]

_LETTERS = "aAkKzZsS019_ -.\nżŻłßẞſKшШкكوىقḍ字カ٣é€ΣσςǅⅧⅷİıµ"
_MARKS = "\u0301\u0323\u0650\u0345"
_INVISIBLE = "\u00ad\u200b"
_RANGES = ("a-z", "A-Z", "0-9", "k-k", "K-K", "ż-ż", "а-я", "أ-ي", "0-z", "!-~", "\u0300-\u036f", "s-t", "α-ω")
_PROPERTIES = ("L", "N", "M", "Nd", "Lu", "Ll", "P", "Z", "S", "Lt")
_POSIX = {"alpha": "[A-Za-z]", "digit": "[0-9]", "alnum": "[0-9A-Za-z]", "word": "[0-9A-Za-z_]", "space": "[\t-\r ]"}
_FLAG_SETS = ("i", "-i", "m", "s", "U", "is", "i-s", "-im", "ms-i", "s-U")
_ODD = (
    r"\b", r"\B", r"\Q", r"\E", r"\C", r"\A", r"\z", r"\pL", r"\p{Greek}", r"\P{^L}", r"\x", r"\x{110000}", r"\0",
    r"\07", r"\x{d800}", r"\1", "(?i)", "(?-i)", "(?", "(?P<a>", "(?<b>", "(?:", "(", ")", "[", "]", "[^",
    "[[:alpha:]]",
    "[[:^word:]]", "[[:", "-", "^", "$", "|", "||", "*", "+", "?", "*?", "{2}", "{,2}", "{0}", "{1000}", "{1001}",
    "{3,2}", "{", "}", r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"[\w-z]", r"[\W]", r"[^\S]", r"[\d-]", r"\.", r"\-",
    r"\ż", "ż", "a", "A", "ſ", "\0", "\n", "字", "\ud800", "\U0001f600", "x{0,3}", "(a|b|)", ".", r"\pN",
    "[]a]", "[a-]",
)  # fmt: skip


def make(source: random.Random) -> bytes:
    made: dict[str, Any]
    if source.random() < 0.6:
        made = {"tree": _top(source)}
        alphabet = _alphabet_of(_written(made["tree"]))
    else:
        pattern = "".join(source.choices(_ODD, k=source.choice((1, 2, 4, 8, 30))))
        if source.random() < 0.5:
            pattern = spoil(source, _written(_top(source)).encode()).decode(errors="surrogateescape")
        if source.random() < 0.01:
            pattern *= source.choice((10, 200, 1_000))
        made = {"pattern": pattern}
        alphabet = _alphabet_of(pattern) + "".join(letter for letter in _LETTERS if letter.isascii()) * 2
    letters = alphabet * 2 + _LETTERS + _MARKS + _INVISIBLE
    made["texts"] = ["".join(source.choices(letters, k=source.choice((0, 1, 2, 4, 8, 16)))) for _ in range(6)]
    return json.dumps(made).encode()


def _alphabet_of(pattern: str) -> str:
    """The letters of the pattern in both cases, so that texts are likely to fit."""
    letters = [letter for letter in dict.fromkeys(pattern) if letter.isalnum() or letter in " _-."]
    return "".join(letters) + "".join(letters).swapcase() + " "


def _top(source: random.Random) -> Tree:
    """The whole pattern: alternatives, of which each may have borders and flags of its own."""
    alternatives = []
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        parts = _parts(source, 3)
        if source.random() < 0.25:
            parts.insert(0, ["border"])
        if source.random() < 0.25:
            parts.append(["border"])
        if source.random() < 0.2:
            parts.insert(0, ["flags", source.choice(_FLAG_SETS)])
        alternatives.append(["row", parts])
    return ["any", alternatives]


def _parts(source: random.Random, depth: int) -> list[Tree]:
    return [_repeated(source, depth) for _ in range(source.choice((1, 1, 2, 2, 3, 4)))]


def _repeated(source: random.Random, depth: int) -> Tree:
    part = _atom(source, depth)
    if source.random() > 0.3 or part[0] in ("flags", "anchor"):
        return part
    least, most = source.choice(((0, 1), (0, None), (1, None), (2, 2), (0, 0), (1, 3), (0, 2), (2, None), (65, None)))
    lazy = source.random() < 0.2
    if part[0] == "quoted":  # of which RE2 repeats the last letter
        return ["row", [["quoted", part[1][:-1]], ["times", ["quoted", part[1][-1]], least, most, lazy]]]
    return ["times", part, least, most, lazy]


def _atom(source: random.Random, depth: int) -> Tree:
    kind = source.random()
    if kind < 0.45:
        return ["letter", source.choice(_LETTERS + _LETTERS + _MARKS)]
    if kind < 0.5:
        return ["dot"]
    if kind < 0.6:
        return ["class", source.choice("wWdDsS")]
    if kind < 0.65:
        return ["property", source.choice(_PROPERTIES), source.random() < 0.3]
    if kind < 0.78:
        return ["set", [_member(source) for _ in range(source.choice((1, 1, 2, 3)))], source.random() < 0.3]
    if kind < 0.81:
        return ["anchor", source.choice(("^", "$", r"\A", r"\z"))]
    if kind < 0.84:
        return ["quoted", "".join(source.choices(_LETTERS + "+*(", k=source.choice((1, 2, 3))))]
    if kind < 0.86:
        return ["flags", source.choice(_FLAG_SETS)]
    if depth == 0:
        return ["letter", source.choice(_LETTERS)]
    opening = source.choice(("(", "(?:", "(?:", "(?P<name>", *(f"(?{flags}:" for flags in _FLAG_SETS)))
    return ["group", opening, [["row", _parts(source, depth - 1)] for _ in range(source.choice((1, 1, 2, 3)))]]


def _member(source: random.Random) -> Tree:
    kind = source.random()
    if kind < 0.4:
        return ["letter", source.choice(_LETTERS.replace("\n", "") + _MARKS)]
    if kind < 0.6:
        return ["range", source.choice(_RANGES)]
    if kind < 0.8:
        return ["class", source.choice("wWdDsS")]
    if kind < 0.9:
        return ["property", source.choice(_PROPERTIES), source.random() < 0.3]
    return ["posix", source.choice(sorted(_POSIX))]


def _written(tree: Tree) -> str:
    match tree:
        case ["any", rows]:
            return "|".join(map(_written, rows))
        case ["row", [["quoted", text], ["times", ["quoted", last], *times]]]:
            return _written(["times", ["quoted", text + last], *times])
        case ["row", parts]:
            return "".join(map(_written, parts))
        case ["group", opening, rows]:
            return f"{opening}{_written(['any', rows])})"
        case ["times", part, least, most, lazy]:
            signs = {(0, 1): "?", (0, None): "*", (1, None): "+"}
            sign = signs.get((least, most)) or f"{{{least}{'' if least == most else f',{most or str()}'}}}"
            return _written(part) + sign + "?" * lazy
        case ["letter" | "quoted", text] if text == "\n":
            return r"\n"
        case ["letter", "ż"]:
            return r"\x{17C}"
        case ["letter", "_"]:
            return r"\x5f"
        case ["letter", text]:
            return re.sub(r"[\\.*+?()|{}\[\]^$-]", r"\\\g<0>", text)
        case ["dot"]:
            return "."
        case ["border"]:
            return r"\b"
        case ["flags", flags]:
            return f"(?{flags})"
        case ["quoted", text]:
            return rf"\Q{text}\E"
        case ["set", members, negated]:
            return f"[{'^' * negated}{''.join(map(_written, members))}]"
        case ["class", letter]:
            return f"\\{letter}"
        case ["property", name, negated]:
            return f"\\{'P' if negated else 'p'}{name if len(name) == 1 else f'{{{name}}}'}"
        case ["posix", name]:
            return f"[:{name}:]"
        case ["range" | "anchor", text]:
            return str(text)
    raise ValueError(f"no tree: {tree}")


class _Reference:
    """A tree asked of one text: from the places where a part may begin to those where it may end."""

    def __init__(self, text: str) -> None:
        self._text = text

    def spans(self, tree: Tree) -> Iterator[tuple[int, int]]:
        for start in range(len(self._text) + 1):
            for end in self._ends(tree, frozenset([start]), {"i": True, "m": False, "s": False}):
                yield start, end

    def _ends(self, tree: Tree, starts: Places, flags: Flags) -> Places:
        """`flags` are changed for what stands behind in the same group."""
        match tree:
            case ["any", rows]:
                return frozenset().union(*[self._ends(row, starts, flags) for row in rows])
            case ["row", parts]:
                for part in parts:
                    starts = self._ends(part, starts, flags)
                return starts
            case ["group", opening, rows]:
                inner = dict(flags)
                if opening.endswith(":"):
                    _set(inner, opening[2:-1])
                return self._ends(["any", rows], starts, inner)
            case ["times", part, least, most, _lazy]:
                return self._repeated(part, starts, flags, least, most)
            case ["flags", said]:
                _set(flags, said)
                return starts
            case ["quoted", text]:
                return self._ends(["row", [["letter", letter] for letter in text]], starts, flags)
            case ["border"]:
                return frozenset(at for at in starts if self._is_word(at - 1) is not self._is_word(at))
            case ["anchor", sign]:
                return frozenset(at for at in starts if self._stands_at(sign, at, flags))
        return frozenset(at + 1 for at in starts if at < len(self._text) and _fits(tree, self._text[at], flags))

    def _repeated(self, part: Tree, starts: Places, flags: Flags, least: int, most: int | None) -> Places:
        ends = starts
        for _ in range(min(least, 2 * len(self._text) + 2)):  # by then each turn is as the one before
            ends = self._ends(part, ends, flags)
        reached = ends
        for _ in range(len(self._text) + 1 if most is None else most - least):
            ends = self._ends(part, ends, flags)
            if ends <= reached:  # where it began from then on, it has begun before
                break
            reached |= ends
        return reached

    def _is_word(self, at: int) -> bool:
        return 0 <= at < len(self._text) and _is_word(self._text[at])

    def _stands_at(self, sign: str, at: int, flags: Flags) -> bool:
        is_line = flags["m"] and sign in "^$"
        if sign in ("^", r"\A"):
            return at == 0 or (is_line and self._text[at - 1] == "\n")
        return at == len(self._text) or (is_line and self._text[at] == "\n")


def _set(flags: Flags, said: str) -> None:
    on, _, off = said.partition("-")
    flags |= dict.fromkeys(on, True) | dict.fromkeys(off, False)


def _fits(tree: Tree, letter: str, flags: Flags) -> bool:
    """One letter; of sets and categories, where case is nothing, also where a letter fits that it folds with."""
    case = re.IGNORECASE if flags["i"] and letter not in _OF_TURKISH else re.NOFLAG
    match tree:
        case ["letter", wanted]:
            return (
                letter == wanted if wanted in _OF_TURKISH else re.fullmatch(re.escape(wanted), letter, case) is not None
            )
        case ["range", between]:
            return re.fullmatch(f"[{between}]", letter, case) is not None
        case ["posix", name]:
            return re.fullmatch(_POSIX[name], letter, case) is not None
        case ["dot"]:
            return flags["s"] or letter != "\n"
        case ["class", "w" | "d" | "s" as kind]:
            return {"w": _is_word, "d": lambda one: unicodedata.category(one) == "Nd", "s": str.isspace}[kind](letter)
        case ["class", kind]:
            return not _fits(["class", kind.lower()], letter, flags)
        case ["property", name, negated]:
            alike = _alike(letter) if case else {letter}
            return any(unicodedata.category(one).startswith(name) for one in alike) is not negated
        case ["set", members, negated]:
            return any(_fits(member, letter, flags) for member in members) is not negated
    raise ValueError(f"no tree: {tree}")


@cache
def _alike(letter: str) -> frozenset[str]:
    return frozenset(
        one
        for one in {*_KNOWN, letter, *letter.lower(), *letter.upper()}
        if re.fullmatch(re.escape(one), letter, re.IGNORECASE)
    )


_OF_TURKISH = "İı"  # which fold with i for `re`, and only in Turkish for RE2
_KNOWN = frozenset(_LETTERS + _LETTERS.swapcase() + _MARKS + "ιΙι\u1e0c\u0131")


def _is_word(letter: str) -> bool:
    return letter == "_" or unicodedata.category(letter)[0] in "LMN"


def target(data: bytes) -> None:
    made = json.loads(data)
    tree = made.get("tree")
    pattern = made["pattern"] if tree is None else _written(tree)
    try:
        regex = compile_regex(pattern)
    except RegexError as error:
        if not str(error).isprintable() or len(str(error)) > 500:
            raise AssertionError(f"{error!s:.1000} cannot be shown") from error
        return
    if regex.pattern.size > MAX_PROGRAM:
        raise AssertionError(f"{pattern!r} has {regex.pattern.size} steps")
    together = PatternSet((r"\z.", regex.pattern.source))
    for text in made["texts"]:
        part = Part("body", text, fold(text).strip())
        found = regex.found(part.visible)
        fitting = None if tree is None else _fitting(tree, part.visible.decode())
        if found is not _is_expected(pattern, fitting, part, found):
            raise AssertionError(f"{pattern!r} is {'' if found else 'not '}found in {part.visible.decode()!r}")
        if found and regex.literals and not part.found_of(Literals(regex.literals)):
            raise AssertionError(f"{pattern!r} is found in {text!r} without any of {sorted(regex.literals)}")
        if found and 1 not in together.may_fit(part.visible):
            raise AssertionError(f"{pattern!r} is found in {text!r}, but not by a set")
        hit = regex.hit(part.visible)
        if (hit is not None) is not found or (hit or "") not in part.visible.decode():
            raise AssertionError(f"{pattern!r} shows {hit!r} of {text!r}")
        if hit is not None and tree is not None and hit not in _fitting(tree, hit):
            raise AssertionError(f"{pattern!r} shows {hit!r} of {text!r}, which it does not fit")


def _fitting(tree: Tree, text: str) -> set[str]:
    """All that the tree fits in the text."""
    return {text[start:end] for start, end in _Reference(text).spans(tree)}


def _is_expected(pattern: str, fitting: set[str] | None, part: Part, found: bool) -> bool:
    """As far as there is a reference; else what was found."""
    if fitting is not None:
        return bool(fitting)
    return Pattern(pattern).found(part.visible) if part.visible.isascii() else found


if __name__ == "__main__":
    sys.exit(run(target, make, slow_ms=SLOW_MS))
