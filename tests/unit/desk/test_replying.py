"""Automatic replies: to whom, how often, and when not."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from desk_house import NOW, SUPPORT, FullState, house

from routerd.auth.results import AuthResults, MethodResult
from routerd.config.templates import Templates
from routerd.desk.changes import Part, PlannedCopy, Replied, Role
from routerd.desk.plan import Plan, Twin
from routerd.desk.reply_due import ReplyDue, Withheld, reply_due
from routerd.desk.replying import MAX_PER_INBOX, MAX_PER_SENDER, with_reply
from routerd.message.address import parse_address
from routerd.message.envelope import Envelope, Purpose, Recipient
from routerd.message.template import parse_template
from routerd.message.view import MessageView
from routerd.rules.decision import Decision, Reply
from routerd.rules.facts import DnsLists, Facts

REPLY = Reply("received", timedelta(hours=24))
TEMPLATES = Templates(
    {
        "received": {
            "": parse_template("Subject: Re: {{subject}}\n\nDear {{customer.name}}, by {{respond_by}}. {{id}}\n"),
            "pl": parse_template("Subject: Mamy: {{subject}}\n\nDzień dobry {{customer.name}}.\n"),
        }
    }
)
PROVEN = (MethodResult("spf", "pass", (("smtp.mailfrom", "anna@klient.pl"),)),)
MAIL = (
    "From: Anna Klient <anna@klient.pl>\r\nTo: support@example.com\r\n"
    "Subject: complaint\r\nMessage-ID: <1@klient.pl>\r\n"
)
TEXT = "The invoice that you have sent me is wrong, and I would like to have another one.\r\n"


def due(
    more: str = "",
    *,
    sender: str = "anna@klient.pl",
    mail: str = MAIL,
    text: str = TEXT,
    results: tuple[MethodResult, ...] = PROVEN,
    inbox: str = SUPPORT,
    **facts: Any,
) -> ReplyDue | None:
    view = MessageView(f"{mail}{more}\r\n{text}".encode())
    envelope = Envelope(sender, (Recipient(parse_address(inbox), Purpose.INBOX, inbox),))
    known = Facts(view, sender, (inbox,), inbox, frozenset({SUPPORT}), **{"at": NOW, "internal": False, **facts})
    proofs = AuthResults(results, "anna@klient.pl")
    return reply_due(known, envelope, (Decision(inbox, reply=REPLY),), proofs, house().roster)


def withheld(more: str = "", **given: Any) -> Withheld | None:
    found = due(more, **given)
    assert found is not None
    return found.withheld


def test_a_customer_who_is_proven_gets_one() -> None:
    found = due()
    assert found is not None
    assert (found.address, found.name, found.withheld) == ("anna@klient.pl", "Anna Klient", None)


@pytest.mark.parametrize(
    "results",
    [
        PROVEN,
        (MethodResult("dkim", "pass", (("header.d", "klient.pl"),)),),
        (MethodResult("dkim", "fail"), MethodResult("dkim", "pass", (("header.d", "KLIENT.PL."),))),
    ],
)
def test_what_proves_the_sender(results: tuple[MethodResult, ...]) -> None:
    assert withheld(results=results) is None


@pytest.mark.parametrize(
    "results",
    [
        (),
        (MethodResult("spf", "none", (("smtp.mailfrom", "anna@klient.pl"),)),),
        (MethodResult("spf", "pass", (("smtp.helo", "mx.klient.pl"),)),),
        (MethodResult("spf", "pass", (("smtp.mailfrom", "eve@evil.example"),)),),
        (MethodResult("dkim", "pass", (("header.d", "evil.example"),)),),
        (MethodResult("dkim", "pass", (("header.d", "pl"),)),),
        (MethodResult("dkim", "pass", (("header.d", "notklient.pl"),)),),
        (MethodResult("dmarc", "pass", (("header.from", "klient.pl"),)),),
    ],
)
def test_what_does_not(results: tuple[MethodResult, ...]) -> None:
    """Only what is in line with MAIL FROM counts: whoever forges it would have us write to others."""
    assert withheld(results=results) is Withheld.UNPROVEN


@pytest.mark.parametrize(
    "more",
    [
        "Auto-Submitted: auto-replied\r\n",
        "Precedence: bulk\r\n",
        "List-Id: <x.example>\r\n",
        "List-Unsubscribe: <mailto:x@example.org>\r\n",
        "X-Auto-Response-Suppress: OOF\r\n",
        "X-Autoreply: yes\r\n",
    ],
)
def test_machines_and_lists_get_none(more: str) -> None:
    assert withheld(more) is Withheld.AUTOMATIC


@pytest.mark.parametrize(
    "local",
    [
        *("no-reply", "noreply", "NoReply", "do-not-reply", "donotreply", "do_not_reply", "noreply+x", "shop-noreply"),
        *("mailer-daemon", "MAILER-DAEMON", "postmaster", "bounce", "bounces+12=a", "list-bounces", "owner-list"),
        *("list-request", "majordomo", "nobody", "notifications", "srs0=ab=cd=x.example=u", "prvs=1234=u"),
    ],
)
def test_addresses_that_nobody_reads(local: str) -> None:
    assert withheld(sender=f"{local}@klient.pl") is Withheld.NO_REPLY


@pytest.mark.parametrize("local", ["anna", "reply", "noor", "reporter", "norah.replyson", "postmaster.anna", "newsman"])
def test_addresses_of_people(local: str) -> None:
    proven = (MethodResult("spf", "pass", (("smtp.mailfrom", f"{local}@klient.pl"),)),)
    assert withheld(sender=f"{local}@klient.pl", results=proven) is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"sender": ""}, Withheld.NULL_SENDER),
        ({"sender": "support+x@example.com"}, Withheld.OURS),
        ({"sender": "ewa@example.com"}, Withheld.OURS),
        ({"internal": True}, Withheld.NOT_A_CUSTOMER),
        ({"dnsbl": DnsLists(frozenset({"zen.example"}))}, Withheld.SPAM),
        ({"more": "X-Spam-Flag: YES\r\n"}, Withheld.SPAM),
        ({"more": "X-Spam-Status: Yes, score=9\r\n"}, Withheld.SPAM),
        ({"results": (*PROVEN, MethodResult("dmarc", "fail", (("header.from", "klient.pl"),)))}, Withheld.SPAM),
        ({"mail": MAIL.replace("To: support@", "To: other@")}, Withheld.NOT_ADDRESSED),
    ],
)
def test_who_else_gets_none(given: dict[str, Any], reason: Withheld) -> None:
    assert withheld(**given) is reason


def test_an_alias_and_a_detail_address_the_inbox() -> None:
    assert withheld(mail=MAIL.replace("To: support@", "Cc: Help+Orders@")) is None


@dataclass
class Counted(FullState):
    """With automatic replies that went out before: moments, addresses, templates, inboxes."""

    before: list[tuple[datetime, str, str, str]] = field(default_factory=list)

    def replies(
        self, since: datetime, *, address: str | None = None, template: str | None = None, inbox: str | None = None
    ) -> int:
        return sum(
            at > since
            and (to != "" if address is None else address == to)
            and (template is None or template == name)
            and (inbox is None or inbox == of)
            for at, to, name, of in self.before
        )


PLAN = Plan(SUPPORT, "ewa", "finance", "why", copies=(PlannedCopy("ewa", Role.OWNER),))


def planned(plan: Plan = PLAN, before: list[tuple[datetime, str, str, str]] | None = None, **given: Any) -> Plan:
    found = due(**given)
    assert found is not None
    made = house()
    made = replace(made, settings=made.settings.model_copy(update={"templates": TEMPLATES}))
    return with_reply(plan, found, "01JQUEUE", Counted(before=before or []), made, NOW)


def test_it_says_what_it_is_and_goes_to_the_sender_alone() -> None:
    plan = planned(plan=replace(PLAN, respond_by=NOW + timedelta(hours=4)))
    (mail,) = plan.authored
    assert (mail.part, mail.from_null) == (Part.REPLIED, True)
    assert mail.copies == (PlannedCopy("anna@klient.pl", Role.ANSWER),)
    message = message_from_bytes(mail.raw, policy=default)
    assert message["To"] == "anna@klient.pl"
    assert message["From"].addresses[0].addr_spec == SUPPORT
    assert message["Subject"] == "Re: complaint"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["In-Reply-To"] == message["References"] == "<1@klient.pl>"
    assert message["Message-ID"] == f"<{mail.message_id}>"
    assert message.get_content() == "Dear Anna Klient, by 2026-12-24 16:00. 01JQUEUE\n"
    assert not [name for name in message if name.lower().startswith(("x-routerd", "x-assigned", "x-labels"))]
    assert mail.replied == Replied("anna@klient.pl", "received")


def test_in_the_customers_language() -> None:
    text = "Dzień dobry, faktura, którą Państwo mi wysłali, jest błędna i proszę o jej poprawienie.\r\n"
    (mail,) = planned(text=text).authored
    assert message_from_bytes(mail.raw, policy=default)["Subject"] == "Mamy: complaint"


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ([(NOW - timedelta(hours=23), "anna@klient.pl", "received", SUPPORT)], Withheld.ONCE),
        ([(NOW - timedelta(hours=25), "anna@klient.pl", "received", SUPPORT)], None),
        ([(NOW, "anna@klient.pl", "other", SUPPORT)], None),
        ([(NOW, "anna@klient.pl", "other", SUPPORT)] * MAX_PER_SENDER, Withheld.SENDER_LIMIT),
        ([(NOW, "bob@klient.pl", "received", SUPPORT)] * MAX_PER_INBOX, Withheld.INBOX_LIMIT),
        ([(NOW, "bob@klient.pl", "received", "billing@example.com")] * MAX_PER_INBOX, None),
        ([(NOW - timedelta(hours=2), "bob@klient.pl", "received", SUPPORT)] * MAX_PER_INBOX, None),
    ],
)
def test_how_often(before: list[tuple[datetime, str, str, str]], reason: Withheld | None) -> None:
    plan = planned(before=before)
    assert plan.reply_withheld == (reason or "")
    written = {None: [Part.REPLIED], Withheld.INBOX_LIMIT: [Part.TOLD]}.get(reason, [])
    assert [mail.part for mail in plan.authored] == written


def test_the_postmaster_hears_of_too_many_once_an_hour() -> None:
    before = [(NOW, "bob@klient.pl", "received", SUPPORT)] * MAX_PER_INBOX
    (notice,) = planned(before=before).authored
    assert [copy.member for copy in notice.copies] == ["adam"]
    assert notice.replied == Replied("", "limit")
    assert planned(before=[*before, (NOW, "", "limit", SUPPORT)]).authored == ()
    assert planned(before=[*before, (NOW, "", "limit", "billing@example.com")]).authored


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (replace(PLAN, copies=(PlannedCopy("ewa", Role.OWNER, "look at it"),)), Withheld.HELD),
        (replace(PLAN, twin=Twin(1, "Q1", (SUPPORT,), ("ewa",))), Withheld.NOT_A_CUSTOMER),
        (replace(PLAN, part=Part.ANSWER), Withheld.NOT_A_CUSTOMER),
    ],
)
def test_not_for_what_waits_or_came_before(plan: Plan, reason: Withheld) -> None:
    assert planned(plan=plan).reply_withheld == reason


def test_values_cannot_add_headers() -> None:
    mail = MAIL.replace("complaint", "=?utf-8?q?x=0D=0ABcc:_all=40example.com=0D=0A?=")
    (made,) = planned(mail=mail).authored
    message = message_from_bytes(made.raw, policy=default)
    assert message["Bcc"] is None
    assert message["Subject"] == "Re: x Bcc: all@example.com"
