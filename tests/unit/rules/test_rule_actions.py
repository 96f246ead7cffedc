"""What rules do: the forms of `assign`, headers, forwards, deadlines, and what of it is refused."""

from datetime import timedelta

import pytest
from rule_sets import ALL_GRANTED, REPLIES, facts_of, problems_of, ruleset_of, settings_with

from routerd.config.settings import Settings
from routerd.rules.compile import Compiled, compile_ruleset
from routerd.rules.decision import Decision, Evidence, Reply

ACCOUNTS = """\
# who has whom
anna@klient.pl, ewa
klient.pl,\tfinance
@Łódź.example,jan      # a domain in its own script
"""


def rule(then: str, name: str = "a", more: str = "") -> str:
    return f"rules:\n  - {{name: {name}, when: {{always: true}}, then: {then}{more}}}\n"


def compiled_with(table: str, *files: str, settings: Settings = ALL_GRANTED) -> Compiled:
    def read_beside(path: str) -> bytes:
        if path != "lists/accounts.csv":
            raise FileNotFoundError(2, "there is no such file", path)
        return table.encode()

    named = {f"{number}.yaml": text.encode() for number, text in enumerate(files, 1)}
    return compile_ruleset(named, settings, read_beside=read_beside, folder_label="rules.d")


def by_table(sender: str, by: str = "customer") -> str | None:
    compiled = compiled_with(ACCOUNTS, rule(f"{{assign: {{by: {by}, in: lists/accounts.csv}}}}"))
    assert compiled.ruleset is not None, compiled.problems
    decision = compiled.ruleset.decide(facts_of(sender=sender))
    return decision.assign.target if decision.assign else None


def decided(*files: str, **message: object) -> Decision:
    return ruleset_of(*files).decide(facts_of(**message))


def test_a_table_says_whom_a_customer_belongs_to() -> None:
    """The address before its domain; a domain in its own script is its A-labels."""
    assert by_table("Anna <Anna@Klient.PL>") == "ewa"
    assert by_table("bob@klient.pl") == "finance"
    assert by_table("bob@xn--d-uga0v4h.example") == "jan"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"sender": "bob@klient.pl"}, 'customer has "bob@klient.pl" (klient.pl → finance in lists/accounts.csv)'),
        ({"sender": "anna@klient.pl"}, 'customer has "anna@klient.pl" (anna@klient.pl → ewa in lists/accounts.csv)'),
        ({"sender": "bob@else.example"}, 'customer has "bob@else.example" (no row in lists/accounts.csv)'),
        ({"sender": ""}, "customer is absent, so it has no row in lists/accounts.csv"),
    ],
)
@pytest.mark.parametrize("mode", ["", ", mode: trial"])
def test_what_a_table_said_is_among_the_reasons(message: dict[str, str], said: str, mode: str) -> None:
    """Which row decided, or that there is none; also of a rule on trial, and where a rule above gave the owner."""
    look_up = rule("{assign: {by: customer, in: lists/accounts.csv}}", more=mode)
    compiled = compiled_with(ACCOUNTS, rule("{assign: omar}"), look_up)
    assert compiled.ruleset is not None, compiled.problems
    trace = compiled.ruleset.decide(facts_of(**message)).trace
    last = (*trace.matches, *trace.trials)[-1]
    assert last.evidence[0] == Evidence("always", "", "true")
    assert [str(evidence) for evidence in last.evidence[1:]] == [said]


def test_without_a_row_the_rule_does_not_assign() -> None:
    """Neither for a subdomain nor for a stranger; and a rule below may."""
    assert by_table("bob@mail.klient.pl") is None
    below = rule("{assign: omar}")
    compiled = compiled_with(ACCOUNTS, rule("{assign: {by: customer, in: lists/accounts.csv}}"), below)
    assert compiled.ruleset is not None
    decision = compiled.ruleset.decide(facts_of(sender="bob@else.example"))
    assert decision.assign is not None
    assert (decision.assign.target, str(decision.assign.rule)) == ("omar", "2.yaml/a")


