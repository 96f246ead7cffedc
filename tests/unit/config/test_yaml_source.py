"""YAML with places: text stays text, and what hurts is refused where it stands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerd.config.yaml_source import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_PROBLEMS,
    Mapping,
    Mark,
    Node,
    Scalar,
    Sequence,
    read_yaml,
    walk,
)


def found(text: str | bytes) -> list[str]:
    document = read_yaml("x.yaml", text if isinstance(text, bytes) else text.encode())
    return [str(problem) for problem in document.problems]


def root(text: str) -> Node:
    document = read_yaml("x.yaml", text.encode())
    assert document.problems == ()
    assert document.root is not None
    return document.root


def test_plain_scalars_are_the_text_that_stands_there() -> None:
    """YAML's guesses at booleans, octals, sexagesimals and dates are not made."""
    node = root("[no, 0755, 22:22, 1e3, 2026-01-01, ~, 'no']")
    assert isinstance(node, Sequence)
    scalars = [item for item in node.items if isinstance(item, Scalar)]
    assert [item.text for item in scalars] == ["no", "0755", "22:22", "1e3", "2026-01-01", "~", "no"]
    assert [item.plain for item in scalars] == [True] * 6 + [False]


def test_columns_count_characters() -> None:
    """A place behind letters of more than one byte, with a BOM and CRLF, is the one an editor shows."""
    node = read_yaml("x.yaml", "\ufeffżółć: {ą: 1}\r\nb: 2\r\n".encode()).root
    assert isinstance(node, Mapping)
    inner = node.get("żółć")
    assert isinstance(inner, Mapping)
    assert inner.key_mark("ą") == Mark("x.yaml", 1, 8)
    assert node.key_mark("b") == Mark("x.yaml", 2, 1)


def test_walk_goes_in_the_order_of_the_file() -> None:
    """Every node is seen once, parents first."""
    texts = [node.text for node in walk(root("a: [1, {b: 2}]\nc: 3\n")) if isinstance(node, Scalar)]
    assert texts == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1: 'a' is given twice; first at line 1"),
        ("a: &x 1\n", "1:4: anchors (&x) are not allowed; write the value out"),
        ("a: *x\n", "1:4: aliases (*x) are not allowed; write the value out"),
        (
            "a: !!python/object:os.system 1\n",
            "1:4: tags (tag:yaml.org,2002:python/object:os.system) are not allowed; remove it",
        ),
        ("[a]: 1\n", "1:1: a key must be plain text, not a list or mapping"),
        ("'': 1\n", "1:1: a key is empty"),
        ("a: 1\n---\nb: 2\n", "2:1: a second document ('---'); one file holds one document"),
        ("a: @b\n", "1:4: '@' must be in quotes: \"@b\""),
        ("a: [%b, c]\n", "1:5: '%' must be in quotes: \"%b\""),
        ("a:\n\tb: 1\n", "2:1: a tab; indent with spaces"),
        ("a: b: c\n", "1:5: a ': ' that YAML takes for a key; quote the text, or mend the indentation"),
        ("a: 1\n  b: 2\n", "2:4: a ': ' that YAML takes for a key; quote the text, or mend the indentation"),
        ("a:\n  - 1\n b: 2\n", "3:2: does not line up with the lines above; mend the indentation"),
        ("a: [1, 2\n", "1:4: a list is not closed; expected ',' or ']'"),
        ("a: {b: 1\n", "1:4: a mapping is not closed; expected ',' or '}'"),
        ("a: 'b\n", "1:4: a quote is not closed"),
        (
            "a: [1, 2 #3]\n",
            "1:4: a list is not closed; expected ',' or ']'; what stands behind ' #' is a comment: put it in quotes",
        ),
        ("from: *@*.pl\n", "1:7: '*' must be in quotes: \"*@*.pl\""),
        ("a: b\n\tc: d\n", "2:1: a tab; indent with spaces"),
        ("a: | b\n", "1:6: text behind '|' or '>', which begin a block; put the text in quotes"),
        ("a: - b\n", "1:4: a list begins on a line of its own; or put the text in quotes"),
        ("a: ? b\n", "1:4: '? ' begins a key; put the text in quotes"),
        ("- a\n- [{", "2:5: a value is missing: a ',' or bracket too many, or one not closed"),
        ("a: [1,, 2]\n", "1:7: a value is missing: a ',' or bracket too many, or one not closed"),
        (
            'a: "b" c\n',
            "1:8: more behind the closing quote; part entries by ',', and write '' for a ' inside of '…'",
        ),
        ("a: [b]]\n", "1:7: more behind the closing bracket; remove it, or put all of it in quotes"),
        ('a: "\\x4"\n', '1:7: too few digits behind "\\"; use single quotes, or write "\\\\"'),
        ('a: "\\ud83d"\n', '1:7: half of a character behind "\\u"; write the character itself'),
        ('a: "\\d"\n', '1:5: an unknown escape behind "\\"; use single quotes, or write "\\\\"'),
        ("a: b\x00\n", "1:5: U+0000 is not allowed in YAML; remove it"),
        ("a: b\r\r\nc: \x17\n", "3:4: U+0017 is not allowed in YAML; remove it"),
    ],
)
def test_what_is_wrong_is_said_in_words(text: str, problem: str) -> None:
    """Errors of the parser say what would be right, with line and column."""
    assert found(text) == [f"x.yaml:{problem}"]


