"""Who is proven to speak as a member, and what is said to who is not."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from desk_house import KNOWN, NOW, SUPPORT

from routerd.auth.results import MethodResult
from routerd.auth.verification import Verification
from routerd.config.settings import Settings
from routerd.desk.consider import Office, proofs_of, speaker_of
from routerd.desk.hearing import NOT_NOW, hear, speaking_as
from routerd.desk.refusal import unheard
from routerd.desk.roster import Roster
from routerd.desk.said import Kind, Said, Speaker
from routerd.message.address import parse_address
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, Recipient
from routerd.message.view import MessageView
from routerd.rules.compile import compile_ruleset

SETTINGS = Settings.model_validate(
    {
        "hostname": "mx1.example.com",
        "postmaster": "jan",
        "members": {
            "jan": {"mailbox": "jan@example.com", "addresses": ["jan.k@example.com"]},
            "ewa": {"mailbox": "ewa@example.com"},
        },
        "inboxes": {SUPPORT: {"default": "jan", "aliases": ["help@example.com"]}},
        "delivery": [{"domain": "*", "maildir": "/var/mail/{local}"}],
        "authserv_ids": ["mx.example.com"],
        "listen": [{"address": "127.0.0.1:25"}, {"address": "127.0.0.1:26", "members": True}],
    }
)
STRANGER = Client("203.0.113.9", 4711, "far.test", Protocol.SMTP, "127.0.0.1:25")
HOP = Client("198.51.100.1", 4711, "mx.example.com", Protocol.SMTP, "127.0.0.1:25", trusted=True)
AT_HOME = Client("10.0.0.7", 4711, "laptop", Protocol.SMTP, "127.0.0.1:26")
NOBODY = Verification()
RULES = b"rules:\n  - {name: all, when: {always: true}, then: {label: seen}}\n"


def office() -> Office:
    ruleset = compile_ruleset({"10.yaml": RULES}, SETTINGS).ruleset
    assert ruleset is not None
    return Office(SETTINGS, Roster(SETTINGS), ruleset)


def logged_in(member: str) -> Client:
    return Client("203.0.113.9", 4711, "far.test", Protocol.SMTP, "127.0.0.1:25", member=member)


def dmarc(result: str, domain: str = "example.com") -> Verification:
    return Verification((MethodResult("dmarc", result, (("header.from", domain),)),))


def view(author: str, *header: str, text: str = "Hello.") -> MessageView:
    return MessageView("".join(f"{line}\r\n" for line in (*header, f"From: {author}", "", text)).encode())


def speaker(author: str, client: Client, found: Verification = NOBODY, *header: str) -> Speaker:
    message, there = view(author, *header), office()
    return speaker_of(message, client, there, proofs_of(message, client, there, found))


LOGIN = "Authentication-Results: mx.example.com; auth=pass smtp.auth={}"
DMARC = "Authentication-Results: mx.example.com; dmarc=pass header.from=example.com"


@pytest.mark.parametrize(
    ("author", "client", "found", "header", "member"),
    [
        ("Jan <jan@example.com>", logged_in("jan"), NOBODY, "X: y", "jan"),
        ("jan.k@example.com", logged_in("jan"), NOBODY, "X: y", "jan"),
        ("Support <support@example.com>", logged_in("jan"), NOBODY, "X: y", "jan"),
        ("help@example.com", logged_in("jan"), NOBODY, "X: y", "jan"),
        ("JAN@example.com", STRANGER, dmarc("pass"), "X: y", "jan"),
        ("jan@example.com", HOP, NOBODY, LOGIN.format("jan@example.com"), "jan"),
        ("support@example.com", HOP, NOBODY, LOGIN.format("ewa@example.com"), "ewa"),
        ("jan@example.com", HOP, NOBODY, DMARC, "jan"),
        ("jan@example.com", AT_HOME, NOBODY, "X: y", "jan"),
    ],
)
def test_members_are_known(author: str, client: Client, found: Verification, header: str, member: str) -> None:
    """By a login with us or a hop, by DMARC, by a listener for members; under any address of theirs, or an inbox's."""
    is_signed = bool(found.results) or header == DMARC
    assert speaker(author, client, found, header) == Speaker(member, has_logged_in=not is_signed)


