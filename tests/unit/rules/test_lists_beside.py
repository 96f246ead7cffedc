"""Terms and addresses from files beside the rule files, and the rule file that the manual shows."""

from collections.abc import Mapping
from typing import Any

import pytest
from rule_sets import ALL_GRANTED, facts_of, settings_with

from routerd.cli.test import place_by
from routerd.rules.compile import Compiled, compile_ruleset
from routerd.rules.facts import Facts
from routerd.rules.reading import list_files
from routerd.rules.trying.cases import run_case

WORDS = "# what people complain with\nskarga\nreklamacja  # the formal one\n\n  شكوى\n"
VIPS = "ewa@klient.pl\n@duzy.example\n.gov.pl\nżaba.example\n*@*.edu.pl\n"


def compiled(rules: str, lists: Mapping[str, str], settings: Any = ALL_GRANTED) -> Compiled:
    def read_beside(path: str) -> bytes:
        if path not in lists:
            raise FileNotFoundError(2, "there is no such file")
        return lists[path].encode()

    return compile_ruleset({"1.yaml": rules.encode()}, settings, read_beside=read_beside, folder_label="rules.d")


def labels(rules: str, lists: Mapping[str, str], facts: Facts) -> tuple[str, ...]:
    found = compiled(rules, lists)
    assert found.ruleset is not None, found.problems
    return found.ruleset.decide(facts).labels


def rule(when: str, label: str = "hit") -> str:
    return f"  - {{name: {label}, when: {when}, then: {{label: {label}}}}}\n"


@pytest.mark.parametrize(
    ("when", "message", "expected"),
    [
        ("{subject: {in: lists/words.txt}}", {"subject": "Skargi"}, False),
        ("{subject: {in: lists/words.txt}}", {"subject": "REKLAMACJA!"}, True),
        ("{subject: [pilne, {in: lists/words.txt}]}", {"subject": "Pilne"}, True),
        ("{subject: [pilne, {in: lists/words.txt}]}", {"subject": "Skarga"}, True),
        ("{subject: {in: [lists/words.txt, lists/more.txt]}}", {"subject": "wniosek"}, True),
        ("{subject: {stem: {in: lists/words.txt}}}", {"subject": "dwie reklamacje"}, True),
        ("{subject: {stem: [faktura, {in: lists/words.txt}]}}", {"subject": "الشكوى"}, True),
        ("{subject: {stem: faktura, also: {in: lists/words.txt}}}", {"subject": "skarga"}, True),
        ("{subject: {stem: faktura, also: {in: lists/words.txt}}}", {"subject": "skargi"}, False),
        ("{subject: {word: {in: lists/words.txt}, exact: true}}", {"subject": "Skarga"}, False),
        ("{subject: {regex: {in: lists/regexes.txt}}}", {"subject": "order #12"}, True),
        ("{subject: {equals: {in: lists/words.txt}}}", {"subject": "skarga na"}, False),
        ("{header: {X-Kind: {in: lists/words.txt}}}", {"headers": (("X-Kind", "Skarga"),)}, True),
        ("{from: {in: lists/vip.txt}}", {"sender": "EWA@klient.pl"}, True),
        ("{from: {in: lists/vip.txt}}", {"sender": "anna@klient.pl"}, False),
        ("{from: {in: lists/vip.txt}}", {"sender": "a@duzy.example"}, True),
        ("{from: {in: lists/vip.txt}}", {"sender": "a@um.krakow.gov.pl"}, True),
        ("{from: {in: lists/vip.txt}}", {"sender": "a@xn--aba-22a.example"}, True),
        ("{from: {in: lists/vip.txt}}", {"sender": "a@uj.edu.pl"}, True),
        ("{from: [anna@klient.pl, {in: lists/vip.txt}]}", {"sender": "anna@klient.pl"}, True),
        ("{from: {other_than: {in: lists/vip.txt}}}", {"sender": "ewa@klient.pl"}, False),
        ("{from: {other_than: [anna@klient.pl, {in: lists/vip.txt}]}}", {"sender": "jan@klient.pl"}, True),
        ("{to: {other_than: support@example.com}}", {"to": ("support@example.com",)}, False),
        ("{to: {other_than: support@example.com}}", {"to": ("support@example.com", "x@y.example")}, True),
        ("{cc: {other_than: support@example.com}}", {}, False),  # what is not there is false
        ("{not: {cc: {other_than: support@example.com}}}", {}, True),
        ("{inbox: {in: lists/inboxes.txt}}", {}, True),  # an alias is its inbox
        ("{inbox: {other_than: help@example.com}}", {}, False),
    ],
)
def test_a_list_stands_for_its_terms(when: str, message: dict[str, Any], expected: bool) -> None:
    """Wherever a term or an address may stand; any of them suffices."""
    lists = {
        "lists/words.txt": WORDS, "lists/more.txt": "\ufeffwniosek\r\n", "lists/vip.txt": VIPS,
        "lists/regexes.txt": "order #\\d+\n", "lists/inboxes.txt": "help@example.com\n",
    }  # fmt: skip
    assert (labels("lang: [pl]\nrules:\n" + rule(when), lists, facts_of(**message)) == ("hit",)) is expected


