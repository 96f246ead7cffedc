"""`tests:` of rule files: each says what must come of a message, and what differed is shown."""

from pathlib import Path

import pytest
from rule_sets import ALL_GRANTED, SETTINGS, settings_with

from routerd.cli.test import place_by, report_lines, summary_of
from routerd.config.rule_files import load_rule_files
from routerd.rules.compile import compile_ruleset
from routerd.rules.trying.cases import CaseResult, run_case

RULES = """
rules:
  - name: invoices
    when: {subject: faktur}
    then:
      assign: finance
      label: [invoice, fin/due]
      priority: high
      watch: [omar, ewa]
      respond_within: 4h
      header: {X-Class: B2B, X-More: "yes"}
      forward: archive@elsewhere.test
  - {name: internal, when: {is: internal}, then: {label: ours, assign: lottery}}
  - {name: odd, when: {subject: odd}, then: {hold: look at it, reject: no}}
  - {name: plus, when: {recipient: "*+vip@*"}, then: {label: vip}}
  - {name: big, when: {attachment: {name: zał, type: application/pdf, size: {over: 10KB}}}, then: {label: big}}
  - {name: listed, when: {all: [{dnsbl: zen.example}, {dnsbl: TWO.example}]}, then: {label: listed}}
"""


def run(
    test: str, message: str = "{from: a@b.example, to: support@example.com, subject: Faktura}", rules: str = RULES
) -> CaseResult:
    text = f"{rules}tests:\n  - {{name: it, message: {message}, {test}}}\n"
    compiled = compile_ruleset({"a.yaml": text.encode()}, ALL_GRANTED)
    assert compiled.ruleset is not None, compiled.problems
    (case,) = compiled.cases
    return run_case(
        case,
        compiled.ruleset,
        place_by(ALL_GRANTED),
        {"x.eml": b"To: help@example.com\nSubject: =?utf-8?q?faktur=C4=99?=\n\nx\n"}.__getitem__,
    )


@pytest.mark.parametrize(
    ("expect", "differs"),
    [
        ("owner: ewa", None),
        ("owner: jan", "owner: expected jan, got ewa"),
        ("team: finance", None),
        ("team: none", "team: expected none, got finance"),
        ("labels: invoice", None),
        ("labels: [invoice, vip]", "labels: expected [invoice, vip], got [invoice, fin/due]"),
        ("labels_exactly: [fin/due, invoice]", None),
        ("labels_exactly: invoice", "labels_exactly: expected [invoice], got [invoice, fin/due]"),
        ("labels_exclude: vip", None),
        ("labels_exclude: [vip, invoice]", "labels_exclude: expected [vip, invoice], got [invoice, fin/due]"),
        ("rules: [invoices]", None),
        ("rules: []", "rules: expected [], got [invoices]"),
        ("all_rules: [a.yaml/invoices]", None),
        ("priority: high", None),
        ("priority: none", "priority: expected none, got high"),
        ("watchers: [omar]", None),  # the owner has a copy of his own
        ("watchers: []", "watchers: expected [], got [omar]"),
        ("respond_within: 4h", None),
        ("respond_within: 240m", None),
        ("respond_within: none", "respond_within: expected none, got 4h"),
        ("headers: {x-class: B2B}", None),
        ("headers: {X-Class: B2C}", "headers: expected [X-Class: B2C], got [X-Class: B2B, X-More: yes]"),
        ("headers: []", "headers: expected [], got [X-Class: B2B, X-More: yes]"),
        ("forward: archive@elsewhere.test", None),
        ("forward: []", "forward: expected [], got [archive@elsewhere.test]"),
        ("held: false", None),
        ("rejected: true", "rejected: expected true, got false"),
        ("inbox: support@example.com", None),
        ("inbox: help@example.com", None),
        ("inbox: billing@example.com", "inbox: expected billing@example.com, got support@example.com"),
    ],
)
def test_expectation(expect: str, differs: str | None) -> None:
    """Each key of `expect` is met or says what it got."""
    result = run(f"expect: {{{expect}}}")
    assert [str(difference) for difference in result.differences] == ([differs] if differs else [])
    assert result.passed is (differs is None)


