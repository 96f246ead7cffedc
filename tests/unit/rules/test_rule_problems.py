"""What is wrong in a rule file is said with its place, all of it at once."""

from pathlib import Path

import pytest
from rule_sets import ALL_GRANTED, SETTINGS, problems_of, settings_with

from routerd.config.settings import Settings
from routerd.rules.compile import compile_ruleset

GOLDEN = sorted((Path(__file__).parents[2] / "golden" / "rules").glob("*.bad.yaml"))
EXPECT = "# expect: "


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name.removesuffix(".bad.yaml"))
def test_bad_file(path: Path) -> None:
    """A bad file reports what its first lines expect, and nothing else."""
    text = path.read_text(encoding="utf-8")
    expected = [line.removeprefix(EXPECT) for line in text.splitlines() if line.startswith(EXPECT)]
    assert expected
    assert problems_of(text) == expected


def limited(**entry: object) -> Settings:
    return settings_with(limits_of_rules=[{"files": "1-*", "actions": ["all"]}, {"files": "*", **entry}])


@pytest.mark.parametrize(
    ("entry", "text", "message"),
    [
        ({"labels": ["fin/*"]}, "{label: fin/due}", None),
        ({"labels": ["fin/*"]}, "{label: fin/due/late}", "the label 'fin/due/late' may not be given here"),
        ({"labels": ["invoice"]}, "{label: urgent}", "limits_of_rules for * allows invoice"),
        ({"assign": ["finance"]}, "{assign: finance}", None),
        ({"assign": ["finance"]}, "{assign: ewa}", "ewa may not be named here; limits_of_rules for * allows finance"),
        ({"assign": ["finance"]}, "{watch: jan}", "jan may not be named here"),
        ({}, "{hold: x}", "this file may not use hold; limits_of_rules for * would have to grant it"),
        ({"actions": ["hold"]}, "{hold: x}", None),
        ({"actions": ["hold"]}, "{reject: x}", "this file may not use reject"),
        ({"actions": ["stop-all"]}, "{stop: all}", None),
        ({"actions": ["all"]}, "{reject: x}", None),
        ({}, "{stop: true, priority: low, label: anything}", None),
    ],
)
def test_limits_of_rules(entry: dict[str, object], text: str, message: str | None) -> None:
    """What oversteps the file's entry of limits_of_rules is an error, what it grants is none."""
    found = problems_of(f"rules: [{{name: a, when: {{subject: x}}, then: {text}}}]", limited(**entry))
    assert (len(found) == 1 and message in found[0]) if message else not found


def test_a_limit_on_inboxes_is_an_implied_inbox() -> None:
    """Rules of the file see no other mail; naming another inbox is an error, at the top and in a condition."""
    settings = limited(inboxes=["help@example.com"])  # an alias of support@
    compiled = compile_ruleset({"a.yaml": b"rules: [{name: a, when: {subject: x}, then: {label: x}}]"}, settings)
    assert compiled.ruleset is not None
    assert compiled.ruleset.files[0].inboxes == frozenset({"support@example.com"})
    assert len(problems_of("inbox: billing@example.com", settings)) == 1
    assert not problems_of("inbox: support@example.com", settings)
    condition = "rules: [{name: a, when: {inbox: billing@example.com}, then: {label: x}}]"
    assert "is outside what limits_of_rules for * allows" in problems_of(condition, settings)[0]


def test_a_file_that_fits_no_entry() -> None:
    """Where limits_of_rules stands, a file that fits none of its entries is an error."""
    settings = settings_with(limits_of_rules=[{"files": "20-*.yaml"}])
    assert problems_of("rules: [{name: a, when: {subject: x}, then: {label: x}}]", settings, "30-x.yaml") == [
        "1:1: no entry of limits_of_rules in routerd.yaml fits '30-x.yaml'; add one, or rename the file"
    ]


def test_the_first_entry_that_fits_applies() -> None:
    """Later entries do not widen what an earlier one allows."""
    settings = settings_with(limits_of_rules=[{"files": "2*"}, {"files": "*", "actions": ["all"]}])
    text = "rules: [{name: a, when: {subject: x}, then: {hold: x}}]"
    assert problems_of(text, settings, "20.yaml")
    assert not problems_of(text, settings, "30.yaml")


def test_problems_of_all_files() -> None:
    """Every file's problems are reported, under the folder's label, and nothing takes effect."""
    good = b"rules: [{name: a, when: {subject: x}, then: {label: x}}]"
    compiled = compile_ruleset(
        {"b.yaml": b"rules: 1", "a.yaml": b"[", "c.yaml": good}, SETTINGS, folder_label="rules.d/"
    )
    assert compiled.ruleset is None
    assert [problem.mark.file for problem in compiled.problems] == ["rules.d/a.yaml", "rules.d/b.yaml"]


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b"\xff\xfe",
        b"a: &x 1",
        b"rules:\n\t- x",
        b"- [" * 1000,
        b"rules: [" + b"{not: " * 40 + b"x" + b"}" * 40 + b"]",
        b"rules: [{name: a, then: {label: x}, when: {subject: '" + b"x" * 100_000 + b"'}}]",
        b"rules: [{name: a, then: {label: x}, when: {subject: {regex: '" + b"(" * 900 + b"a" + b")" * 900 + b"'}}}]",
        b"rules: [{name: a, then: {label: x}, when: {subject: {regex: '(((\\w{100}){100}){100})'}}}]",
    ],
)
def test_hostile_files(data: bytes) -> None:
    """A hostile file is a problem with a place, never an exception or a hang."""
    compiled = compile_ruleset({"a.yaml": data}, SETTINGS)
    assert compiled.ruleset is None
    assert compiled.problems


