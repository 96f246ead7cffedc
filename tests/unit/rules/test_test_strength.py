"""What the tests of rules decide, and which spoilt rules they let through."""

import pytest
from rule_sets import ALL_GRANTED

from routerd.cli.test import place_by
from routerd.rules.compile import Compiled, compile_ruleset
from routerd.rules.trying.cases import CaseResult, run_case
from routerd.rules.trying.coverage import coverage_of, percent_of
from routerd.rules.trying.mutation import mutants_of, surviving
from routerd.rules.trying.variants import VariantReader

PLACE = place_by(ALL_GRANTED)


def case(subject: str, expect: str, name: str = "t", sender: str = "a@b.example", todo: str = "") -> str:
    message = f"{{from: {sender}, to: support@example.com, subject: '{subject}'}}"
    return f"  - {{name: {name}, message: {message}, expect: {{{expect}}}{todo}}}\n"


def run(*files: str) -> tuple[Compiled, list[CaseResult], VariantReader]:
    texts = {f"{number}.yaml": text.encode() for number, text in enumerate(files, 1)}
    compiled = compile_ruleset(texts, ALL_GRANTED)
    assert compiled.ruleset is not None, compiled.problems
    results = [run_case(one, compiled.ruleset, PLACE) for one in compiled.cases]
    return compiled, results, VariantReader(compiled.files, ALL_GRANTED)


def undecided(*files: str) -> list[str]:
    """As `LINE:COL rule: branch`."""
    compiled, results, reader = run(*files)
    assert compiled.ruleset is not None
    branches = coverage_of(compiled.ruleset, results, reader)
    return [
        f"{one.mark.line}:{one.mark.column} {one.rule.name}: {one.said}".strip() for one in branches if not one.decided
    ]


def survivors(*files: str) -> list[str]:
    compiled, results, reader = run(*files)
    assert compiled.ruleset is not None
    assert all(result.passed for result in results)
    mutants = mutants_of(compiled.ruleset, reader)
    return [one.said for one in surviving(compiled.ruleset, mutants, results, PLACE)]


def test_a_rule_is_decided_by_a_test_that_shows_it_matching() -> None:
    """Not by one that fails, nor by one that is `todo`."""
    rules = "rules: [{name: r, when: {subject: x}, then: {label: x}}]\ntests:\n"
    assert undecided(rules + case("x", "labels: x")) == []
    assert undecided(rules + case("y", "labels_exactly: []")) == ["1:9 r:"]
    assert undecided(rules + case("x", "labels: y")) == ["1:9 r:"]
    assert undecided(rules + case("x", "labels: y", todo=", todo: true")) == ["1:9 r:"]


def test_each_alternative_wants_a_message_of_its_own() -> None:
    """A term is decided where the rule matches by it alone; what another term may have met decides neither."""
    when = "subject:\n        - one\n        - two\n        - three"
    rules = f"rules:\n  - name: r\n    when:\n      {when}\n    then: {{label: x}}\ntests:\n"
    assert undecided(rules + case("one", "labels: x")) == ["6:11 r: subject two", "7:11 r: subject three"]
    assert undecided(rules + case("two and three", "labels: x")) == ["5:11 r: subject one"]


def test_alternatives_below_any_are_their_own() -> None:
    """Of `any` each entry, and inside it each term, with the other entries out of the way."""
    when = "{any: [{subject: [a1, a2]}, {from: b.example, subject: {word: [c1, c2]}}]}"
    rules = f"rules: [{{name: r, when: {when}, then: {{label: x}}}}]\ntests:\n"
    found = undecided(rules + case("a1", "labels: x", sender="x@y.example") + case("c2", "labels: x", "u"))
    assert [line.partition(" ")[2] for line in found] == ["r: subject a2", "r: subject word c1"]