@pytest.mark.parametrize(
    ("message", "rest"),
    [
        (
            "{from: a@b.example, to: support@example.com, subject: odd}",
            "expect: {held: look at it, rejected: true, team: duty, owner: jan}",
        ),
        ("{from: a@b.example, to: 'support@example.com, x@y.example'}", "expect: {inbox: support@example.com}"),
        (
            "{from: a@b.example, to: [support@example.com, billing@example.com]}",
            "given: {recipient: billing@example.com}, expect: {team: finance}",
        ),
        ("{from: a@b.example, to: support+vip@example.com}", "expect: {labels: vip}"),
        ("{from: a@b.example, to: x@y.example}", "given: {recipient: help+vip@example.com}, expect: {labels: vip}"),
        (
            "{from: ewa@example.com, to: support@example.com}",
            "given: {internal: true}, expect: {labels: ours, team: lottery}",
        ),
        (
            "{from: a@b.example, to: support@example.com, subject: faktura}",
            "given: {away: [ewa]}, expect: {owner: jan}",
        ),
        (
            "{from: a@b.example, to: support@example.com,"
            " attachments: [{name: ZAŁĄCZNIK.pdf, type: application/pdf, size: 20KB}]}",
            "expect: {labels_exactly: big}",
        ),
        ("{eml: x.eml}", "expect: {rules: invoices}"),
        ("{from: a@b.example, to: support@example.com, headers: {Subject: faktura}}", "expect: {rules: invoices}"),
        (
            "{from: 'Żółć <a@b.example>', to: support@example.com, subject: faktura, html: <p>x</p>, body: y}",
            "expect: {rules: invoices}",
        ),
        (
            "{from: a@b.example, to: support@example.com}",
            "given: {dnsbl: [Zen.example, two.example]}, expect: {labels: listed}",
        ),
        ("{from: a@b.example, to: support@example.com}", "todo: true, expect: {labels: vip}"),
    ],
)
def test_met(message: str, rest: str) -> None:
    """What may stand in `message` and `given`, each with its effect."""
    result = run(rest, message)
    assert result.passed, report_lines(result)


def test_the_owner_of_a_draw_cannot_be_expected() -> None:
    """With `pick: random` the owner is an error; the team can be expected."""
    result = run("given: {internal: true}, expect: {owner: ewa}", "{from: a@b.example, to: support@example.com}")
    assert "picked at random; expect `team`" in result.error
    assert not result.passed
    assert report_lines(result)[2].startswith("    matched a.yaml/internal")


@pytest.mark.parametrize("to", ["[support@example.com, billing@example.com]", "x@y.example"])
def test_the_recipient_must_be_clear(to: str) -> None:
    """Several inboxes in `to`, or none, need given: {recipient: …}."""
    result = run("expect: {team: duty}", f"{{from: a@b.example, to: {to}}}")
    assert "given: {recipient: …}" in result.error
    assert not result.passed


def test_a_known_gap_that_is_closed() -> None:
    """`todo: true` on a test that passes fails the run and says what to remove."""
    result = run("todo: true, expect: {team: finance}")
    assert not result.passed
    assert "remove its `todo: true`" in report_lines(result)[0]


def test_what_differed_is_shown_with_trace_and_place() -> None:
    """A failed test names its place, the place of what differed, and the rules that matched, with their words."""
    lines = report_lines(run("expect: {team: sales}"))
    assert lines[0].startswith("a.yaml:19:5: ")
    assert "team: expected sales, got finance" in lines[1]
    assert 'matched a.yaml/invoices: subject has "Faktura" (contains faktur)' in lines[2]


def test_a_missing_eml_is_said() -> None:
    """A file that cannot be read fails that test, not the run."""

    def missing(name: str) -> bytes:
        raise FileNotFoundError(2, "No such file", name)

    text = "tests: [{name: it, message: {eml: y.eml}, expect: {team: duty}}]"
    compiled = compile_ruleset({"a.yaml": text.encode()}, SETTINGS)
    assert compiled.ruleset is not None
    result = run_case(compiled.cases[0], compiled.ruleset, place_by(SETTINGS), missing)
    assert result.error == "eml: No such file"