def test_a_table_belongs_to_the_revision() -> None:
    """Another row is another ruleset."""
    text = rule("{assign: {by: customer, in: lists/accounts.csv}}")
    assert compiled_with(ACCOUNTS, text).revision != compiled_with("klient.pl,jan\n", text).revision


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("address,owner\n", "rules.d/lists/accounts.csv:1:1: 'address,owner' is a header row; leave it out: a row is"),
        ("klient.pl,owner\n", "rules.d/lists/accounts.csv:1:1: no member or team 'owner'"),
        ("klient.pl\n", "rules.d/lists/accounts.csv:1:1: 'klient.pl' is no row of a look-up table"),
        ("# a\n  klient.pl,\n", "rules.d/lists/accounts.csv:2:3: 'klient.pl,' is no row"),
        ("klient.pl,ewa,jan\n", "1:1: 'klient.pl,ewa,jan' is no row"),
        ("klient.pl,ewaa\n", "1:1: no member or team 'ewaa'; did you mean 'ewa'?"),
        ("a,ewa\nklient.pl,ewa\nKlient.PL,jan\n", "3:1: a second row for 'klient.pl'; the first is at line 2"),
        ("*.klient.pl,ewa\n", "1:1: '*.klient.pl' is neither an address nor a domain"),
        ("anna@,ewa\n", "1:1: 'anna@' is neither an address nor a domain"),
        ("klient.pl\u200f,ewa\n", "contains the invisible character <U+200F>; remove it"),
    ],
)
def test_a_wrong_row_is_said_with_its_own_place(table: str, wrong: str) -> None:
    """Once, however many rules name the table."""
    text = rule("{assign: {by: customer, in: lists/accounts.csv}}")
    problems = [str(problem) for problem in compiled_with(table, text, text).problems]
    assert len([problem for problem in problems if wrong in problem]) == 1, problems


def test_the_limits_of_a_file_hold_for_the_rows_too() -> None:
    """Who may not be named is not named by a table either; another file may name him."""
    limits = [
        {"files": "1.yaml", "assign": ["finance"], "actions": ["all"]},
        {"files": "*", "actions": ["all"]},
    ]
    text = rule("{assign: {by: customer, in: lists/accounts.csv}}")
    problems = compiled_with(ACCOUNTS, text, text, settings=settings_with(limits_of_rules=limits)).problems
    assert [str(problem) for problem in problems] == [
        "rules.d/lists/accounts.csv:2:1: ewa may not be named here; limits_of_rules for 1.yaml allows finance",
        "rules.d/lists/accounts.csv:4:1: jan may not be named here; limits_of_rules for 1.yaml allows finance",
    ]


def test_a_rule_may_override_the_way_to_pick() -> None:
    decision = decided(rule("{assign: {team: finance, pick: last}}"))
    assert decision.assign is not None
    assert (decision.assign.target, decision.assign.pick) == ("finance", "last")
    plain = decided(rule("{assign: {team: finance}}"))
    assert plain.assign is not None
    assert plain.assign.pick is None


def test_the_first_that_reassigns_counts_beside_the_first_that_assigns() -> None:
    """The one for new conversations, the other for known ones; a rule that reassigns is also one that assigns."""
    decision = decided(rule("{assign: finance}"), rule("{assign: omar, reassign: true}"), rule("{assign: jan}"))
    assert decision.assign is not None
    assert decision.reassign is not None
    assert (decision.assign.target, decision.reassign.target) == ("finance", "omar")
    alone = decided(rule("{assign: omar, reassign: true}"))
    assert alone.assign == alone.reassign


def test_reassign_without_assign_is_an_error() -> None:
    assert problems_of(rule("{reassign: true}"), ALL_GRANTED) == ["2:43: reassign without assign; say to whom"]
    assert problems_of(rule("{assign: ewa, reassign: false}"), ALL_GRANTED) == ["2:67: reassign takes true"]


