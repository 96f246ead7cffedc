"""Users' regexes: RE2 with classes and word borders that know every script."""

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerd.rules.matching.patterns import PatternSet
from routerd.rules.matching.regex import MAX_PATTERN, RegexError, compile_regex
from routerd.rules.matching.regex_budget import RegexBudget

LETTERS = "aZ09_ -.żÓłشكوىь字٣’\n\tя\u00a0"
PIECES = [
    r"\w",
    r"\d",
    r"\s",
    r"\W",
    r"\D",
    r"\S",
    r"[\w-]",
    r"[^\w]",
    r"[^\s.]",
    r"[\W_]",
    r"[\Sx]",
    "a",
    "ż",
    ".",
    "[a-z]",
]


def finds(pattern: str, text: str) -> bool:
    return compile_regex(pattern).found(text.encode())


@given(
    st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(["", "+", "{2}"])), min_size=1, max_size=3),
    st.text(LETTERS, max_size=8),
)
@settings(max_examples=100, deadline=None)
def test_classes_are_unicode(pieces: list[tuple[str, str]], text: str) -> None:
    """Word, digit and space classes and their opposites see what Python's `re` sees."""
    pattern = "".join(piece + repeat for piece, repeat in pieces)
    assert finds(pattern, text) is (re.search(pattern, text, re.IGNORECASE) is not None)


def test_marks_are_part_of_words() -> None:
    """A vowel sign does not end a word, as it does for Python."""
    assert compile_regex(r"\bش\w+\b").hit("الشَّكْوَى شَكْوَى.".encode()) == "شَكْوَى"


@given(
    st.sampled_from(["żaba", "a1", "字", "شكوى", r"\d+", "[A-Z]{2}", "(?:one|two)", r"x\w*"]),
    st.text("żabaŻ1字شكوىonewx _.-\n", max_size=14),
)
@settings(max_examples=100, deadline=None)
def test_borders(word: str, text: str) -> None:
    """`\\b` at the edges sees words of every script, as Python's does."""
    assert finds(rf"\b{word}\b", text) is (re.search(rf"\b{word}\b", text, re.IGNORECASE) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\bżaba\b|kot", "Żaba.", "Żaba"),
        (r"\bżaba\b|kot", "żabami kotami", "kot"),
        (r"(?i)\bfoo", "x foobar", "foo"),
        (r"(?m)^b", "a\nb", "b"),
        (r"^b", "a\nb", None),
        (r"(?-i)A", "a", None),
        (r"a\Q.*\Eb", "a.*b", "a.*b"),
        (r"[]a]+", "x]a", "]a"),
        (r"[^]a]+$", "]xy", "xy"),
        (r"[[:alpha:]]+\x{41}", "bA", "bA"),
        (r"(?P<year>\d{4})-\d\d?", "on 2026-7", "2026-7"),
        (r"\p{Arabic}+", "x شكوى", "شكوى"),
        (r"\$\d+(?:\.\d\d)?", "for $12.50!", "$12.50"),
        (r"a{,3}b", "a{,3}b", "a{,3}b"),
        (r"[\w-z]+", "(a-z)", "a-z"),
        (r"[\w-z]", "`{", None),
        (r"[\W-z]+", "a-z_", "-z"),
        (r"\bnr\b|-x", "a-x", "-x"),
        (r"\bnr\b", "a-nr-", "nr"),
        ("ab\udcee|c", "a?b", None),
        (r"[\S]+", " \U0001fae9a", "\U0001fae9a"),
        (r"[^\W_]+", "_\U0001fae9a", "a"),
    ],
)
def test_pattern(pattern: str, text: str, found: str | None) -> None:
    """What a pattern finds, as it stands in the text."""
    assert compile_regex(pattern).hit(text.encode()) == found


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a", "a '(' is not closed"),
        ("a)", "a ')' without its '('"),
        ("[a", "a '[' is not closed"),
        ("*a", "nothing stands before the repetition"),
        ("a**", "a repetition of a repetition"),
        (r"\w(?i){1000}", "nothing stands before the repetition at character 7"),
        (r"a\Q\E*", "nothing stands before the repetition at character 6"),
        ("a{2000}", "a repetition above 1000"),
        ("[z-a]", "not a range or class"),
        ("a\\", "ends in a single backslash"),
        (r"(a)\1", "back-references are not in RE2"),
        (r"\h", "is not an escape that RE2 knows"),
        ("(?=a)b", "look-around"),
        (r"a\Bb", r"\B at character 2"),
        (r"(\ba)", r"\b at character 2"),
        (r"a\bb", r"\b at character 2"),
        (r"\b-", r"\b at character 1"),
        (r"\b", r"\b at character 1"),
        (r"x-\b", r"\b at character 3"),
        (r"\bx\d*-?\b", r"\b at character 9"),
        (r"\Cx", "a single byte"),
        ("x*", "fits the empty text"),
        ("^", "fits the empty text"),
        (r"(\w{30}){30}", "too large"),
        ("[[:^word:]]{1000}", "too large"),
        ("[^ żśćπЖ字-学]{600}", "too large"),
        ("a" * (MAX_PATTERN + 1), "at most"),
        (r"\ba(?-i)b\b", "go to the front"),
    ],
)
def test_refused(pattern: str, message: str) -> None:
    """What RE2 lacks, what matches everything and what is too large is refused in words."""
    with pytest.raises(RegexError) as caught:
        compile_regex(pattern)
    assert message in str(caught.value)