def test_a_part_of_not_is_decided_where_it_alone_keeps_the_rule_away() -> None:
    """Also the only one, and one of several."""
    rules = "rules: [{name: r, when: {subject: x, not: [{subject: y}, {from: c.example}]}, then: {label: x}}]\ntests:\n"
    matching = case("x", "labels: x")
    assert [line.partition(" ")[2] for line in undecided(rules + matching)] == [
        "r: not subject: y",
        "r: not from: c.example",
    ]
    away = case("x y", "labels_exactly: []", "u") + case("x", "labels_exactly: []", "v", "d@c.example")
    assert undecided(rules + matching + away) == []
    both = case("x y", "labels_exactly: []", "u", "d@c.example")
    assert len(undecided(rules + matching + both)) == 2
    alone = "rules: [{name: r, when: {not: {subject: y}}, then: {label: x}}]\ntests:\n"
    assert [line.partition(" ")[2] for line in undecided(alone + matching)] == ["r: not subject: y"]
    assert undecided(alone + matching + case("y", "labels_exactly: []", "u")) == []


def test_labels_of_rules_above_count() -> None:
    """A `not: {label: …}` is decided by the label that a rule above gives in the test."""
    rules = (
        "rules:\n"
        "  - {name: spam, when: {subject: lottery}, then: {label: spam}}\n"
        "  - {name: r, when: {subject: x, not: {label: spam}}, then: {label: x}}\n"
        "tests:\n"
    )
    assert undecided(rules + case("x", "labels: x") + case("lottery x", "labels_exactly: spam", "u")) == []


def test_what_a_stop_keeps_away_decides_nothing() -> None:
    """The part of `not` did not keep the rule from matching: it was never asked."""
    rules = (
        "rules:\n"
        "  - {name: s, when: {subject: lottery}, then: {label: spam, stop: true}}\n"
        "  - {name: r, when: {subject: x, not: {subject: lottery}}, then: {label: x}}\n"
        "tests:\n"
    )
    found = undecided(rules + case("x", "labels: x") + case("lottery x", "labels_exactly: spam", "u"))
    assert [line.partition(" ")[2] for line in found] == ["r: not subject: lottery"]


def test_percent() -> None:
    compiled, results, reader = run(
        "rules: [{name: r, when: {subject: [x, y]}, then: {label: x}}]\ntests:\n" + case("x", "labels: x")
    )
    assert compiled.ruleset is not None
    assert round(percent_of(coverage_of(compiled.ruleset, results, reader)), 1) == 66.7
    assert percent_of(()) == 100


RULE = """\
rules:
  - {name: r, when: {subject: x, not: {from: c.example}}, then: {assign: finance, label: [l, m], stop: true}}
"""
LATER = "  - {name: later, when: {subject: x}, then: {label: later}}\ntests:\n"
HOLDING = (
    case("x", "team: finance, labels_exactly: [l, m]")
    + case("x", "team: duty, labels_exactly: later", "u", "d@c.example")
    + case("z", "team: duty, labels_exactly: []", "v")
)


def test_tests_that_hold_let_nothing_through() -> None:
    assert survivors(RULE + LATER + HOLDING) == []


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        (
            case("x", "team: finance, labels_exactly: [l, m]") + case("z", "labels_exactly: []", "v"),
            ["without `not: from: c.example`", "without `label: later`"],
        ),
        (
            case("x", "labels_exactly: [l, m]")
            + case("x", "labels_exactly: later", "u", "d@c.example")
            + case("z", "labels_exactly: []", "v"),
            ["with `assign: omar` in place of finance"],
        ),
        (
            case("x", "team: finance, labels: l")
            + case("x", "team: duty, labels: later", "u", "d@c.example")
            + case("z", "team: duty, labels_exactly: []", "v"),
            ["without `label: m`", "without `stop: true`"],
        ),
    ],
)
def test_what_tests_leave_open_is_named(tests: str, expected: list[str]) -> None:
    assert survivors(RULE + LATER + tests) == expected


def test_a_rule_without_tests_survives_whatever_is_done_to_it() -> None:
    """Conditions, the opposite of a `not`, owner and labels: none is noticed."""
    found = survivors(RULE + LATER.partition("tests")[0])
    assert "without `subject: x`" in found
    assert "with `from: c.example` in place of its `not`" in found
    assert "with `assign: omar` in place of finance" in found
    assert "without `label: l`" in found


