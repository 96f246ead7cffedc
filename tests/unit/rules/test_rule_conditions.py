"""Each condition and operator of the rule language: what shows it, and what shows its limit."""

from typing import Any

import pytest
from rule_sets import decision_on, facts_of, holds

POLISH = {"subject": "Re: Skarga na fakturę 12/2026", "text": "Proszę o  odpowiedź.\nŁódź, Straße.\n\n> stary cytat\n"}
ARABIC = {"subject": "الفاتورة", "text": "أتقدم إليكم بالشَّكْوَى من المشكلة"}
CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("{subject: SKARGA}", POLISH, True),
    ("{subject: [nothing, faktur]}", POLISH, True),
    ("{subject: skarga na faktury}", POLISH, False),
    ("{subject: {starts_with: skarga}}", POLISH, True),  # without its Re:
    ("{subject: {starts_with: na}}", POLISH, False),
    ("{subject: {ends_with: /2026}}", POLISH, True),
    ("{subject: {equals: skarga na fakture 12/2026}}", POLISH, True),
    ("{subject: {equals: skarga}}", POLISH, False),
    ("{subject: {word: fakturę}}", POLISH, True),
    ("{subject: {word: faktur}}", POLISH, False),
    ("{subject: {word: skarga na}}", POLISH, True),
    ("{subject: {word: skarga fakture}}", POLISH, False),
    ("{header: {Subject: {starts_with: 're:'}}}", POLISH, True),
    ("{body: lodz}", POLISH, True),
    ("{body: strasse}", POLISH, True),
    ("{body: 'o odpowiedz'}", POLISH, True),  # white space is one space
    ("{body: cytat}", POLISH, False),
    ("{everything: cytat}", POLISH, True),
    ("{everything: skarga}", POLISH, True),
    ("{everything: {word: skarga prosze}}", POLISH, False),
    ("{everything: nothing}", POLISH, False),
    ("{body: skarga}", POLISH, False),
    ("{text: cytat}", POLISH, False),
    ("{text: skarga}", POLISH, True),
    ("{text: lodz}", POLISH, True),
    ("{text: {word: skarga prosze}}", POLISH, False),  # a term stands in one of them
    (r"{body: {regex: '\bŁÓDŹ\b'}}", POLISH, True),
    (r"{body: {regex: '(?-i)ŁÓDŹ'}}", POLISH, False),
    (r"{body: {regex: '\bód'}}", POLISH, False),
    (r"{body: {regex: 'lodz'}}", POLISH, False),  # a regex sees the text as written
    (r"{subject: {regex: '\d{2}/\d{4}$'}}", POLISH, True),
    ("{subject: {word: فاتورة}}", ARABIC, True),
    ("{body: {word: شكوى}}", ARABIC, True),
    ("{body: {word: مشكله}}", ARABIC, True),
    ("{body: {word: من مشكله}}", ARABIC, True),
    ("{body: {word: كوى}}", ARABIC, False),
    ("{body: شكوى}", ARABIC, True),
    ("{subject: {exists: true}}", {"subject": "  "}, False),
    ("{subject: {exists: false}}", {"subject": ""}, True),
    ("{body: {exists: true}}", {}, True),
    ("{header: {X-Spam-Flag: {exists: false}}}", {}, True),
    ("{header: {Subject: {starts_with: skarga}}}", POLISH, False),  # its prefix is there
    ("{header: {x-a: two}}", {"headers": (("X-B", "two"),)}, False),
    ("{header: {X-Spam-Flag: 'yes'}}", {"headers": (("X-Spam-Flag", "YES"),)}, True),
    ("{header: {x-a: one, x-b: two}}", {"headers": (("X-A", "one"), ("X-B", "two"))}, True),
    ("{header: {x-a: one, x-b: two}}", {"headers": (("X-A", "one"),)}, False),
    ("{header: {x-a: two}}", {"headers": (("X-A", "one"), ("X-A", "two"))}, True),
    ("{from: anna@klient.pl}", {}, True),
    ("{from: ANNA@Klient.PL}", {}, True),
    ("{from: klient.pl}", {}, True),
    ("{from: '@klient.pl'}", {}, True),
    ("{from: .pl}", {}, True),
    ("{from: .klient.pl}", {}, True),
    ("{from: klient.pl}", {"sender": "a@sub.klient.pl"}, False),
    ("{from: .klient.pl}", {"sender": "a@sub.klient.pl"}, True),
    ("{from: .klient.pl}", {"sender": "a@notklient.pl"}, False),
    ("{from: '*@*.gov.pl'}", {"sender": "a@urzad.gov.pl"}, True),
    ("{from: '*@*.gov.pl'}", {"sender": "a@gov.pl"}, False),
    ("{from: [other.example, klient.pl]}", {}, True),
    ("{from: {regex: '^an+a@'}}", {}, True),
    ("{from: {regex: '^x'}}", {}, False),
    ("{from_name: nowak}", {}, True),
    ("{from_name: klient.pl}", {}, False),  # what is in the name only
    ("{from_name: {exists: false}}", {"sender": "anna@klient.pl"}, True),
    ("{to: support@example.com}", {"to": ("a@b.example", "support@example.com")}, True),
    ("{to: support@example.com}", {"to": ("a@b.example",), "headers": (("Cc", "support@example.com"),)}, False),
    ("{to: {other_than: example.com}}", {"to": ("a@b.example", "support@example.com")}, True),
    ("{to: {other_than: [example.com, .example]}}", {"to": ("a@b.example", "support@example.com")}, False),
    ("{to: {other_than: example.com}}", {"to": ("undisclosed:;",)}, False),
    ("{cc: jan@example.com}", {}, False),
    ("{cc: jan@example.com}", {"headers": (("Cc", "Jan <jan@example.com>"),)}, True),
    ("{cc: {exists: false}}", {}, True),
    ("{reply_to: other.example}", {"headers": (("Reply-To", "x@other.example"),)}, True),
    ("{reply_to: klient.pl}", {"headers": (("Reply-To", "x@other.example"),)}, False),
    ("{reply_to: klient.pl}", {}, False),
    ("{customer: klient.pl}", {"headers": (("Reply-To", "x@other.example"),)}, True),
    ("{customer: other.example}", {"headers": (("Reply-To", "x@other.example"),)}, False),
    (
        "{customer: other.example}",
        {"sender": "support@example.com", "headers": (("Reply-To", "x@other.example"),)},
        True,
    ),
    (  # an alias with a detail is ours, too
        "{customer: other.example}",
        {"sender": "help+form@example.com", "headers": (("Reply-To", "x@other.example"),)},
        True,
    ),
    (  # what only begins like an address of ours is not
        "{customer: other.example}",
        {"sender": "helpdesk@example.com", "headers": (("Reply-To", "x@other.example"),)},
        False,
    ),
    ("{customer: support@example.com}", {"sender": "support@example.com"}, True),
    ("{sender: anna@klient.pl}", {}, True),
    ("{sender: anna@klient.pl}", {"mail_from": "bounces@list.example"}, False),  # whatever From says
    ("{sender: list.example}", {"mail_from": "bounces@list.example"}, True),
    ("{sender: {exists: false}}", {"mail_from": ""}, True),
    ("{sender: {exists: false}}", {}, False),
    ("{sender: {exists: true}}", {"mail_from": ""}, False),
    ("{recipient: support+vip@example.com}", {}, True),
    ("{recipient: support@example.com}", {}, False),
    ("{inbox: support@example.com}", {}, True),
    ("{inbox: help@example.com}", {}, True),  # an alias is its inbox
    ("{inbox: billing@example.com}", {}, False),
    ("{recipient: {regex: '^support\\+vip@'}}", {}, True),
    ("{recipient: '*+vip@*'}", {"recipients": ("support@example.com",)}, False),
    ("{size: {under: 10KB}}", {}, True),
    ("{size: {over: 10KB}}", {}, False),
    ("{size: {equals: 0}}", {}, False),
    ("{attachment: {exists: true}}", {}, False),
    ("{attachment: {name: faktura}}", {"attachments": [("Faktura.pdf", "application/pdf", b"x")]}, True),
    ("{attachment: {type: 'image/*'}}", {"attachments": [("a.png", "image/png", b"x")]}, True),
    (
        "{attachment: {type: [application/pdf], size: {over: 1}}}",
        {"attachments": [("a", "application/pdf", b"xy")]},
        True,
    ),
    (  # one attachment meets all
        "{attachment: {name: faktura, type: image/png}}",
        {"attachments": [("faktura.pdf", "application/pdf", b"x"), ("a.png", "image/png", b"x")]},
        False,
    ),
    ("{is: internal}", {"internal": True}, True),
    ("{is: internal}", {}, False),
    ("{is: [reply, auto]}", {"headers": (("Auto-Submitted", "auto-replied"),)}, True),
    ("{is: bounce}", {}, False),
    ("{always: true}", {}, True),
    ("{label: other}", {}, False),
    ("{all: [{subject: skarga}, {body: lodz}]}", POLISH, True),
    ("{all: [{subject: skarga}, {body: nothing}]}", POLISH, False),
    ("{any: [{subject: nothing}, {body: lodz}]}", POLISH, True),
    ("{any: [{subject: nothing}, {body: nothing}]}", POLISH, False),
    ("{not: {subject: nothing}}", POLISH, True),
    ("{not: {subject: skarga}}", POLISH, False),
    ("{not: [{subject: nothing}, {body: lodz}]}", POLISH, False),
    ("{not: [{subject: nothing}, {body: nothing}]}", POLISH, True),
    ("{not: {cc: klient.pl}}", {}, True),  # not of what is not there is true
    ("{not: {any: [{not: {all: [{subject: skarga}, {always: true}]}}]}}", POLISH, True),
]


