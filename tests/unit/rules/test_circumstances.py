"""Conditions on what surrounds a message: when, in which language, in which conversation, verified how, how much."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import made_circumstances
import pytest
from hypothesis import given, settings
from reference_circumstances import circumstance
from rule_sets import ALL_GRANTED, decision_on, facts_of, holds, problems_of, ruleset_of, settings_with

from routerd.config.settings import DnsList
from routerd.rules.compile import compile_ruleset
from routerd.rules.explaining.explain import explain_decision
from routerd.rules.facts import ConversationFacts, DnsLists

MONDAY_HOLIDAY = datetime(2025, 1, 6, 9, tzinfo=UTC)
WEDNESDAY = datetime(2025, 1, 15, 9, tzinfo=UTC)  # 10:00 in Warsaw
CLOSING = datetime(2025, 1, 15, 16, tzinfo=UTC)
SUNDAY_LATE = datetime(2025, 1, 19, 22, 30, tzinfo=UTC)
KNOWN = ConversationFacts(
    owner="ewa",
    team="sales",
    labels=frozenset({"urgent"}),
    state="open",
    messages=3,
    waiting=timedelta(hours=49),
)
ANSWERED = ConversationFacts("omar", None, frozenset(), "closed", 1, None)
PDF = ("Faktura.pdf", "application/pdf", b"x" * 2000)
ZIP = ("a.zip", "application/zip", b"x")
UNNAMED = ("", "image/png", b"x")


@pytest.mark.parametrize(
    ("at", "when", "expected"),
    [
        (WEDNESDAY, "{during: office}", True),
        (WEDNESDAY, "{outside: office}", False),
        (MONDAY_HOLIDAY, "{during: office}", False),
        (MONDAY_HOLIDAY, "{outside: office}", True),
        (CLOSING, "{during: office}", False),
        (CLOSING - timedelta(microseconds=1), "{during: office}", True),
        (SUNDAY_LATE, "{during: night}", True),
        (SUNDAY_LATE, "{during: [office, night]}", True),
        (WEDNESDAY, "{outside: [office, night]}", True),
        (WEDNESDAY, "{days: [mon-fri], hours: '08:00-17:00', zone: Europe/Warsaw}", True),
        (WEDNESDAY, "{days: wed, zone: Europe/Warsaw}", True),
        (WEDNESDAY, "{days: [thu-tue], zone: Europe/Warsaw}", False),
        (SUNDAY_LATE, "{hours: ['08:00-12:00', '22:00-06:00'], zone: UTC}", True),
        (SUNDAY_LATE, "{days: sun, hours: '22:00-06:00', zone: Europe/Warsaw}", True),
        (SUNDAY_LATE + timedelta(hours=5), "{days: sun, hours: '22:00-06:00', zone: Europe/Warsaw}", True),
        (SUNDAY_LATE + timedelta(hours=5), "{days: mon, hours: '22:00-06:00', zone: Europe/Warsaw}", False),
    ],
)
def test_at(at: datetime, when: str, expected: bool) -> None:
    """By calendars, or by days and hours of a zone; a list means any of these."""
    assert holds(f"{{at: {when}}}", facts_of(at=at)) is expected


def test_at_that_is_not_said_is_unknown() -> None:
    """Neither during nor outside can be told of a message of which nobody says when it came."""
    for when in ("{at: {during: office}}", "{at: {outside: office}}", "{not: {at: {during: office}}}"):
        assert decision_on(when, facts_of(at=None)).trace.unknown


@pytest.mark.parametrize(
    ("results", "when", "expected"),
    [
        ({"dmarc": "pass"}, "{dmarc: pass}", True),
        ({"dmarc": "fail"}, "{dmarc: pass}", False),
        ({"spf": "none"}, "{spf: [pass, none]}", True),
        ({"spf": "pass"}, "{spf: pass, dkim: pass}", False),
        ({"spf": "pass", "dkim": "pass"}, "{spf: pass, dkim: pass}", True),
        ({}, "{dmarc: [pass, fail, none]}", False),
    ],
)
def test_auth(results: dict[str, str], when: str, expected: bool) -> None:
    """Every method that is named must have one of its results; a method without a result is not there."""
    facts = facts_of(results=results)
    assert holds(f"{{auth: {when}}}", facts) is expected
    assert holds(f"{{not: {{auth: {when}}}}}", facts) is not expected


def test_a_temporary_error_cannot_be_told() -> None:
    """`temperror` is unknown, also under `not`; where another method says no, that decides."""
    facts = facts_of(results={"dmarc": "temperror", "spf": "fail"})
    assert decision_on("{auth: {dmarc: pass}}", facts).trace.unknown
    assert decision_on("{not: {auth: {dmarc: pass}}}", facts).trace.unknown
    assert not decision_on("{auth: {dmarc: pass, spf: pass}}", facts).trace.unknown


def test_dnsbl() -> None:
    """Lists of the settings that the client is on; unknown where they cannot be asked."""
    listing = settings_with().model_copy(update={"dnsbl": (DnsList(zone="zen.example"), DnsList(zone="two.example"))})
    rules = ruleset_of("rules: [{name: a, when: {dnsbl: [zen.example]}, then: {label: hit}}]", settings=listing)
    assert rules.decide(facts_of(dnsbl=DnsLists(frozenset({"zen.example"})))).labels == ("hit",)
    assert not rules.decide(facts_of(dnsbl=DnsLists(frozenset({"two.example"})))).labels
    assert not rules.decide(facts_of()).labels
    silent = frozenset({"zen.example"})
    assert rules.decide(facts_of(dnsbl=DnsLists(unanswered=silent))).trace.unknown
    (wrong,) = problems_of("rules: [{name: a, when: {dnsbl: zen.exampel}, then: {label: hit}}]", listing)
    assert wrong.endswith("no list 'zen.exampel' under dnsbl in routerd.yaml; did you mean 'zen.example'?")


@pytest.mark.parametrize(
    ("conversation", "when", "expected"),
    [
        (KNOWN, "{known: true}", True),
        (None, "{known: true}", False),
        (None, "{known: false}", True),
        (KNOWN, "{known: false}", False),
        (KNOWN, "{owner: ewa}", True),
        (KNOWN, "{owner: [jan, ewa]}", True),
        (KNOWN, "{owner: sales}", True),
        (KNOWN, "{owner: finance}", True),  # ewa is in it
        (KNOWN, "{owner: duty}", False),
        (ANSWERED, "{owner: finance}", False),
        (KNOWN, "{label: [urgent, other]}", True),
        (KNOWN, "{label: other}", False),
        (KNOWN, "{state: [open, closed]}", True),
        (ANSWERED, "{state: open}", False),
        (KNOWN, "{messages: {over: 2}}", True),
        (KNOWN, "{messages: {over: 3}}", False),
        (None, "{messages: {equals: 0}}", True),
        (None, "{messages: {over: 0}}", False),
        (KNOWN, "{waiting: {over: 2d}}", True),
        (KNOWN, "{waiting: {over: 3d}}", False),
        (ANSWERED, "{waiting: {under: 3d}}", False),
        (None, "{waiting: {under: 3d}}", False),
        (None, "{messages: {under: 3}, state: open}", False),
        (KNOWN, "{owner: ewa, state: closed}", False),
        (
            KNOWN,
            "{known: true, owner: ewa, label: urgent, state: open, messages: {over: 1}, waiting: {over: 1d}}",
            True,
        ),
    ],
)
def test_conversation(conversation: ConversationFacts | None, when: str, expected: bool) -> None:
    """All that is asked must hold; what is not known has no owner, label, state or wait, and no messages."""
    facts = facts_of(conversation=conversation)
    assert holds(f"{{conversation: {when}}}", facts) is expected
    assert holds(f"{{not: {{conversation: {when}}}}}", facts) is not expected


def test_labels_of_the_conversation_are_not_labels_of_the_message() -> None:
    """`label` sees what rules gave this message; what its conversation has is under `conversation`."""
    assert not holds("{label: urgent}", facts_of(conversation=KNOWN))


@pytest.mark.parametrize(
    ("text", "when", "expected"),
    [
        ("Proszę o kontakt w sprawie faktury.", "pl", True),
        ("Proszę o kontakt w sprawie faktury.", "[en, de]", False),
        ("Please send me the invoice.\n\n> Proszę o kontakt w sprawie faktury.\n", "[en]", True),
        ("لدي شكوى بخصوص الخدمة السيئة", "ar", True),
        ("ok", "en", False),
        ("12345", "[en, pl]", False),
    ],
)
def test_language(text: str, when: str, expected: bool) -> None:
    """Of the new text, quotes cut; where it cannot be told there is none."""
    assert holds(f"{{language: {when}}}", facts_of(text=text)) is expected
    assert holds(f"{{not: {{language: {when}}}}}", facts_of(text=text)) is not expected


@pytest.mark.parametrize(
    ("message", "when", "expected"),
    [
        ({}, "{attachments: {equals: 0}}", True),
        ({}, "{attachments: {over: 0}}", False),
        ({"attachments": [PDF, ZIP]}, "{attachments: {over: 1}}", True),
        ({"attachments": [PDF, ZIP]}, "{attachments: {under: 2}}", False),
        ({}, "{recipients: {equals: 1}}", True),
        ({"to": ("a@b.example, support@example.com",), "headers": (("Cc", "A@B.example, c@d.example"),)},
         "{recipients: {equals: 3}}", True),
        ({"to": ("undisclosed-recipients:;",)}, "{recipients: {under: 1}}", True),
        ({}, "{size: {over: 10}}", True),
        ({"attachments": [("a", "text/csv", b"x" * 1000)]}, "{attachment: {size: {equals: 1KB}}}", True),
        ({"attachments": [("a", "text/csv", b"x" * 1000)]}, "{attachment: {size: {over: 1KB}}}", False),
        ({"attachments": [("a", "text/csv", b"x" * 1001)]}, "{attachment: {size: {over: 1KB}}}", True),
        ({"attachments": [("a", "text/csv", b"x" * 1_000_000)]}, "{attachment: {size: {equals: 1MB}}}", True),
        ({}, "{size: {over: 5MB}}", False),
        ({"attachments": [PDF]}, "{attachment: {type: {other_than: application/pdf}}}", False),
        ({"attachments": [PDF, ZIP]}, "{attachment: {type: {other_than: [application/pdf]}}}", True),
        ({"attachments": [PDF, ZIP]}, "{attachment: {type: {other_than: [application/*, image/*]}}}", False),
        ({"attachments": [PDF]}, "{attachment: {name: {other_than: FAKTURA.pdf}}}", False),
        ({"attachments": [PDF, ZIP]}, "{attachment: {name: {other_than: faktura.pdf}}}", True),
        ({"attachments": [UNNAMED]}, "{attachment: {name: {other_than: faktura.pdf}}}", False),
        ({}, "{attachment: {type: {other_than: application/pdf}}}", False),
        ({"attachments": [PDF, ZIP]}, "{attachment: {name: {other_than: a.zip}, type: application/zip}}", False),
        ({"attachments": [PDF, ZIP]}, "{attachment: {type: {other_than: application/zip}, size: {over: 1KB}}}", True),
    ],
)  # fmt: skip
def test_numbers_and_other_attachments(message: dict[str, Any], when: str, expected: bool) -> None:
    """Counts are there also where they are 0; one attachment that is none of these must meet all that is asked."""
    assert holds(when, facts_of(**message)) is expected
    assert holds(f"{{not: {when}}}", facts_of(**message)) is not expected


@given(made_circumstances.conditions, made_circumstances.circumstances)
@settings(max_examples=150, deadline=None)
def test_same_as_asked_plainly(when: dict[str, Any], circumstances: dict[str, Any]) -> None:
    """Every condition, and `not` of it, is true, false or unknown as the plainest reading of it says."""
    facts = facts_of(**circumstances)
    ((key, value),) = when.items()
    plainly = circumstance(key, value, facts)
    found = decision_on(json.dumps(when), facts)
    negated = decision_on(json.dumps({"not": when}), facts)
    assert (bool(found.trace.unknown), bool(negated.trace.unknown)) == (plainly is None, plainly is None)
    assert bool(found.labels) is (plainly is True)
    assert bool(negated.labels) is (plainly is False)


@pytest.mark.parametrize(
    ("when", "facts", "evidence"),
    [
        ("{at: {during: office}}", {"at": WEDNESDAY}, 'at has "wed 2025-01-15 10:00 Europe/Warsaw" (during office)'),
        (
            "{at: {days: [mon-fri], hours: '08:00-17:00', zone: UTC}}",
            {"at": WEDNESDAY},
            'at has "wed 2025-01-15 09:00 UTC" (mon-fri 08:00-17:00 UTC)',
        ),
        ("{auth: {spf: [pass, none]}}", {"results": {"spf": "none"}}, 'auth spf has "none" (pass, none)'),
        (
            "{conversation: {owner: sales, waiting: {over: 2d}}}",
            {"conversation": KNOWN},
            'conversation has "owner ewa of sales, open, 3 messages, labels urgent, waiting 49h"'
            " (owner sales; waiting over 2d)",
        ),
        ("{language: [pl]}", {"text": "Proszę o fakturę"}, 'language has "pl" (pl)'),
        ("{attachments: {over: 0}}", {"attachments": [PDF]}, 'attachments has "1" (over 0)'),
        (
            "{attachment: {type: {other_than: application/zip}}}",
            {"attachments": [ZIP, PDF]},
            'attachment has "Faktura.pdf (application/pdf, 2000 bytes)" (type other than application/zip)',
        ),
    ],
)
def test_evidence_of_circumstances(when: str, facts: dict[str, Any], evidence: str) -> None:
    """The trace says what was so, and what was asked."""
    (match,) = decision_on(when, facts_of(**facts)).trace.matches
    assert [str(one) for one in match.evidence] == [evidence]


@pytest.mark.parametrize(
    ("when", "facts", "failing"),
    [
        (
            "{at: {during: office}}",
            {"at": CLOSING},
            "`at during office` does not hold: it was accepted at wed 2025-01-15 17:00 Europe/Warsaw",
        ),
        ("{auth: {dmarc: pass}}", {"results": {"dmarc": "fail"}}, "`auth dmarc pass` does not hold: dmarc=fail"),
        ("{auth: {dmarc: pass}}", {}, "`auth dmarc pass` does not hold: no result of dmarc"),
        ("{conversation: {known: true}}", {}, "`conversation known true` does not hold: no known conversation"),
        (
            "{conversation: {state: open}}",
            {"conversation": ANSWERED},
            "`conversation state open` does not hold: owner omar, closed, 1 message",
        ),
        (
            "{language: [pl, en]}",
            {"text": "Siparişim ne zaman gelecek?"},
            "`language pl, en` does not hold: the new text is in tr",
        ),
        (
            "{language: pl}",
            {"text": "ok"},
            "`language pl` does not hold: the new text is in a language that cannot be told",
        ),
        ("{dnsbl: zen.example}", {}, "`dnsbl zen.example` does not hold: the client is on no list"),
        ("{is: [bulk, list]}", {}, "`is bulk, list` does not hold: it is an ordinary message"),
        (
            "{is: bulk}",
            {"subject": "Re: x", "headers": (("In-Reply-To", "<1@x.example>"),)},
            "`is bulk` does not hold: it is reply",
        ),
        ("{recipients: {over: 3}}", {}, "`recipients over 3` does not hold: recipients: 1"),
        (
            "{attachment: {name: {other_than: faktura.pdf}}}",
            {"attachments": [PDF]},
            "`attachment name other than: equals faktura.pdf` does not hold: "
            "attachments: Faktura.pdf (application/pdf, 2000 bytes)",
        ),
    ],
)
def test_what_a_near_miss_saw(when: str, facts: dict[str, Any], failing: str) -> None:
    """`explain` says what was asked, and what there was instead."""
    ruleset = ruleset_of(f"rules: [{{name: a, when: {when}, then: {{label: x}}}}]")
    known = facts_of(**facts)
    (explained,) = explain_decision(ruleset, known, ruleset.decide(known))
    assert [str(one) for one in explained.failing] == [failing]


def test_types_and_names_of_attachments_from_lists() -> None:
    """`{in: FILE}` stands for the entries of a list, also under `other_than`; a wrong entry has its own place."""
    lists = {"lists/types.txt": b"application/pdf  # bills\nimage/*\n", "lists/names.txt": b"Faktura.PDF\n"}
    rules = """
rules:
  - {name: listed, when: {attachment: {type: {in: lists/types.txt}}}, then: {label: listed}}
  - {name: other, when: {attachment: {type: {other_than: [text/plain, {in: lists/types.txt}]}}}, then: {label: other}}
  - {name: named, when: {attachment: {name: {other_than: {in: lists/names.txt}}}}, then: {label: named}}
"""

    def labels(*attachments: tuple[str, str, bytes]) -> tuple[str, ...]:
        compiled = compile_ruleset({"a.yaml": rules.encode()}, ALL_GRANTED, read_beside=lists.__getitem__)
        assert compiled.ruleset is not None, compiled.problems
        return compiled.ruleset.decide(facts_of(attachments=attachments)).labels

    assert labels(PDF) == ("listed",)
    assert labels(ZIP) == ("other", "named")
    assert labels(PDF, ZIP) == ("listed", "other", "named")
    lists["lists/types.txt"] = b"application/pdf\n  pdf\n"
    found = compile_ruleset({"a.yaml": rules.encode()}, ALL_GRANTED, read_beside=lists.__getitem__)
    assert str(found.problems[0]).startswith("lists/types.txt:2:3: 'pdf' is not a media type")
