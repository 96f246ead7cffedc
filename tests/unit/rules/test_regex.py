"""Users' regexes: RE2 with classes and word borders that know every script."""

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerd.rules.regex import MAX_PATTERN, RegexError, compile_regex

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