@pytest.mark.parametrize(
    ("when", "message", "expected"), CASES, ids=[f"{number}-{case[0]}" for number, case in enumerate(CASES)]
)
def test_condition(when: str, message: dict[str, Any], expected: bool) -> None:
    """A condition holds, or does not, as the page says."""
    assert holds(when, facts_of(**message)) is expected


OF_KINDS = {
    "reply": "Subject: Re: x\nIn-Reply-To: <1@a.example>",
    "forward": "Subject: Fwd: x",
    "auto": "Auto-Submitted: auto-replied",
    "bounce": "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
    "list": "List-Id: <a.b.example>",
    "bulk": "Precedence: bulk",
    "encrypted": "Content-Type: multipart/encrypted; protocol=application/pgp-encrypted; boundary=b",
    "signed": "Content-Type: multipart/signed; protocol=application/pgp-signature; micalg=pgp-sha256; boundary=b",
    "calendar": "Content-Type: text/calendar; method=REQUEST",
}
GO_TOGETHER = {"bounce": ("auto",)}  # a report is sent by a machine


@pytest.mark.parametrize("kind", OF_KINDS)
def test_kinds_of_messages(kind: str) -> None:
    """Each kind is seen where it is, and not in plain mail; another kind is not it."""
    body = b"\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
    raw = b"From: a@b.example\r\n" + OF_KINDS[kind].replace("\n", "\r\n").encode() + body
    facts = facts_of(raw)
    assert holds(f"{{is: {kind}}}", facts)
    assert holds(f"{{is: [internal, {kind}]}}", facts)
    others = [other for other in OF_KINDS if other not in (kind, *GO_TOGETHER.get(kind, ()))]
    assert holds(f"{{not: {{is: [{', '.join(others)}]}}}}", facts)
    assert not holds(f"{{is: {kind}}}", facts_of())