def test_numbers_are_moved_both_ways() -> None:
    """A test on either side, not farther away than half and double, sees it."""
    rules = "rules: [{name: r, when: {size: {over: 10KB}}, then: {label: big}}]\ntests:\n"
    assert survivors(rules.partition("tests")[0]) == [
        "without `size: over: 10KB`",
        "with `size over 20KB` in place of 10KB",
        "with `size over 5KB` in place of 10KB",
        "without `label: big`",
    ]

    def sized(size: str, expect: str, name: str) -> str:
        attachments = f"attachments: [{{name: a.bin, size: {size}}}]"
        message = f"{{from: a@b.example, to: support@example.com, {attachments}}}"
        return f"  - {{name: {name}, message: {message}, expect: {{labels_exactly: {expect}}}}}\n"

    assert survivors(rules + sized("11KB", "big", "t") + sized("6KB", "[]", "u")) == []


def test_a_single_condition_is_dropped_by_matching_everything() -> None:
    """So a test of what must not match is asked for."""
    rules = "rules: [{name: r, when: {subject: x}, then: {label: x}}]\ntests:\n"
    assert survivors(rules + case("x", "labels: x")) == ["without `subject: x`"]
    assert survivors(rules + case("x", "labels: x") + case("y", "labels_exactly: []", "u")) == []


def test_lists_and_inboxes_of_the_file_are_read_as_they_were() -> None:
    """A file's own inboxes hold for its spoilt rules; rules of other files are there beside them."""
    first = "rules: [{name: a, when: {subject: x}, then: {label: a}}]\n"
    at = "message: {from: a@b.example, subject: x, to: "
    second = (
        "inbox: billing@example.com\nrules: [{name: r, when: {subject: x, label: a}, then: {label: r}}]\ntests:\n"
        f"  - {{name: t, {at}billing@example.com}}, expect: {{labels_exactly: [a, r]}}}}\n"
        f"  - {{name: u, {at}support@example.com}}, expect: {{labels_exactly: a}}}}\n"
    )
    assert survivors(first, second) == [
        "without `subject: x`",
        "without `subject: x`",
        "without `label: a`",
    ]


def test_rules_on_trial_are_left_alone() -> None:
    """They have no effect that a test could notice."""
    rules = "mode: trial\nrules: [{name: r, when: {subject: [x, y]}, then: {label: x}}]\n"
    assert survivors(rules) == []
    assert undecided(rules) == []


def test_stems_and_their_further_words_are_alternatives_of_one_list() -> None:
    """A word under `also` is decided by a message that has it, and none of the stems."""
    when = "{subject: {stem: [complaint, invoice], also: [skardze, faktura]}}"
    rules = f"rules: [{{name: r, when: {when}, then: {{label: x}}}}]\ntests:\n"
    found = undecided(rules + case("two complaints", "labels: x") + case("o skardze", "labels: x", "u"))
    assert [line.partition(" ")[2] for line in found] == ["r: subject stem invoice", "r: subject also faktura"]


def test_what_other_than_names_is_no_alternative() -> None:
    """There is no message that meets one of its entries alone."""
    rules = "rules: [{name: r, when: {from: {other_than: [a.example, b.example]}}, then: {label: x}}]\ntests:\n"
    assert undecided(rules + case("x", "labels: x", sender="a@c.example")) == []


def test_numbers_below_a_key_are_moved_too() -> None:
    """Counts and durations keep their units."""
    when = "{conversation: {messages: {over: 1}, waiting: {over: 2d}}}"
    found = survivors(f"rules: [{{name: r, when: {when}, then: {{label: x}}}}]")
    assert "with `conversation messages over 2` in place of 1" in found
    assert "with `conversation waiting over 4d` in place of 2d" in found
    assert "with `conversation waiting over 1d` in place of 2d" in found


def test_tests_that_take_trials_live_decide_them() -> None:
    """A rule on trial counts for coverage where a test makes it effective."""
    rules = "mode: trial\nrules: [{name: r, when: {subject: [x, y]}, then: {label: x}}]\ntests:\n"
    live = case("x", "labels: x").rstrip().removesuffix("}") + ", given: {trial: live}}\n"
    assert [line.partition(" ")[2] for line in undecided(rules + live)] == ["r: subject y"]
