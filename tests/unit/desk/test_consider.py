"""What is decided before the store is asked, and who is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from routerd.auth.results import MethodResult
from routerd.auth.verification import NOT_VERIFIED, Verification
from routerd.config.settings import Settings
from routerd.considering import judge
from routerd.desk import consider
from routerd.desk.consider import (
    Office,
    author_of,
    decide,
    home_first,
    loops,
    passed_inboxes,
    proofs_of,
    verified_of_client,
)
from routerd.desk.plan import Author, Conversation, ConversationId, ConversationState, Standing, Voice
from routerd.desk.refusal import for_all, for_each, refusals
from routerd.desk.roster import Roster
from routerd.message.address import parse_address
from routerd.message.envelope import (
    Accepted,
    Client,
    ClientFindings,
    Envelope,
    Protocol,
    Purpose,
    QueueId,
    Received,
    Recipient,
    Refused,
)
from routerd.message.key_ring import KeyRing
from routerd.message.token import trace_mac
from routerd.message.view import MessageView
from routerd.rules.compile import compile_ruleset
from routerd.rules.decision import Decision
from routerd.rules.facts import ConversationFacts, Facts
from routerd.store.base import Known

KEY = KeyRing.begun(b"k" * 32)
NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
SUPPORT, BILLING = "support@example.com", "billing@example.com"
SETTINGS = Settings.model_validate(
    {
        "hostname": "mx1.example.com",
        "postmaster": "jan",
        "members": {"jan": {"mailbox": "jan@mail.example.com"}, "ewa": {"mailbox": "ewa@mail.example.com"}},
        "inboxes": {SUPPORT: {"default": "jan", "aliases": ["help@example.com"]}, BILLING: {"default": "ewa"}},
        "delivery": [{"domain": "*", "maildir": "/var/mail/{local}"}],
    }
)
RULES = b"rules:\n  - {name: all, when: {always: true}, then: {assign: ewa, label: seen}}\n"


def office() -> Office:
    ruleset = compile_ruleset({"10.yaml": RULES}, SETTINGS).ruleset
    assert ruleset is not None
    return Office(SETTINGS, Roster(SETTINGS), ruleset)


def recipient(address: str, purpose: Purpose = Purpose.INBOX, inbox: str | None = None) -> Recipient:
    return Recipient(parse_address(address), purpose, inbox or address)


TO_SUPPORT = Envelope("a@b.c", (recipient(SUPPORT),))


def view(header: str) -> MessageView:
    return MessageView(header.replace("\n", "\r\n").encode() + b"\r\n\r\nx\r\n")


@pytest.mark.parametrize(
    ("header", "home"),
    [
        (f"To: {BILLING}\nCc: {SUPPORT}", BILLING),
        ("To: a@b.c\nCc: help@example.com", SUPPORT),
        ("To: Help <help+web@example.com>", SUPPORT),
        ("To: undisclosed:;", BILLING),
    ],
)
def test_the_home_is_the_inbox_that_to_or_cc_names_first(header: str, home: str) -> None:
    """Also by an alias or with a detail; where none is named, the first RCPT."""
    envelope = Envelope("a@b.c", (recipient(BILLING), recipient(SUPPORT)))
    found = home_first(view(header), envelope, office().roster)
    assert found[0] == (home, Purpose.INBOX)
    assert {inbox for inbox, _ in found} == {BILLING, SUPPORT}


def facts_of(
    message: MessageView,
    envelope: Envelope,
    client: Client,
    at: datetime,
    there: Office,
    conversation: Conversation | None = None,
    verification: Verification = NOT_VERIFIED,
) -> Facts:
    proofs = proofs_of(message, client, there, verification)
    return consider.facts_of(message, envelope, client, at, there, proofs, conversation)


def _decided(message: MessageView, envelope: Envelope) -> tuple[Decision, ...]:
    return decide(facts_of(message, envelope, STRANGER, NOW, office()), envelope, office())


@pytest.mark.parametrize("first", [True, False])
def test_a_return_path_beside_the_inbox_does_not_turn_mail_into_a_bounce(first: bool) -> None:
    """The rules read what comes to the inbox, in whatever order the recipients were named."""
    pair = [recipient("support+b.token@example.com", Purpose.RETURN_PATH, SUPPORT), recipient(SUPPORT)]
    envelope = Envelope("", tuple(pair if first else reversed(pair)))
    [decision] = _decided(view("Subject: x"), envelope)
    assert decision.labels == ("seen",)


def test_what_comes_to_a_return_path_is_the_postmasters_and_a_bounce_only_from_nobody() -> None:
    bounce = recipient("support+b.token@example.com", Purpose.RETURN_PATH, SUPPORT)
    for sender, labels in (("", ("bounce",)), ("a@b.c", ())):
        [decision] = _decided(view("Subject: x"), Envelope(sender, (bounce,)))
        assert decision.assign is not None
        assert (decision.assign.target, decision.labels) == ("jan", labels)


@pytest.mark.parametrize(
    ("header", "label"),
    [
        ("From: anna@klient.pl\nSubject: Automatic reply: parcel\nAuto-Submitted: auto-replied", "auto"),
        ("From: anna@klient.pl\nSubject: Poza biurem\nX-Autoreply: yes", "auto"),
        (
            "From: anna@klient.pl\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b",
            "auto",
        ),
        ("From: Mail Delivery System <MAILER-DAEMON@a.pl>\nAuto-Submitted: auto-replied", "bounce"),
        ("From: postmaster@a.pl\nSubject: Undelivered\nAuto-Submitted: auto-generated", "bounce"),
        ("From: x@a.pl\nContent-Type: multipart/report; report-type=delivery-status; boundary=b", "bounce"),
        ("From: x@a.pl\nSubject: what is this", "bounce"),
    ],
)
def test_an_out_of_office_at_a_return_path_is_no_bounce(header: str, label: str) -> None:
    """Whoever reads it, or has a rule for bounces, is not told of a failure that there was not."""
    returned = recipient("support+b.token@example.com", Purpose.RETURN_PATH, SUPPORT)
    [decision] = _decided(view(header), Envelope("", (returned,)))
    assert decision.labels == (label,)


@pytest.mark.parametrize(
    ("sender", "header", "is_answered"),
    [
        ("anna@klient.pl", "From: anna@klient.pl\nSubject: parcel", True),
        ("postmaster@klient.pl", "From: postmaster@klient.pl\nSubject: parcel", True),
        ("www@host.pl", "From: anna@klient.pl\nSubject: Form\nAuto-Submitted: auto-generated", True),
        ("www@host.pl", "From: www@host.pl\nReply-To: anna@klient.pl\nAuto-Submitted: auto-generated", True),
        ("desk@shop.pl", "From: desk@shop.pl\nReply-To: desk+7@shop.pl\nAuto-Submitted: auto-replied", True),
        ("anna@klient.pl", "From: anna@klient.pl\nSubject: Re: Automatic reply: parcel", True),
        ("anna@klient.pl", "From: anna@klient.pl\nSubject: Automatic reply: parcel", False),
        ("anna@klient.pl", "From: anna@klient.pl\nSubject: parcel\nAuto-Submitted: auto-replied", False),
        ("MAILER-DAEMON@klient.pl", "From: anna@klient.pl\nSubject: Undelivered", False),
        ("x@klient.pl", "From: Mailer-Daemon@klient.pl\nReply-To: a@klient.pl\nSubject: Undelivered", False),
        ("x@klient.pl", "From: postmaster@klient.pl\nSubject: Undelivered\nAuto-Submitted: auto-generated", False),
    ],
)
def test_what_answers_by_itself_is_not_to_be_answered(sender: str, header: str, is_answered: bool) -> None:
    """Lest a mailbox that does not look does. A form that writes for a person, and who says where to, is."""
    envelope = Envelope(sender, (recipient(SUPPORT),))
    message = view(f"To: {SUPPORT}\n{header}")
    received = Received(QueueId("01J"), envelope, STRANGER, message.raw, NOW)
    matter, barred = judge(message, received, office(), Known(), proofs_of(message, STRANGER, office()))
    assert (bool(matter.reply_name), barred) == (is_answered, None)


def test_a_message_that_passed_an_inbox_loops_when_it_comes_back_to_it_and_only_then() -> None:
    """The proof goes on with it through other inboxes, so that no circle of inboxes is too wide."""
    trace = f"X-Routerd-Trace: 01J {trace_mac(KEY, '01J', BILLING)} {trace_mac(KEY, '01J', SUPPORT)}"
    passed = passed_inboxes(view(trace), KEY, SETTINGS.inboxes, TO_SUPPORT)
    assert passed == {BILLING, SUPPORT}
    assert loops(view(trace), Envelope("a@b.c", (recipient(SUPPORT),)), passed)
    assert not loops(view(trace), Envelope("a@b.c", (recipient(SUPPORT),)), frozenset({BILLING}))
    assert passed_inboxes(view(trace), KeyRing.begun(b"x" * 32), SETTINGS.inboxes, TO_SUPPORT) == frozenset()


def test_mail_for_the_postmaster_does_not_go_round_either() -> None:
    """Its address is no inbox, but leaves the same proof."""
    to_postmaster = Envelope("", (recipient("postmaster@example.com", Purpose.POSTMASTER),))
    trace = f"X-Routerd-Trace: 01J {trace_mac(KEY, '01J', 'postmaster@example.com')}"
    assert loops(view(trace), to_postmaster, passed_inboxes(view(trace), KEY, SETTINGS.inboxes, to_postmaster))


def test_more_than_fifty_hops_are_a_loop() -> None:
    envelope = Envelope("a@b.c", (recipient(SUPPORT),))
    assert not loops(view("\n".join(["Received: x"] * 50)), envelope, frozenset())
    assert loops(view("\n".join(["Received: x"] * 51)), envelope, frozenset())


def received(protocol: Protocol, *inboxes: str, trusted: bool = False) -> Received:
    client = Client("192.0.2.1", 1, "c", protocol, "l", trusted=trusted)
    envelope = Envelope("a@b.c", tuple(recipient(inbox) for inbox in inboxes))
    return Received(QueueId("01J"), envelope, client, b"", NOW)


REJECTING = (Decision(SUPPORT, reject="no thanks"), Decision(BILLING))
TAKEN = Accepted(QueueId("01J"))


def test_smtp_refuses_only_where_every_inbox_rejects() -> None:
    """One answer for all: what one inbox takes cannot be refused; the desk holds the other's part."""
    both = received(Protocol.SMTP, SUPPORT, BILLING)
    assert for_each(both, refusals(both, REJECTING, is_known=False), TAKEN) == (TAKEN,)
    one = received(Protocol.SMTP, SUPPORT)
    [verdict] = for_each(one, refusals(one, REJECTING[:1], is_known=False), TAKEN)
    assert isinstance(verdict, Refused)
    assert (verdict.code, verdict.status, verdict.text) == (550, "5.7.1", "no thanks")