def test_labels_from_a_list() -> None:
    """The labels that a rule looks for may stand in a list, too."""
    rules = "rules:\n" + rule("{always: true}", "given") + rule("{label: {in: labels.txt}}")
    assert labels(rules, {"labels.txt": "other\ngiven\n"}, facts_of()) == ("given", "hit")


def test_a_list_belongs_to_the_revision() -> None:
    """Another list, another revision; it is kept with the rule files that name it."""
    rules = "rules:\n" + rule("{subject: {in: a.txt}}")
    one, other = compiled(rules, {"a.txt": "x\n"}), compiled(rules, {"a.txt": "y\n"})
    assert one.ruleset is not None
    assert other.ruleset is not None
    assert one.ruleset.revision != other.ruleset.revision
    assert one.files["a.txt"] == b"x\n"


def test_problems_in_a_list_bear_its_own_place() -> None:
    """Once for all rules that name it, in the order of the list."""
    lists = {"lists/vip.txt": "ewa@klient.pl\n  klient\n", "lists/words.txt": "# none\n!\n"}
    rules = "rules:\n" + rule("{from: {in: lists/vip.txt}}", "a") + rule("{from: {in: lists/vip.txt}}", "b")
    rules += rule("{body: {word: {in: lists/words.txt}}}", "c")
    assert [str(problem) for problem in compiled(rules, lists).problems] == [
        "rules.d/lists/vip.txt:2:3: lists/vip.txt: 'klient' is not an address, a domain or a glob: "
        "a domain without a dot; for all of that host write '@klient'",
        "rules.d/lists/words.txt:2:1: body: word: '!' has no letter or digit; use `contains`",
    ]


def test_what_a_list_may_hold_is_bounded() -> None:
    """Fifty thousand terms can be looked for in a text, and addresses in any number; globs are asked one by one."""
    lists = {"a.txt": "".join(f"word{number}\n" for number in range(50_001))}
    (problem,) = compiled("rules:\n" + rule("{body: {in: a.txt}}"), lists).problems
    assert str(problem) == "rules.d/1.yaml:2:30: a.txt has 50001 terms; at most 50000 can be looked for in a text"
    globs = {"a.txt": "".join(f"*@*.{number}.example\n" for number in range(1_001))}
    (problem,) = compiled("rules:\n" + rule("{from: {in: a.txt}}"), globs).problems
    assert str(problem) == "rules.d/a.txt:1001:1: a.txt: more than 1000 globs; for subdomains write .gov.pl"


def test_a_limit_on_inboxes_holds_in_a_list() -> None:
    """A list names no inbox that its rule file may not."""
    settings = settings_with(limits_of_rules=[{"files": "*", "inboxes": ["support@example.com"]}])
    (problem,) = compiled(
        "rules:\n" + rule("{inbox: {in: a.txt}}"), {"a.txt": "billing@example.com\n"}, settings
    ).problems
    assert str(problem).startswith("rules.d/a.txt:1:1: inbox billing@example.com is outside what")