def test_bytes_that_are_not_utf8_have_a_place() -> None:
    """Latin-2 is refused where its first letter stands."""
    assert found(b"a: 1\nb: skarg\xea\n") == ["x.yaml:2:9: not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize("before", [b"\xef\xbb\xbfa: 1\n", b"a: 1\r"])
def test_places_are_in_characters(before: bytes) -> None:
    """Counted as an editor does: no bytes, no byte order mark, and lines by whatever ends them."""
    assert found(before + "b: żółć".encode() + b"\xea") == ["x.yaml:2:8: not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize("text", ["b: 1\na:", "b: 1\n? a", "b:\n- 1\n-"])
def test_a_value_that_is_not_there_has_its_place_in_the_file(text: str) -> None:
    """Behind the last character, where no line follows."""
    root = read_yaml("x.yaml", text.encode()).root
    assert root is not None
    (missing,) = [node for node in walk(root) if isinstance(node, Scalar) and not node.text]
    assert missing.mark == ("x.yaml", text.count("\n") + 1, len(text.rpartition("\n")[2]) + 1)


def test_depth_and_size_are_bounded() -> None:
    """A hundred thousand brackets end at the limit, and a huge file is not read at all."""
    assert found("[" * 100_000) == [f"x.yaml:1:{MAX_DEPTH + 1}: nested deeper than {MAX_DEPTH} levels"]
    assert found(b" " * (MAX_BYTES + 1)) == [f"x.yaml:1:1: the file is larger than {MAX_BYTES} bytes"]
    assert len(found("- &a x\n" * 3_000)) == MAX_PROBLEMS


def test_an_empty_file_has_no_root() -> None:
    """Nothing, or comments only, is no problem here; whoever needs a mapping says so."""
    assert read_yaml("x.yaml", b"# nothing\n").root is None
    assert found("") == []


@given(
    st.one_of(st.binary(max_size=80), st.text(st.sampled_from("ab:{}[]-, \n\"'#&*!|>@%\t?\\\x85\u2028"), max_size=80))
)
@settings(max_examples=400, deadline=None)
def test_no_bytes_raise(data: bytes | str) -> None:
    """Whatever the file holds, places are inside it and nothing is raised."""
    raw = data if isinstance(data, bytes) else data.encode()
    document = read_yaml("x.yaml", raw)
    for problem in document.problems:
        assert problem.mark.line >= 1
        assert problem.mark.column >= 1
        assert problem.message