def test_the_samples_pass_their_own_tests() -> None:
    """rules.d compiles without a grant, and every test in it passes."""
    files = load_rule_files(Path(__file__).parents[3] / "rules.d")
    compiled = compile_ruleset(files.files, SETTINGS, read_beside=files.read_beside)
    assert compiled.ruleset is not None, compiled.problems
    results = [run_case(case, compiled.ruleset, place_by(SETTINGS)) for case in compiled.cases]
    assert len(results) >= 20
    assert [line for result in results for line in report_lines(result)] == []
    assert summary_of(results) == f"ok: {len(results)} tests"


CIRCUMSTANCES = """
rules:
  - {name: night, when: {at: {during: night}, subject: alarm}, then: {assign: jan}}
  - {name: proven, when: {auth: {dmarc: pass}}, then: {label: proven}}
  - {name: ours, when: {is: internal}, then: {label: ours}}
  - {name: again, when: {conversation: {owner: sales, state: closed, waiting: {over: 1d}}}, then: {label: again}}
  - {name: pushed, when: {conversation: {messages: {over: 5}}}, then: {assign: omar, reassign: true}}
  - {name: new, when: {conversation: {known: false}}, then: {label: new}}
  - {name: begins, when: {subject: moved}, then: {assign: finance}}
  - {name: moves, when: {subject: moved}, then: {assign: duty, reassign: true}}
  - {name: tried, when: {subject: tried}, then: {label: tried}, mode: trial}
"""
STRANGER = "{from: a@b.example, to: support@example.com}"
ALARM = "{from: a@b.example, to: support@example.com, subject: Alarm}"
MOVED = "{from: a@b.example, to: support@example.com, subject: moved}"
TRIED = "{from: a@b.example, to: support@example.com, subject: tried}"
EWA = "{from: Ewa@Example.com, to: support@example.com}"


@pytest.mark.parametrize(
    ("message", "rest"),
    [
        (ALARM, "given: {at: '2025-01-15T22:30:00+01:00'}, expect: {owner: jan, rules: [night, new]}"),
        (ALARM, "given: {at: '2025-01-15T12:00:00Z'}, expect: {labels_exactly: [new]}"),
        (STRANGER, "expect: {labels_exactly: [new]}"),
        (STRANGER, "given: {auth: {dmarc: pass}}, expect: {labels_exactly: [proven, new]}"),
        (STRANGER, "given: {auth: {dmarc: temperror}}, expect: {labels_exactly: [new]}"),
        (EWA, "given: {auth: {dmarc: pass}}, expect: {labels: [proven, ours]}"),
        (EWA, "given: {auth: {dmarc: fail}}, expect: {labels_exclude: ours}"),
        (EWA, "given: {auth: {dmarc: pass}, internal: false}, expect: {labels_exclude: ours}"),
        (STRANGER, "given: {internal: true}, expect: {labels: ours}"),
        (STRANGER, "given: {conversation: {owner: omar}}, expect: {owner: omar, labels_exactly: []}"),
        (
            STRANGER,
            "given: {conversation: {owner: ewa, team: sales, label: old, state: closed, messages: 2, waiting: 2d}},"
            " expect: {owner: ewa, labels_exactly: [again]}",
        ),
        (STRANGER, "given: {conversation: {owner: ewa}, away: ewa}, expect: {team: none}"),
        (STRANGER, "given: {conversation: {owner: ewa, team: sales}}, expect: {owner: ewa, team: sales}"),
        (STRANGER, "given: {conversation: {owner: ewa, messages: 6}}, expect: {owner: omar, watchers: ewa}"),
        (STRANGER, "given: {conversation: {owner: ewa, team: sales, messages: 6}}, expect: {owner: omar, team: none}"),
        (MOVED, "given: {conversation: {owner: omar, team: sales}}, expect: {owner: jan, team: duty}"),
        (MOVED, "given: {conversation: {owner: jan}}, expect: {owner: jan, team: duty, watchers: []}"),
        (MOVED, "expect: {owner: ewa, team: finance}"),
        (TRIED, "expect: {labels_exactly: [new], rules: [new]}"),
        (TRIED, "given: {trial: live}, expect: {labels_exactly: [new, tried], rules: [new, tried]}"),
    ],
)
def test_what_is_given(message: str, rest: str) -> None:
    """Each key of `given` has the effect that the real thing would have, and the conversation keeps its owner."""
    result = run(rest, message, CIRCUMSTANCES)
    assert result.passed, report_lines(result)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_ends_of_all_dates(at: str) -> None:
    """No moment that can be written makes a test fall over."""
    rest = f"given: {{at: '{at}', conversation: {{owner: ewa, waiting: 99y}}, away: jan}}, expect: {{owner: ewa}}"
    result = run(rest, ALARM, CIRCUMSTANCES)
    assert result.passed, report_lines(result)