def test_of_several_deadlines_the_shortest_counts_and_of_headers_the_first_of_a_name() -> None:
    decision = decided(
        rule("{respond_within: 2d, header: {X-Class: one, X-Other: a}}"),
        rule("{respond_within: 4h, header: {x-class: two}, forward: [b@out.example, a@out.example]}"),
        rule("{respond_within: 3d, forward: a@out.example}"),
    )
    assert decision.respond_within == timedelta(hours=4)
    assert decision.headers == (("X-Class", "one"), ("X-Other", "a"))
    assert decision.forward == ("b@out.example", "a@out.example")


@pytest.mark.parametrize(
    ("header", "wrong"),
    [
        ("{X-Ok: 'fine, ż'}", None),
        ("{Subject: x}", "a name begins with X-, and is letters, digits and hyphens"),
        ("{X-: x}", "a name begins with X-"),
        ("{'X-a:b': x}", "a name begins with X-"),
        ("{X-ż: x}", "a name begins with X-"),
        ("{X-Labels: x}", "X-Labels is routerd's own"),
        ("{x-routerd-why: x}", "x-routerd-why is routerd's own"),
        ("{X-Assigned-To: x}", "X-Assigned-To is routerd's own"),
        ("{X-Priority: 1}", "`priority` sets it"),
        ('{X-Ok: "a\\r\\nX-Evil: b"}', "X-Ok contains the invisible character <U+000D>"),
        ('{X-Ok: "a\\tb"}', "X-Ok contains the invisible character <U+0009>"),
        ("{X-Ok: ''}", "X-Ok is empty"),
        ("{X-Ok: [a]}", "X-Ok must be text"),
        ("{X-Ok: a, x-ok: b}", "x-ok is given twice"),
        ("X-Ok", "header takes names and values"),
        ("{X-Ok: " + "x" * 401 + "}", "at most 400"),
    ],
)
def test_what_a_header_may_be(header: str, wrong: str | None) -> None:
    problems = problems_of(rule(f"{{header: {header}}}"), ALL_GRANTED)
    assert (len(problems) == 1 and wrong in problems[0]) if wrong else not problems


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("archive@out.example", None),
        ("Ewa@Example.com", "Ewa@example.com is an address of ewa; write `watch: ewa`"),
        ("help@example.com", "help@example.com is an address of routerd itself"),
        ("support+x@example.com", "an address of routerd itself"),
        ("postmaster@example.com", "an address of routerd itself"),
        ("not an address", "'not an address' is not a mail address"),
        ("a@unrouted.test", "no route of `delivery` in routerd.yaml fits a@unrouted.test; add one for unrouted.test"),
    ],
)
def test_what_a_forward_may_be(address: str, wrong: str | None) -> None:
    """Somebody outside whom mail can reach."""
    routes = [{"domain": "out.example", "smtp": "mx.example:25"}, {"domain": "example.com", "smtp": "mx.example:25"}]
    settings = settings_with(delivery=routes, limits_of_rules=[{"files": "*", "actions": ["all"]}])
    problems = problems_of(rule(f"{{forward: '{address}'}}"), settings)
    assert (len(problems) == 1 and wrong in problems[0]) if wrong else not problems


def test_a_condition_on_a_header_that_a_rule_gives_is_an_error() -> None:
    """It is cut from what comes in, so the condition would never see it; what a rule on trial gives is not cut."""
    gives, reads = (
        rule("{header: {X-Class: B2B}}"),
        ("rules:\n  - {name: b, when: {not: {header: {x-class: B2B}}}, then: {label: x}}\n"),
    )
    files = {"1.yaml": reads.encode(), "2.yaml": gives.encode()}
    [problem] = compile_ruleset(files, ALL_GRANTED).problems
    assert str(problem) == (
        "1.yaml:2:37: x-class is cut from what comes in, because 2.yaml/a gives it; so no rule can see it"
    )
    assert ruleset_of(gives).given_headers == ("x-class",)
    on_trial = ruleset_of(reads, rule("{header: {X-Class: B2B}}", more=", mode: trial"))
    assert on_trial.given_headers == ()