def test_byte_order_mark_and_crlf() -> None:
    """A file saved by Windows is read as any other."""
    data = b"\xef\xbb\xbfrules:\r\n  - {name: a, when: {subject: x}, then: {label: x}}\r\n"
    assert compile_ruleset({"a.yaml": data}, SETTINGS).ruleset is not None


def test_an_empty_file_has_no_rules() -> None:
    """A file of comments is fine."""
    ruleset = compile_ruleset({"a.yaml": b"# to come\n", "b.yaml": b""}, SETTINGS).ruleset
    assert ruleset is not None
    assert ruleset.rules == 0


def test_a_moment_before_all_time_is_a_problem() -> None:
    """An offset can lead out of the calendar; that is said, not raised."""
    message = "{from: a@far.test, to: support@example.com}"
    text = f'tests: [{{name: a, message: {message}, given: {{at: "0001-01-01T00:00+14:00"}}, expect: {{held: false}}}}]'
    assert problems_of(text) == [
        "1:85: '0001-01-01T00:00+14:00' is not a moment, such as 2025-01-15T10:00:00Z",
    ]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('when: {subject: x}, then: {header: {"X-\\n": ""}}', "'X-<U+000A>' cannot be given by a rule"),
        ('when: {not: {"\\x1b[0m": x, b: y}}, then: {label: x}', "[{<U+001B>[0m: …}, {b: …}]"),
        ("when: {not: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1}}, then: {label: x}", "{e: …}, …]"),
    ],
)
def test_problems_are_short_and_can_be_shown(rule: str, message: str) -> None:
    """Keys that were made up are quoted like values: in one line, what is invisible by its number, a few of many."""
    (problem,) = problems_of(f"rules: [{{name: a, {rule}}}]", ALL_GRANTED)
    assert message in problem


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("complaints are urgent", None),
        ("شكاوى (2026)", None),
        ("n" * 80, None),
        ("n" * 81, "has 81 characters; at most 80 are allowed"),
        ("a, b", "contains ','"),
        ("a: b", "contains ':'"),
        ("a/b", "contains '/'"),
        (" a", "begins or ends with a space"),
        ("", "name is empty"),
        ("a\u200fb", "contains the invisible character <U+200F>"),
    ],
)
def test_names_of_rules(name: str, wrong: str | None) -> None:
    """Any script, short, and nothing that stands between names where they are listed."""
    problems = problems_of(f'rules: [{{name: "{name}", when: {{always: true}}, then: {{label: x}}}}]')
    assert (len(problems) == 1 and wrong in problems[0]) if wrong else not problems


@pytest.mark.parametrize(
    ("label", "wrong"),
    [
        ("fin/due-2_a.b", None),
        ("شَكْوَى", None),
        ("2026", None),
        ("x" * 64, None),
        ("x" * 65, "has 65 characters; at most 64 are allowed"),
        ("two words", "contains a space"),
        ("a,b", "contains ','"),
        ("a+b", "contains '+'"),
        ("-/-", "has no letter or digit"),
        ("", "label is empty"),
        ("a\u200db", "contains the invisible character <U+200D>"),
    ],
)
def test_what_a_label_is_made_of(label: str, wrong: str | None) -> None:
    """Where it is given, and where it is asked for."""
    for problems in (
        problems_of(f'rules: [{{name: a, when: {{always: true}}, then: {{label: "{label}"}}}}]'),
        problems_of(f'rules: [{{name: a, when: {{label: "{label}"}}, then: {{label: x}}}}]'),
    ):
        assert (len(problems) == 1 and wrong in problems[0]) if wrong else not problems


def test_a_label_in_two_spellings_of_unicode_is_one() -> None:
    text = 'rules: [{name: a, when: {always: true}, then: {label: ["Lo\u0301dz\u0301", "Łódź", "Łódz\u0301", "Lódź"]}}]'
    ruleset = compile_ruleset({"a.yaml": text.encode()}, SETTINGS).ruleset
    assert ruleset is not None
    assert ruleset.labels == ("Lódź", "Łódź")


@pytest.mark.parametrize(
    ("key", "wrong"),
    [("labels", True), ("labels_exclude", True), ("labels_exactly", False), ("rules", False), ("watchers", False)],
)
def test_an_empty_list_that_any_message_meets_is_no_expectation(key: str, wrong: bool) -> None:
    """Where it says "none of them at all", it is one."""
    message = "{from: a@far.example, to: support@example.com}"
    found = problems_of(f"tests: [{{name: a, message: {message}, expect: {{{key}: []}}}}]")
    assert bool(found) is wrong
    if wrong:
        assert f"`{key}: []` is met by every message; for no label write `labels_exactly: []`" in found[0]


def test_problems_without_end_are_not_all_told() -> None:
    """Of a file, and of a table beside it, the first thousand; so that a flood of mistakes takes no time."""
    conditions = ", ".join(f"key{number}: x" for number in range(3_000))
    assert len(problems_of(f"rules: [{{name: a, when: {{{conditions}}}, then: {{label: x}}}}]")) == 1_000
    rule = "rules: [{name: a, when: {always: true}, then: {assign: {by: from, in: t.csv}}}]"
    rows = "\n".join(f"{number}.example,nobody{number}" for number in range(3_000)).encode()
    assert len(compile_ruleset({"a.yaml": rule.encode()}, SETTINGS, read_beside=lambda _: rows).problems) == 1_000


def test_attachments_of_a_test_are_bounded_together() -> None:
    """Though each may be as large as all of them."""
    message = "{from: a@far.test, to: support@example.com, attachments: [{size: 6MB}, {size: 6MB}]}"
    (problem,) = problems_of(f"tests: [{{name: a, message: {message}, expect: {{held: false}}}}]")
    assert "the attachments of a test may have at most 10000000 bytes" in problem