@given(st.text(r"ab()[]{}|\\*+?^$.-bwdWsBQE:<>P!=,1iméż", max_size=12))
@settings(max_examples=200, deadline=None)
def test_any_pattern(pattern: str) -> None:
    """Any text is a pattern or is refused in words."""
    with suppress(RegexError):
        assert compile_regex(pattern).found(b"some text") in (True, False)


def test_all_regexes_share_a_budget() -> None:
    """What would fill the memory together is refused, though each by itself would do."""
    budget = RegexBudget(4_000)
    budget.take(compile_regex(r"\w+a"))
    budget.take(compile_regex(r"\w+b"))
    with pytest.raises(RegexError, match="too large together"):
        budget.take(compile_regex(r"\w+c"))


@pytest.mark.parametrize("pattern", [r"\w{14}", r"(\w{30}){30}"])
def test_what_is_refused_as_too_large_counts(pattern: str) -> None:
    """Else a file of thousands of such patterns would take hours to refuse."""
    budget = RegexBudget(20_000)
    with pytest.raises(RegexError, match="too large") as refused:
        compile_regex(pattern)
    assert not budget.is_spent
    budget.take_refused(refused.value)
    assert budget.is_spent


@pytest.mark.parametrize("count", [1, 3, 600])
def test_a_set_says_what_may_fit(count: int) -> None:
    """Each pattern that fits is named, however many there are; the others are not."""
    patterns = PatternSet([f"[a-z]x{number}y" for number in range(count)])
    assert list(patterns.may_fit(f"ax0y bX{count - 1}Y".encode())) == sorted({0, count - 1})
    assert list(patterns.may_fit(b"")) == []


def test_a_set_beyond_its_memory_names_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where RE2 cannot say which patterns fit, none of them is taken for one that does not."""
    monkeypatch.setattr("routerd.rules.matching.patterns._SET_BYTES", 60_000)
    sources = [compile_regex(rf"\w{{3}}\d{number}").pattern.source for number in range(4)]
    assert list(PatternSet(sources).may_fit(b"-")) == [0, 1, 2, 3]


def test_a_set_that_forgets_is_right() -> None:
    """More states than its memory holds cost time, and lose no match."""
    sources = [rf"[ab]{{{number}}}[ac][bc]{{{number + 3}}}z" for number in range(40, 60)]
    text = ("ab" * 5_000 + "b" * 50 + "a" + "b" * 60 + "z").encode()
    set_of_all = PatternSet(sources)
    alone = [number for number, source in enumerate(sources) if compile_regex(source).found(text)]
    assert set(alone) <= set(set_of_all.may_fit(text))
    assert alone