@pytest.mark.parametrize(
    ("author", "client", "found", "header", "missing"),
    [
        ("jan@example.com", STRANGER, NOBODY, "X: y", "nothing proves its From"),
        ("jan@example.com", HOP, NOBODY, "X: y", "nothing proves its From"),
        ("jan@example.com", STRANGER, dmarc("fail"), "X: y", "for its From DMARC says fail"),
        ("jan@example.com", STRANGER, dmarc("none"), "X: y", "for its From DMARC says none"),
        ("jan@example.com", STRANGER, dmarc("pass", "zly.test"), "X: y", "for its From DMARC says pass"),
        ("jan@example.com", STRANGER, NOBODY, LOGIN.format("jan@example.com"), "nothing proves"),
        ("jan@example.com", HOP, NOBODY, LOGIN.format("jan@example.com").replace("mx.", "my."), "nothing proves"),
        ("jan@example.com", HOP, NOBODY, LOGIN.format("ewa@example.com"), "nothing proves"),
        ("jan@example.com", logged_in("ewa"), NOBODY, "X: y", "nothing proves"),
        ("jan@example.com", logged_in("gone"), NOBODY, "X: y", "nothing proves"),
        ("jan@examp1e.com", STRANGER, dmarc("pass", "examp1e.com"), "X: y", "names no member"),
        ("jan@example.com.zly.test", STRANGER, dmarc("pass", "example.com.zly.test"), "X: y", "names no member"),
        ("jаn@example.com", STRANGER, dmarc("pass"), "X: y", "names no member"),
        ('"jan@example.com" <x@zly.test>', STRANGER, dmarc("pass", "zly.test"), "X: y", "names no member"),
        ("x@zly.test", logged_in("jan"), NOBODY, "X: y", "names no member"),
        ("x@zly.test", AT_HOME, NOBODY, "X: y", "names no member"),
        ("support@example.com", STRANGER, dmarc("pass"), "X: y", "no member has logged in"),
        ("support@example.com", AT_HOME, NOBODY, "X: y", "no member has logged in"),
        ("support@example.com", logged_in("gone"), NOBODY, "X: y", "no member has logged in"),
        ("jan@example.com, x@zly.test", logged_in("jan"), dmarc("pass"), "From: x@zly.test", "one author"),
        ("jan@example.com", AT_HOME, NOBODY, "From: x@zly.test", "one author"),
        ("", STRANGER, NOBODY, "X: y", "one author"),
    ],
)
def test_impostors_are_nobody(author: str, client: Client, found: Verification, header: str, missing: str) -> None:
    """And hear what was missing."""
    heard = speaker(author, client, found, header)
    assert heard.member is None
    assert not heard.is_unsure
    assert missing in heard.missing
    assert heard.missing.isascii()


def test_what_dns_does_not_say_now_may_be_said_later() -> None:
    """Of a member; of nobody else, whom nothing would help."""
    assert speaker("jan@example.com", STRANGER, dmarc("temperror")) == Speaker(None, is_unsure=True)
    assert not speaker("x@zly.test", STRANGER, dmarc("temperror")).is_unsure


ANYBODY = {
    Purpose.INBOX: Recipient(parse_address(SUPPORT), Purpose.INBOX, SUPPORT),
    **{
        purpose: Recipient(parse_address(f"support+{purpose}@example.com"), purpose, SUPPORT, copy_number=7)
        for purpose in (Purpose.ANSWER, Purpose.NOTE, Purpose.DRAFT)
    },
}
JAN = Speaker("jan")


def heard(who: Speaker, *to: Purpose, header: str = "X: y", sender: str = "a@b.c", through: bool = False) -> Said:
    envelope = Envelope(sender, tuple(ANYBODY[purpose] for purpose in to))
    roster = Roster(SETTINGS)
    return hear(
        view("jan@example.com", header, f"To: {', '.join(str(one.address) for one in envelope.recipients)}"),
        envelope,
        who,
        KNOWN,
        lambda member: speaking_as(member, roster, NOW),
        answers_through=through,
    )


@pytest.mark.parametrize(
    ("to", "kind"),
    [
        ((Purpose.INBOX,), Kind.MAIL),
        ((Purpose.ANSWER,), Kind.ANSWER),
        ((Purpose.NOTE,), Kind.NOTE),
        ((Purpose.DRAFT,), Kind.DRAFT),
        ((Purpose.INBOX, Purpose.ANSWER), Kind.ANSWER),
        ((Purpose.ANSWER, Purpose.NOTE), Kind.NOTE),
        ((Purpose.ANSWER, Purpose.DRAFT, Purpose.INBOX), Kind.DRAFT),
        ((Purpose.DRAFT, Purpose.NOTE), Kind.NOTE),
    ],
)
def test_what_a_member_says_is_told_by_the_address(to: tuple[Purpose, ...], kind: Kind) -> None:
    """In whatever order they stand: what is for colleagues never becomes an answer."""
    for order in (to, to[::-1]):
        assert heard(JAN, *order).kind is kind