def test_lmtp_answers_each_recipient() -> None:
    both = received(Protocol.LMTP, BILLING, SUPPORT, BILLING)
    verdicts = for_each(both, refusals(both, REJECTING, is_known=False), TAKEN)
    assert [isinstance(verdict, Accepted) for verdict in verdicts] == [True, False, True]
    assert len(for_all(both, TAKEN)) == 3


def test_nobody_is_refused_through_a_trusted_hop_or_in_a_known_conversation() -> None:
    """A trusted hop would have to bounce it to whoever stands as the sender."""
    assert refusals(received(Protocol.SMTP, SUPPORT, trusted=True), REJECTING[:1], is_known=False) == {}
    assert refusals(received(Protocol.SMTP, SUPPORT), REJECTING[:1], is_known=True) == {}


STRANGER = Client("192.0.2.1", 1, "c", Protocol.SMTP, "l")
TRUSTED = replace(STRANGER, trusted=True)
VERIFYING = SETTINGS.model_copy(update={"authserv_ids": ("mx.example.com",)})


def facts_from(author: str, results: str, trusted: bool = True) -> Facts:
    header = f"From: {author}\nAuthentication-Results: mx.example.com; {results}"
    there = Office(VERIFYING, Roster(VERIFYING), office().ruleset)
    return facts_of(view(header), TO_SUPPORT, replace(STRANGER, trusted=trusted), NOW, there)