def test_a_logo_that_the_html_shows_is_no_attachment() -> None:
    """A file beside it is one."""
    logo = b"--b\r\nContent-Type: image/png; name=l.png\r\nContent-ID: <l@a>\r\n\r\nx\r\n"
    html = b"--b\r\nContent-Type: text/html\r\n\r\n<p>x <img src='cid:l@a'>\r\n"
    head = b"From: a@b.example\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
    shown = facts_of(head + html + logo + b"--b--\r\n")
    assert holds("{attachments: {equals: 0}}", shown)
    assert not holds("{attachment: {type: image/png}}", shown)
    beside = facts_of(head + html.replace(b"cid:l@a", b"cid:other") + logo + b"--b--\r\n")
    assert holds("{attachments: {equals: 1}}", beside)
    assert holds("{attachment: {type: image/*, name: l.png}}", beside)


@pytest.mark.parametrize(
    ("when", "message", "evidence"),
    [
        ("{subject: faktur}", POLISH, 'subject has "fakturę" (contains faktur)'),
        ("{text: {word: prosze o}}", POLISH, 'body has "Proszę o" (word prosze o)'),
        ("{body: {word: شكوى}}", ARABIC, 'body has "بالشَّكْوَى" (word شكوى)'),
        ("{subject: {ends_with: '2026'}}", POLISH, 'subject has "12/2026" (ends_with 2026)'),
        (r"{body: {regex: '\bŁód\w\b'}}", POLISH, r'body has "Łódź" (regex \bŁód\w\b)'),
        ("{subject: {stem: invoice}}", {"subject": "Two (INVOICES)!"}, 'subject has "INVOICES" (stem invoice)'),
        ("{body: {stem: شكوى}}", ARABIC, 'body has "بالشَّكْوَى" (stem شكوى)'),
        ("{body: {stem: cancel it}}", {"text": "(cancelled\n it.)"}, 'body has "cancelled it" (stem cancel it)'),
        ("{text: {stem: order, also: [skardze]}}", {"text": "o skardze:"}, 'body has "skardze" (also skardze)'),
        ("{subject: {word: Skarga, exact: true}}", POLISH, 'subject has "Skarga" (word Skarga, exact)'),
        ("{to: {other_than: klient.pl}}", {}, 'to has "support@example.com" (other_than klient.pl)'),
        ("{from: .pl}", {}, 'from has "anna@klient.pl" (.pl)'),
        ("{from: anna@klient.pl}", {}, 'from has "anna@klient.pl"'),
        ("{is: internal}", {"internal": True}, "is internal"),
        ("{always: true}", {}, "always true"),
        ("{not: {from: .com}}", {}, "not from .com"),
        ("{cc: {exists: false}}", {}, "cc exists false"),
    ],
)
def test_evidence(when: str, message: dict[str, Any], evidence: str) -> None:
    """The trace shows what stands in the message, as written there, and the term that found it."""
    (match,) = decision_on(when, facts_of(**message)).trace.matches
    assert [str(one) for one in match.evidence] == [evidence]