def test_a_reply_to_the_inbox_is_an_answer_where_answers_come_through_us() -> None:
    """Not a forward of it, and nobody else's."""
    assert heard(JAN, Purpose.INBOX, through=True).kind is Kind.ANSWER
    assert heard(JAN, Purpose.INBOX, through=True, header="Subject: Fwd: hello").kind is Kind.MAIL
    assert heard(Speaker(None), Purpose.INBOX, through=True).kind is Kind.MAIL


GATEWAYS = [
    "Precedence: bulk",
    "Precedence: list",
    "Precedence: junk",
    "X-Auto-Response-Suppress: All",
    "Feedback-ID: a:b",
]


@pytest.mark.parametrize("header", [*GATEWAYS, "List-Unsubscribe: <mailto:a@b.c>", "List-Id: <a.b>"])
def test_what_a_gateway_adds_to_everything_takes_nothing_from_a_members_word(header: str) -> None:
    """Whether he writes to the customer or to colleagues. What a list has sent on says nothing to the inbox itself."""
    for purpose, kind in ((Purpose.ANSWER, Kind.ANSWER), (Purpose.NOTE, Kind.NOTE), (Purpose.DRAFT, Kind.DRAFT)):
        assert heard(JAN, purpose, header=header).kind is kind
    to_inbox = Kind.MAIL if header.startswith("List-Id") else Kind.ANSWER
    assert heard(JAN, Purpose.INBOX, through=True, header=header).kind is to_inbox


@pytest.mark.parametrize("header", ["Auto-Submitted: auto-replied", "X-Autoreply: yes", "Precedence: auto_reply"])
@pytest.mark.parametrize("purpose", [Purpose.ANSWER, Purpose.NOTE, Purpose.DRAFT])
def test_machines_say_nothing_to_the_desk(purpose: Purpose, header: str) -> None:
    """Though a member's own."""
    spoken = (Kind.ANSWER, Kind.NOTE, Kind.DRAFT)
    assert heard(JAN, purpose, header=header).kind not in spoken
    assert heard(JAN, purpose, sender="").kind not in spoken


def test_what_a_machine_is_said_to_have_written_is_not_passed_over_in_silence() -> None:
    """Where it was to be an answer. What may be a program's own answer to a note is: it would answer that, too."""
    said = heard(JAN, Purpose.ANSWER, header="Auto-Submitted: auto-generated")
    assert (said.kind, said.member, said.missing) == (Kind.UNHEARD, "jan", "auto-submitted")
    assert heard(JAN, Purpose.NOTE, header="Auto-Submitted: auto-generated").kind is Kind.MAIL
    assert heard(JAN, Purpose.ANSWER, header="Auto-Submitted: auto-generated", sender="").kind is Kind.MAIL


@pytest.mark.parametrize("purpose", [Purpose.NOTE, Purpose.DRAFT])
def test_who_is_no_member_is_told_what_was_missing(purpose: Purpose) -> None:
    """For good, or for now; machines of strangers hear it, too."""
    said = heard(Speaker(None, missing="its From names no member"), purpose, Purpose.INBOX, Purpose.ANSWER)
    assert said.kind is Kind.BARRED
    refused = unheard(said)
    assert (refused.code, refused.status, refused.reason) == (550, "5.7.1", "not_a_member")
    assert refused.text.endswith("from members alone: its From names no member")
    later = unheard(heard(Speaker(None, is_unsure=True), purpose))
    assert (later.code, later.text) == (451, NOT_NOW)
    assert heard(Speaker(None, missing="x"), purpose, sender="").kind is Kind.BARRED


@pytest.mark.parametrize("purpose", [Purpose.ANSWER, Purpose.NOTE, Purpose.DRAFT])
def test_what_a_member_signed_for_others_is_not_said_to_the_desk(purpose: Purpose) -> None:
    """Whoever got it may send it on, to an address that he has seen: To and Cc must name it. A login is in person."""
    envelope, roster = Envelope("a@b.c", (ANYBODY[purpose],)), Roster(SETTINGS)

    def said_by(who: Speaker, *header: str) -> Said:
        message = view("jan@example.com", *header)
        return hear(message, envelope, who, KNOWN, lambda one: speaking_as(one, roster, NOW), answers_through=True)

    assert said_by(JAN, "To: anna@klient.pl").kind is Kind.BARRED
    assert said_by(JAN, "To: support@example.com", f"Bcc: {ANYBODY[purpose].address}").kind is Kind.BARRED
    spoken = (Kind.ANSWER, Kind.NOTE, Kind.DRAFT)
    assert said_by(JAN, "To: anna@klient.pl", f"Cc: X <{str(ANYBODY[purpose].address).upper()}>").kind in spoken
    assert said_by(Speaker("jan", has_logged_in=True), "To: anna@klient.pl").kind in spoken