def test_rules_see_what_a_trusted_hop_verified() -> None:
    """Of each method its result, a pass before others; nothing of what a stranger claims."""
    results = "spf=softfail smtp.mailfrom=b.c; dkim=fail header.d=x.y; dkim=pass header.d=b.c"
    assert facts_from("a@b.c", results).results == {"spf": "softfail", "dkim": "pass"}
    assert facts_from("a@b.c", results, trusted=False).results == {}


def test_rules_see_what_dns_says_of_the_client() -> None:
    """Of a stranger; what a hop says of another method stands beside it."""
    findings = ClientFindings("fail", None, frozenset({"one.test"}), frozenset({"two.test"}))
    seen = facts_of(view(ANNA), TO_SUPPORT, replace(STRANGER, findings=findings), NOW, office())
    assert seen.results == {"iprev": "fail"}
    assert (seen.dnsbl.listed, seen.dnsbl.unanswered) == ({"one.test"}, {"two.test"})
    assert facts_of(view(ANNA), TO_SUPPORT, TRUSTED, NOW, office()).results == {}


@pytest.mark.parametrize(
    ("author", "results", "internal"),
    [
        ("ewa@mail.example.com", "dmarc=pass header.from=mail.example.com", True),
        ("ewa@mail.example.com", "auth=pass smtp.auth=ewa@mail.example.com; dmarc=temperror", True),
        ("ewa@mail.example.com", "dmarc=fail header.from=mail.example.com", False),
        ("ewa@mail.example.com", "dmarc=temperror header.from=mail.example.com", None),
        ("ewa@mail.example.com", "spf=pass", False),
        ("a@b.c", "dmarc=temperror header.from=b.c", False),
    ],
)
def test_a_member_is_internal_where_that_is_proven(author: str, results: str, internal: bool | None) -> None:
    """Whether it is a member who writes cannot be told where his domain's DMARC could not; a stranger is none."""
    assert facts_from(author, results).internal is internal


