"""How rules add up where something is not there, or not known: the eighth and ninth of the twelve sentences."""

import pytest
from mailed import decided, rule, rules
from rule_sets import decision_on, facts_of

from routerd.rules.facts import DnsLists, Facts

# 8. What is not there is false for every operator, and `not` of it is true.

NOTHING = b"X: y\r\n\r\n"
OF_TEXT = (
    "contains: a",
    "word: a",
    "stem: a",
    "equals: a",
    "starts_with: a",
    "ends_with: a",
    "regex: .",
    "exists: true",
)
OF_ADDRESSES = (
    "a@b.example",
    "b.example",
    ".example",
    "'*@*'",
    "{regex: .}",
    "{other_than: a@b.example}",
    "{exists: true}",
)
TEXTS = ("text", "subject", "body", "everything", "from_name")
ADDRESSES = ("from", "reply_to", "to", "cc", "customer", "sender", "recipient")
NOT_THERE = [
    *(f"{{{key}: {{{operator}}}}}" for key in TEXTS for operator in OF_TEXT),
    *(f"{{header: {{X-A: {{{operator}}}}}}}" for operator in OF_TEXT),
    *(f"{{{key}: {value}}}" for key in ADDRESSES for value in OF_ADDRESSES),
    "{attachment: {name: {exists: false}}}",
    "{attachment: {name: {other_than: a}}}",
    "{attachment: {type: {other_than: a/b}}}",
    "{attachment: {type: '*/*'}}",
    "{attachment: {size: {under: 9KB}}}",
    "{attachment: {exists: true}}",
    "{language: [en, pl]}",
    "{is: [reply, forward, auto, bounce, list, bulk, encrypted, signed, calendar, internal]}",
    "{auth: {dmarc: pass}}",
    "{auth: {spf: none}}",
    "{dnsbl: zen.example}",
    "{conversation: {known: true}}",
    "{conversation: {owner: finance}}",
    "{conversation: {label: x}}",
    "{conversation: {state: [open, closed]}}",
    "{conversation: {waiting: {under: 9d}}}",
    "{label: x}",
]
THERE_ALL_THE_SAME = [
    *(f"{{{key}: {{exists: false}}}}" for key in (*TEXTS, *ADDRESSES, "attachment")),
    "{header: {X-A: {exists: false}}}",
    "{attachments: {equals: 0}}",
    "{recipients: {equals: 0}}",
    "{size: {under: 1KB}}",
    "{conversation: {known: false}}",
    "{conversation: {messages: {equals: 0}}}",
]


def truth(when: str, facts: Facts) -> bool | None:
    """None: unknown."""
    decision = decision_on(when, facts)
    return None if decision.trace.unknown else decision.labels == ("hit",)


@pytest.mark.parametrize("when", NOT_THERE)
def test_8_what_is_not_there_is_false_and_not_of_it_is_true(when: str) -> None:
    nothing = facts_of(NOTHING, mail_from="", recipients=())
    assert (truth(when, nothing), truth(f"{{not: {when}}}", nothing)) == (False, True)


@pytest.mark.parametrize("when", THERE_ALL_THE_SAME)
def test_8_counts_and_sizes_are_always_there_and_exists_may_ask_for_nothing(when: str) -> None:
    nothing = facts_of(NOTHING, mail_from="", recipients=())
    assert (truth(when, nothing), truth(f"{{not: {when}}}", nothing)) == (True, False)


# 9. What cannot be answered now is unknown.


@pytest.mark.parametrize(
    "unknown", ["{is: internal}", "{at: {during: office}}", "{auth: {spf: pass}}", "{dnsbl: zen.example}"]
)
def test_9_unknown_is_kept_unless_the_rest_decides(unknown: str) -> None:
    """Under `not`, `any` and `all`."""
    facts = facts_of(
        internal=None, at=None, results={"spf": "temperror"}, dnsbl=DnsLists(unanswered=frozenset({"zen.example"}))
    )
    yes, no = "{always: true}", "{subject: nothing}"
    assert truth(unknown, facts) is truth(f"{{not: {unknown}}}", facts) is None
    assert truth(f"{{any: [{unknown}, {no}]}}", facts) is truth(f"{{all: [{yes}, {unknown}]}}", facts) is None
    assert truth(f"{{not: [{unknown}, {no}]}}", facts) is None
    assert truth(f"{{any: [{unknown}, {yes}]}}", facts) is True
    assert truth(f"{{all: [{unknown}, {no}]}}", facts) is truth(f"{{not: [{unknown}, {yes}]}}", facts) is False


def test_9_a_rule_that_cannot_be_told_does_not_match_and_the_trace_says_so() -> None:
    """Rules below it count as ever."""
    files = rules(rule("a", "{assign: omar, label: x, stop: true}", "{is: internal}"), rule("b", "{assign: ewa}"))
    decision = decided(files, internal=None)
    assert [str(match.rule) for match in decision.trace.matches] == ["1.yaml/b"]
    [unknown] = decision.trace.unknown
    assert (str(unknown.rule), unknown.reason) == ("1.yaml/a", "cannot be told now: is internal")
    assert decided(files, internal=False).trace.unknown == ()