def test_strangers_write_to_answer_addresses_as_to_the_inbox() -> None:
    """They may have one from a member; who may be one himself comes again."""
    assert heard(Speaker(None, missing="x"), Purpose.ANSWER) == Said(Kind.MAIL)
    assert heard(Speaker(None, is_unsure=True), Purpose.ANSWER).temporary
    assert heard(Speaker(None, is_unsure=True), Purpose.INBOX) == Said(Kind.MAIL)


def test_an_answer_under_a_members_address_that_nothing_proves_is_not_swallowed() -> None:
    """If it is he, he hears that the customer did not get it. What machines send in his name is mail as before."""
    nobody = speaker("jan@example.com", HOP)
    for to in ((Purpose.ANSWER,), (Purpose.INBOX, Purpose.ANSWER)):
        refused = unheard(heard(nobody, *to))
        assert (refused.code, refused.status, refused.reason) == (550, "5.7.1", "not_a_member")
        assert refused.text.startswith("Not sent to the customer")
        assert refused.text.endswith(": nothing proves its From, and there was no login of that member")
    assert heard(nobody, Purpose.INBOX, through=True) == Said(Kind.MAIL)
    assert heard(nobody, Purpose.ANSWER, sender="") == Said(Kind.MAIL)
    assert heard(nobody, Purpose.ANSWER, header="Auto-Submitted: auto-replied") == Said(Kind.MAIL)
    assert heard(speaker("ewa.private@gmail.example", HOP), Purpose.ANSWER) == Said(Kind.MAIL)


@pytest.mark.parametrize("purpose", [Purpose.ANSWER, Purpose.NOTE, Purpose.DRAFT])
def test_what_anybody_may_have_sent_on_says_nothing(purpose: Purpose) -> None:
    """A member wrote it, but maybe to others: his provider signs no To."""
    sent_on = Speaker("jan", is_sent_on=True)
    assert heard(sent_on, purpose).kind is Kind.BARRED
    assert heard(sent_on, Purpose.INBOX, through=True).kind is Kind.MAIL


def test_a_signature_without_to_does_not_say_whom_a_member_wrote_to() -> None:
    signed = MethodResult("dkim", "pass", (("header.d", "example.com"),))
    found = Verification((*dmarc("pass").results, signed))
    names = "DKIM-Signature: v=1; d=example.com; h={}; b=abc"
    fields = ("To: a@b.c", "Message-ID: <1@example.com>")
    assert speaker("jan@example.com", STRANGER, found, names.format("from:subject"), *fields).is_sent_on
    assert not speaker("jan@example.com", STRANGER, found, names.format("from:to:message-id"), *fields).is_sent_on


def test_an_old_out_of_office_marks_nobody_away() -> None:
    """Whoever wrote to him on his holiday has one, and may send it on; a login is in person."""
    envelope, roster = Envelope("", (ANYBODY[Purpose.ANSWER],)), Roster(SETTINGS)

    def kind_of(who: Speaker, *date: str) -> Kind:
        to = f"To: {ANYBODY[Purpose.ANSWER].address}"
        message = view("jan@example.com", to, "Auto-Submitted: auto-replied", *date)
        said = hear(message, envelope, who, KNOWN, lambda one: speaking_as(one, roster, NOW), answers_through=True)
        return said.kind

    lately, long_ago = (f"Date: {format_datetime(NOW - timedelta(days=days))}" for days in (5, 7))
    assert kind_of(JAN, lately) is Kind.AWAY
    assert kind_of(JAN) is kind_of(JAN, "Date: yesterday") is Kind.AWAY
    assert kind_of(JAN, long_ago) is Kind.MAIL
    assert kind_of(Speaker("jan", has_logged_in=True), long_ago) is Kind.AWAY


@pytest.mark.parametrize("subject", ["Re: Automatic reply: parcel", "Odp: Autoodpowiedź: paczka", "Fwd: Out of Office"])
def test_a_member_may_answer_an_automatic_reply(subject: str) -> None:
    """Its subject stays, and it is a person's all the same; unless something else says that it is a machine's."""
    assert heard(JAN, Purpose.ANSWER, header=f"Subject: {subject}").kind is Kind.ANSWER
    assert heard(JAN, Purpose.NOTE, header=f"Subject: {subject}").kind is Kind.NOTE
    marked = f"Subject: {subject}\r\nAuto-Submitted: auto-replied"
    assert heard(JAN, Purpose.ANSWER, header=marked).kind is Kind.AWAY
    assert heard(JAN, Purpose.ANSWER, header="Subject: Automatic reply: parcel").kind is Kind.AWAY