def test_evidence_is_safe_and_short() -> None:
    """Bidi controls in a message are made visible in the trace, and long finds are cut."""
    facts = facts_of(text="evil\u202etxt " + "a" * 500)
    (match,) = decision_on("{all: [{body: eviltxt}, {body: {regex: 'a+$'}}]}", facts).trace.matches
    assert "\u202e" not in str(match.evidence[0])
    assert len(match.evidence[1].found) <= 80


def test_evidence_deep_in_a_long_text() -> None:
    """The place is found also where it stands far behind, across a line wrap."""
    facts = facts_of(text="wort " * 30_000 + "pilna\n  SKARGĘ! " + "koniec " * 100)
    (match,) = decision_on("{body: pilna skarge}", facts).trace.matches
    assert match.evidence[0].found == "pilna SKARGĘ"


def test_unknown_stays_unknown() -> None:
    """What cannot be told now does not match, also under `not`; a rule that holds anyway does."""
    facts = facts_of(internal=None)
    for when in ("{is: internal}", "{not: {is: internal}}", "{all: [{always: true}, {is: internal}]}"):
        decision = decision_on(when, facts)
        assert not decision.labels
        assert [str(skipped.rule) for skipped in decision.trace.unknown] == ["1.yaml/it"]
    assert holds("{any: [{is: internal}, {always: true}]}", facts)
    assert not decision_on("{all: [{is: internal}, {subject: nothing}]}", facts).trace.unknown