def logged_in(member: str | None, header: str, trusted: bool = False) -> Facts:
    """What rules see of a member's own submission; `ewa` writes from two addresses."""
    ewa = SETTINGS.members["ewa"].model_copy(update={"addresses": (parse_address("e.nowak@example.org"),)})
    settings = VERIFYING.model_copy(update={"members": {**SETTINGS.members, "ewa": ewa}})
    there = Office(settings, Roster(settings), office().ruleset)
    return facts_of(view(header), TO_SUPPORT, replace(STRANGER, member=member, trusted=trusted), NOW, there)


@pytest.mark.parametrize(
    ("member", "header", "internal"),
    [
        ("ewa", "From: ewa@mail.example.com", True),
        ("ewa", "From: Ewa <E.Nowak@Example.ORG>", True),
        ("ewa", "From: jan@mail.example.com", False),
        ("ewa", "From: a@b.c", False),
        ("ewa", "From: e.nowak@example.org\nFrom: jan@mail.example.com", False),
        ("gone", "From: ewa@mail.example.com", False),
        (None, "From: ewa@mail.example.com", False),
        (None, "From: ewa@mail.example.com\nX-A: auth=pass smtp.auth=ewa@mail.example.com", False),
    ],
)
def test_a_login_stands_for_its_members_addresses(member: str | None, header: str, internal: bool) -> None:
    """For all of them, whatever DNS says of the domain, and for nobody else's."""
    assert logged_in(member, header).internal is internal


def test_rules_see_a_login_as_a_result() -> None:
    """What a message claims of one changes nothing, not even over a trusted hop."""
    claimed = "From: a@b.c\nAuthentication-Results: mx.example.com; auth=fail smtp.auth=ewa; spf=pass"
    assert logged_in("ewa", claimed).results == {"auth": "pass"}
    assert logged_in("ewa", claimed, trusted=True).results == {"auth": "pass", "spf": "pass"}
    assert logged_in(None, claimed).results == {}


def test_a_login_is_told_by_the_members_mailbox() -> None:
    """As others know him; of one who left meanwhile nothing is told."""
    roster = office().roster
    told = (MethodResult("auth", "pass", (("smtp.auth", "ewa@mail.example.com"),)),)
    assert verified_of_client(replace(STRANGER, member="ewa"), roster) == told
    assert verified_of_client(replace(STRANGER, member="gone"), roster) == ()
    assert verified_of_client(STRANGER, roster) == ()


KNOWN = Conversation(
    ConversationId(7),
    SUPPORT,
    "jan",
    "finance",
    3,
    Standing(("urgent",), 4, ConversationState.OPEN, NOW - timedelta(days=2)),
)
ANNA = "From: Anna@klient.pl\nTo: support@example.com"
JAN = "From: jan@mail.example.com\nAuthentication-Results: mx.example.com; dmarc=pass header.from=mail.example.com"