def test_a_moment_that_matters_must_be_given() -> None:
    """Where what comes of it hangs on when it arrives, a test that does not say when is an error."""
    result = run("expect: {team: duty}", ALARM, CIRCUMSTANCES)
    assert result.error == "a.yaml/night asks when the message arrives; say it with given: {at: 2025-01-15T10:00:00Z}"
    assert not result.passed


@pytest.mark.parametrize(
    ("rest", "needs"),
    [
        ("expect: {labels: fast}", False),
        ("expect: {labels_exclude: night}", True),
        ("expect: {labels_exactly: [fast]}", True),
        ("expect: {team: finance}", True),  # only where the first of the two does not assign
        ("expect: {labels: other}", False),  # it fails, whatever the time
    ],
)
def test_a_moment_is_asked_for_only_where_what_is_expected_hangs_on_it(rest: str, needs: bool) -> None:
    """Every way in which the rules that ask for it may come out is tried, together too."""
    rules = """
rules:
  - {name: fast, when: {subject: alarm}, then: {label: fast}}
  - {name: night, when: {at: {during: night}}, then: {label: night, assign: duty}}
  - {name: day, when: {at: {outside: night}}, then: {assign: finance}}
"""
    assert ("asks when" in run(rest, ALARM, rules).error) is needs


def test_a_rule_on_trial_needs_no_moment() -> None:
    """It has no effect on what comes of the test, unless it is taken live."""
    rules = "rules: [{name: a, when: {at: {during: office}}, then: {label: x}, mode: trial}]\n"
    assert run("expect: {labels_exactly: []}", STRANGER, rules).passed
    assert "asks when" in run("given: {trial: live}, expect: {labels_exactly: []}", STRANGER, rules).error


@pytest.mark.parametrize(
    ("given", "owner"),
    [("", "omar"), ("given: {load: {omar: 3}}, ", "ewa"), ("given: {load: {omar: 3, ewa: 4}}, ", "omar")],
)
def test_loads_are_nothing_unless_they_are_given(given: str, owner: str) -> None:
    """And a rotation stands at its first member; who is away in the config is there in a test."""
    members = {
        "ewa": {"mailbox": "ewa@example.com"},
        "jan": {"mailbox": "jan@example.com"},
        "omar": {"mailbox": "omar@example.com", "away": "2025-01-01..2025-01-31"},
    }
    teams = {
        "sales": {"members": ["omar", "ewa"], "pick": "least_loaded"},
        "finance": {"members": ["omar", "jan"], "pick": "round_robin"},
        "duty": {"members": ["jan"]},
    }
    settings = settings_with(members=members, teams=teams)
    text = (
        "rules: [{name: a, when: {subject: price}, then: {assign: sales}}]\n"
        "tests:\n"
        f"  - {{name: loads, message: {{from: a@b.example, to: support@example.com, subject: price}}, {given}"
        f"expect: {{owner: {owner}}}}}\n"
        "  - {name: turns, message: {from: a@b.example, to: billing@example.com}, expect: {owner: omar}}\n"
    )
    compiled = compile_ruleset({"a.yaml": text.encode()}, settings)
    assert compiled.ruleset is not None, compiled.problems
    results = [run_case(case, compiled.ruleset, place_by(settings)) for case in compiled.cases]
    assert [line for result in results for line in report_lines(result)] == []