def test_rules_share_a_list() -> None:
    """A hundred rules that name a long list look for its terms once, and find the first that stands in the text."""
    lists = {"a.txt": "".join(f"word{number}\n" for number in range(5_000)), "b.txt": "nowhere\n" * 40 + "two words\n"}
    rules = "rules:\n" + "".join(rule("{body: {word: {in: a.txt}}}", f"r{number}") for number in range(100))
    rules += rule("{body: {word: {in: b.txt}}}", "other")
    found = compiled(rules, lists)
    assert found.ruleset is not None
    decision = found.ruleset.decide(facts_of(text="Word4711, word12 and two\nwords"))
    assert len(decision.labels) == 101
    assert [str(match.evidence[0]) for match in decision.trace.matches][-2:] == [
        'body has "word12" (word word12)',
        'body has "two words" (word two words)',
    ]


def test_a_hundred_thousand_addresses() -> None:
    """They are looked up, not asked one by one; the trace names the list."""
    lists = {"vip.txt": "".join(f"customer{number}@klient{number % 100}.pl\n" for number in range(100_000))}
    found = compiled("rules:\n" + rule("{from: {in: vip.txt}}") + rule("{from: {in: vip.txt}}", "too"), lists)
    assert found.ruleset is not None
    decision = found.ruleset.decide(facts_of(sender="customer4711@klient11.pl"))
    assert decision.labels == ("hit", "too")
    assert str(decision.trace.matches[0].evidence[0]) == 'from has "customer4711@klient11.pl" (in vip.txt)'
    assert not found.ruleset.decide(facts_of(sender="customer4711@klient12.pl")).labels


EXAMPLE = """\
# rules.d/20-finance.yaml
inbox: [support@example.com, billing@example.com]    # optional: only mail to these inboxes
lang: [en, pl]                                       # optional: stemmers for Latin script, each tried; default [en]

rules:
  - name: invoices
    when:
      subject:
        stem: [invoice, faktura, فاتورة]
        also:
          - fakturze
          - فاتورتي
          - فواتير
    then: {assign: finance, label: invoice}

  - name: complaints-are-urgent
    when:
      text:
        stem: [complaint, skarga, reklamacja, شكوى]
        also: [skardze, شكاوى]
      not: {is: internal}
    then: {label: [complaint, urgent], priority: high}

tests:
  - name: a complaint about an invoice, inflected, in Polish
    message:
      from: Anna <anna@klient.pl>
      to: support@example.com
      subject: Skarga na fakturę 12/2026
      body: Proszę o kontakt.
    expect:
      team: finance
      labels_exactly: [complaint, invoice, urgent]
      rules: [invoices, complaints-are-urgent]
"""


def test_an_example_passes_its_own_test() -> None:
    """As written, with nothing granted."""
    found = compiled(EXAMPLE, {}, settings_with())
    assert found.ruleset is not None, found.problems
    (case,) = found.cases
    result = run_case(case, found.ruleset, place_by(settings_with()))
    assert result.passed, result.differences


def test_all_lists_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of rules cannot fill the memory with lists, nor by naming one list in many ways."""
    monkeypatch.setattr(list_files, "MAX_WEIGHT", 500)
    words = "".join(f"wort{number}\n" for number in range(40))
    lists = {f"lists/{number}.txt": words for number in range(4)}
    rules = "rules:\n" + "".join(rule(f"{{subject: {{in: {name}}}}}", f"r{at}") for at, name in enumerate(lists))
    found = [str(problem) for problem in compiled(rules, lists).problems]
    assert ["lists that rules read so have more than 100 entries" in one for one in found] == [True, True]
    monkeypatch.setattr(list_files, "MAX_ALL_BYTES", 3 * len(words))
    assert "more than 810 bytes" in str(compiled(rules, lists).problems[-1])


def test_lines_are_those_that_editors_count() -> None:
    """A form feed or a line separator inside an entry ends no line, so that places stay right."""
    rules = "rules:\n" + rule("{from: {in: lists/vip.txt}}")
    lists = {"lists/vip.txt": "a@b.example\x0b\u2028\r\nb@c.example\rno address here\n"}
    assert [str(one).partition(": ")[0] for one in compiled(rules, lists).problems] == [
        "rules.d/lists/vip.txt:3:1",
    ]