@pytest.mark.parametrize(
    ("then", "action"),
    [
        ("{header: {X-Class: a}}", "header"),
        ("{hold: x}", "hold"),
        ("{assign: ewa, reassign: true}", "reassign"),
        ("{reject: x}", "reject"),
        ("{approve: jan}", "approve"),
        ("{reply: {template: received}}", "reply"),
        ("{forward: a@out.example}", "forward"),
        ("{stop: all}", "stop-all"),
    ],
)
def test_what_needs_a_grant(then: str, action: str) -> None:
    """Without limits_of_rules nobody has it; with it, who is granted it."""
    [problem] = problems_of(rule(then))
    assert f"`actions: [{action}]`" in problem
    assert (
        problems_of(rule(then), settings_with(limits_of_rules=[{"files": "*", "actions": [action]}], templates=REPLIES))
        == []
    )


def test_who_must_approve_adds_up() -> None:
    """A file may name who it may not assign to: the grant suffices. A name that nobody bears is an error."""
    granted = settings_with(limits_of_rules=[{"files": "*", "assign": ["jan"], "actions": ["approve"]}])
    texts = rule("{approve: [finance, jan]}"), rule("{approve: [jan, ewa]}")
    assert [problems_of(text, granted) for text in texts] == [[], []]
    assert decided(*texts).approve == ("finance", "jan", "ewa")
    assert problems_of(rule("{approve: nobody}"), granted) == [
        "2:53: no member or team 'nobody'; there is ewa, jan, omar, finance, sales, duty, lottery"
    ]


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("{template: received}", None),
        ("{template: closed, once_per: 7d}", None),
        ("received", "2:51: reply must be a mapping of keys, not 'received'"),
        ("{once_per: 1d}", "2:51: reply without a template: {template: received, once_per: 24h}"),
        ("{template: recieved}", "2:62: no template 'recieved'; did you mean 'received'?"),
        ("{template: received, once_per: 5m}", "2:82: once_per is 1h to 90d"),
        ("{template: received, once_per: soon}", "2:82: 'soon' is not a duration; write a number and a unit"),
        ("{template: received, often: 1d}", "2:72: unknown key 'often' in reply"),
    ],
)
def test_what_a_reply_takes(reply: str, problem: str | None) -> None:
    found = problems_of(rule(f"{{reply: {reply}}}"), ALL_GRANTED)
    assert [one for one in found if not problem or not one.startswith(problem)] == []
    assert bool(found) is bool(problem)


def test_without_a_folder_of_templates_there_is_none() -> None:
    settings = settings_with(limits_of_rules=[{"files": "*", "actions": ["all"]}])
    (problem,) = problems_of(rule("{reply: {template: received}}"), settings)
    assert problem.endswith("no template 'received'; `templates` in routerd.yaml names the folder that they are in")


def test_the_first_reply_counts() -> None:
    decision = decided(rule("{reply: {template: closed, once_per: 2h}}"), rule("{reply: {template: received}}"))
    assert decision.reply == Reply("closed", timedelta(hours=2))


def test_what_every_file_may_do() -> None:
    text = rule("{assign: ewa, label: x, priority: low, watch: jan, respond_within: 4h, stop: true}")
    assert problems_of(text) == []
    assert problems_of(text, settings_with(limits_of_rules=[{"files": "*"}])) == []


def test_a_rule_on_trial_says_what_it_would_do_and_does_nothing() -> None:
    then = "{assign: {team: finance, pick: last}, reassign: true, respond_within: 4h, header: {X-Class: a}, hold: no}"
    decision = decided(rule(then, more=", mode: trial"))
    assert (decision.assign, decision.reassign, decision.headers, decision.hold) == (None, None, (), None)
    [trial] = decision.trace.trials
    assert trial.would == "reassign finance (pick: last), respond_within 4h, header X-Class: a, hold (no)"