def author(header: str, conversation: Conversation | None = None, *, sender: str = "a@klient.pl") -> Author:
    settings = office().settings.model_copy(update={"authserv_ids": ("mx.example.com",)})
    envelope = Envelope(sender, (recipient(SUPPORT),))
    desk = replace(office(), settings=settings)
    return author_of(facts_of(view(header), envelope, TRUSTED, NOW, desk, conversation), envelope, desk.roster)


def test_a_customer_waits_for_an_answer_and_is_known_by_his_address() -> None:
    outside = (("", "anna@klient.pl"),)
    assert author(ANNA, KNOWN) == Author(Voice.CUSTOMER, "anna@klient.pl", outside)
    assert author(f"{ANNA}\nSubject: Re: parcel") == Author(Voice.CUSTOMER, "anna@klient.pl", outside, "parcel")


@pytest.mark.parametrize(
    ("header", "outside"),
    [
        (ANNA, ["anna@klient.pl"]),
        (f"{ANNA}, Bob <bob@klient.pl>\nCc: ola@klient.pl", ["anna@klient.pl", "bob@klient.pl", "ola@klient.pl"]),
        (f"{ANNA}\nReply-To: desk@klient.pl", ["desk@klient.pl"]),
        (f"{ANNA}\nReply-To: support@example.com", ["anna@klient.pl"]),
        ("From: support@example.com\nReply-To: anna@klient.pl\nTo: support@example.com", ["anna@klient.pl"]),
        (f"{ANNA}\nCc: ewa@mail.example.com, ewa+urgent@mail.example.com", ["anna@klient.pl"]),
        (f"{ANNA}\nCc: support+c.x@example.com, billing@example.com", ["anna@klient.pl"]),
        (f"{ANNA}\nCc: undisclosed-recipients:;, <no address>", ["anna@klient.pl"]),
        (f"{JAN}\nTo: anna@klient.pl\nCc: support@example.com", ["anna@klient.pl"]),
    ],
)
def test_an_answer_goes_to_those_outside(header: str, outside: list[str]) -> None:
    """Reply-To or From first, then To and Cc; never to a member or to an address of ours, whatever its detail."""
    assert [address for _, address in author(header).outside] == outside


@pytest.mark.parametrize(
    "header", ["Auto-Submitted: auto-replied", "Precedence: bulk", "List-Id: <x.example>", "X-Autoreply: yes"]
)
def test_nobody_waits_behind_a_machine(header: str) -> None:
    assert author(f"{ANNA}\n{header}").voice is Voice.ASIDE


def test_mail_from_nobody_is_a_machines() -> None:
    assert author(ANNA, sender="").voice is Voice.ASIDE


@pytest.mark.parametrize(
    ("to", "voice"),
    [
        ("support@example.com, anna@klient.pl", Voice.MEMBER),
        ("support+x@example.com, ewa@mail.example.com", Voice.ASIDE),
    ],
)
def test_a_member_answers_where_somebody_outside_gets_it(to: str, voice: Voice) -> None:
    """In a known conversation, and authenticated; who begins one asks like a customer."""
    assert author(f"{JAN}\nTo: {to}", KNOWN).voice is voice
    assert author(f"{JAN}\nTo: {to}").voice is Voice.CUSTOMER
    forged = f"From: jan@mail.example.com\nTo: {to}"
    assert author(forged, KNOWN).voice is Voice.CUSTOMER


def test_rules_are_told_how_the_conversation_stands() -> None:
    """As it was before this message; a clock that was set back makes no wait negative."""
    envelope = Envelope("a@klient.pl", (recipient(SUPPORT),))
    facts = facts_of(view(ANNA), envelope, STRANGER, NOW, office(), KNOWN)
    assert facts.conversation == ConversationFacts(
        "jan", "finance", frozenset({"urgent"}), "open", 4, timedelta(days=2)
    )
    early = facts_of(view(ANNA), envelope, STRANGER, NOW - timedelta(days=3), office(), KNOWN).conversation
    assert early is not None
    assert early.waiting == timedelta(0)
    assert facts_of(view(ANNA), envelope, STRANGER, NOW, office()).conversation is None
