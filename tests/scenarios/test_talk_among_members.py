"""Notes, drafts and commands, whatever clients put into headers and envelopes: they leave to members alone."""

import random
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from router_desk import BILLING, NOW, SUPPORT, Desk

from routerd.config.settings import Addresses, Settings
from routerd.desk.changes import Role
from routerd.intake.recipients import Directory
from routerd.message.address import parse_address
from routerd.message.envelope import Accepted, Client, Envelope, Protocol, QueueId, Received, Recipient
from routerd.message.token import ANSWER, BOUNCE, DRAFT, NOTE, issue_address
from routerd.store.base import Copy

MEMBERS = ("jan", "ewa", "omar")
SETTINGS = Settings.model_validate(
    {
        "hostname": "mx1.example.com",
        "postmaster": "jan",
        "members": {name: {"mailbox": f"{name}@mail.example.com"} for name in MEMBERS},
        "teams": {"finance": {"members": ["ewa", "omar"]}},
        "inboxes": {
            SUPPORT: {"default": "jan", "aliases": ["help@example.com"], "replies": "through"},
            BILLING: {"default": "ewa", "replies": "through"},
        },
        "delivery": [
            {"domain": "mail.example.com", "maildir": "/var/mail/{local}", "trusts_us": True},
            {"domain": "*", "maildir": "/var/mail/{local}"},
        ],
        "limits_of_rules": [{"files": "*", "actions": ["all"]}],
        "listen": [{"systemd": "listener"}],
    }
)
MAILBOXES = frozenset(f"{name}@mail.example.com" for name in MEMBERS)
FORWARDING = "rules:\n  - {name: all, when: {always: true}, then: {forward: ledger@out.example, watch: omar}}\n"
CUSTOMERS = ("anna@klient.pl", "bob@klient.pl", "ewa@mail.example.com.klient.pl", "support@klient.pl")
WRITTEN = (
    "{}",
    "Anna <{}>",
    '"jan@mail.example.com" <{}>',
    "koledzy: {}, jan@mail.example.com;",
    "undisclosed-recipients: {};",
    "<@mail.example.com:{}>",
    "=?utf-8?q?Ewa?= <{}> (jan@mail.example.com)",
    "{},\r\n {}",
)
FIELDS = ("To", "Cc", "Bcc", "Reply-To", "Resent-To", "Resent-Cc", "Resent-Bcc", "X-Original-Reply-To", "Errors-To")
_INTERNAL = re.compile(rb"(?im)^(?:x-|received|delivered-to|return-path|reply-to|resent|bcc|errors-to)")
TEXTS = (
    "{}, nie mówcie jej.",
    "#label +x{}\n\n{}",
    "#assign ewa\n#priority high\n\n@jan {}",
    "#watch\n\n@finance {} @anna@klient.pl",
    "#clsoe\n\n{}",
    "#send\n\n{}",
    "#drop\n\n{}",
    "#history\n\n{}",
    "#help\n\n{}",
    "#take\n#snooze 2d\n\n{}",
    "#assign anna@klient.pl\n\n{}",
    "#away deputy anna@klient.pl\n\n{}",
    "#open\n\n{}",
)


class Office:
    """Members at their desks: a conversation with two customers, and what is said in it."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder, SETTINGS)
        self.desk.use(FORWARDING)
        self.key = self.desk.store.keys(BOUNCE)
        self.directory = Directory(SETTINGS, self.key)
        self._numbers = count(1)

    async def begin(self) -> None:
        first = (
            "From: Anna <anna@klient.pl>\r\nCc: bob@klient.pl\r\nSubject: Skarga\r\nMessage-ID: <1@klient.pl>\r\n\r\na"
        )
        await self.say(first.encode(), "anna@klient.pl", [SUPPORT], None)
        self.customers_mail = [copy for copy in self.desk.copies if copy.role is Role.OWNER]
        self.desk.copies.clear()

    async def say(self, raw: bytes, sender: str, to: list[str], member: str | None) -> bool:
        """Whether it was taken. Five minutes pass before each: nobody says too much in an hour."""
        client = Client("192.0.2.1", 1, "client", Protocol.SMTP, "listener", member=member)
        envelope = Envelope(sender, tuple(self._recipient(one) for one in to))
        number = next(self._numbers)
        at = NOW + number * timedelta(minutes=5)
        [verdict] = await self.desk.accept(Received(QueueId(f"01L{number:023}"), envelope, client, raw, at))
        return isinstance(verdict, Accepted)

    def address(self, letter: str, copy: Copy) -> str:
        return issue_address(letter, parse_address(SUPPORT), copy.number, NOW, Addresses(), self.key)

    def _recipient(self, address: str) -> Recipient:
        found = self.directory.look_up(parse_address(address), NOW)
        assert isinstance(found, Recipient), (address, found)
        return found

    async def outside(self) -> list[tuple[Copy, bytes, bytes]]:
        """What has left to somebody who is no member: each with the header that it goes out under, and the message."""
        left = [copy for copy in self.desk.copies if copy.mailbox not in MAILBOXES]
        return [(copy, copy.annotation.head, bytes(await self.desk.store.content(copy))) for copy in left]

    def counted(self, name: str, **labels: str) -> float:
        return self.desk.metrics.registry.get_sample_value(name, labels) or 0


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = Office(tmp_path)
    await made.begin()
    yield made
    await made.desk.store.close()


def header(draw: random.Random, member: str, number: int, ours: list[str], references: str) -> str:
    """As clients write it and as none should: customers wherever an address can stand."""
    lines = [f"From: {member}@mail.example.com", f"Message-ID: <m{number}@mail.example.com>", "Subject: Re: Skarga"]
    lines.append(f"References: {references}")
    for field in draw.sample(FIELDS, draw.randint(1, 5)):
        address = draw.choice(CUSTOMERS)
        lines.append(f"{field}: {draw.choice(WRITTEN).format(address, address)}")
    lines.append(f"{draw.choice(('To', 'Cc', 'to', 'CC'))}: {', '.join(ours)}")
    draw.shuffle(lines)
    return "\r\n".join(lines)


def transactions(draw: random.Random, ours: list[str]) -> Iterator[list[str]]:
    """One, or one for each recipient in any order, as hops take mail apart."""
    if draw.random() < 0.6:
        yield ours
    else:
        yield from ([one] for one in draw.sample(ours, len(ours)))


async def test_nothing_that_is_said_among_members_leaves_to_anybody_else(office: Office) -> None:
    """500 notes, drafts, commands and answers to them, with customers in every header, sent on to our inboxes too.

    A draft goes out by #send: its own bytes, and nothing of the mail that says so.
    """
    draw = random.Random(7)
    drafts, references = set(), ["<1@klient.pl>"]
    for number in range(500):
        member, is_draft = draw.choice(MEMBERS), draw.random() < 0.3
        seen = draw.choice((*office.customers_mail, *office.desk.copies[-20:]))
        shown = [copy for copy in office.desk.copies[-9:] if copy.annotation.head.find(b"[draft]") > 0]
        text = draw.choice(TEXTS)
        if shown and draw.random() < 0.3:
            seen, is_draft, text = shown[0], False, "#send\n\n{}"
        if is_draft:
            drafts.add(f"SECRET-{number}-")
        letter, word = (DRAFT, "draft") if is_draft else (NOTE, "note")
        to = draw.choice((office.address(letter, seen), f"support+{word}@example.com", f"help+{word}@example.com"))
        others = (SUPPORT, "help@example.com", BILLING, office.address(ANSWER, seen))
        ours = [to, *draw.sample(others, draw.randint(0, 2))]
        references.append(f"<m{number}@mail.example.com>")
        top = header(draw, member, number, ours, f"{draw.choice(references[-30:])} <1@klient.pl>")
        body = text.replace("{}", f"SECRET-{number}-").replace("\n", "\r\n")
        raw = f"{top}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}".encode()
        for recipients in transactions(draw, ours):
            assert await office.say(raw, f"{member}@mail.example.com", recipients, member)
    outside = await office.outside()
    assert outside
    for copy, head, raw in outside:
        assert copy.role is Role.ANSWER
        assert set(re.findall(r"SECRET-[0-9]+-", raw.decode())) <= drafts
        assert not _INTERNAL.search(head)
    assert sum(copy.role is Role.DESK for copy in office.desk.copies) > 500
    assert office.counted("routerd_notes_total") > 100
    assert office.counted("routerd_commands_total", command="send", result="done") >= 3


@pytest.mark.parametrize("word", ["note", "draft"])
async def test_a_note_is_one_whichever_of_its_addresses_it_comes_to_first(office: Office, word: str) -> None:
    """A hop that takes mail apart hands it to the inbox, or to the address for answers, before it comes as a note."""
    [seen, *_] = office.customers_mail
    answer = office.address(ANSWER, seen)
    raw = (
        f"From: ewa@mail.example.com\r\nTo: {SUPPORT}, {answer}\r\nCc: support+{word}@example.com, anna@klient.pl\r\n"
        "References: <1@klient.pl>\r\nMessage-ID: <n@ewa>\r\nSubject: Re: Skarga\r\n\r\nNie mów jej.\r\n"
    ).encode()
    for recipient in (SUPPORT, answer, f"support+{word}@example.com"):
        assert await office.say(raw, "ewa@mail.example.com", [recipient], "ewa")
    assert await office.outside() == []
    assert [copy.member for copy in office.desk.copies if copy.role is Role.DESK] == ["jan", "omar"]
    assert all(f"Subject: [{word}] Re: Skarga".encode() in copy.annotation.head for copy in office.desk.copies)


async def test_what_belongs_to_no_conversation_is_refused_but_for_what_concerns_oneself(office: Office) -> None:
    top = "From: ewa@mail.example.com\r\nTo: support+note@example.com, anna@klient.pl\r\nSubject: x\r\n\r\n"
    for text, taken in (("Nie mów jej.", False), ("#take", False), ("#away", True), ("#help\r\n", True)):
        raw = f"{top}{text}\r\n".encode()
        said = await office.say(raw, "ewa@mail.example.com", ["support+note@example.com"], "ewa")
        assert said is taken, text
    assert [(copy.member, copy.role) for copy in office.desk.copies] == [("ewa", Role.DESK), ("ewa", Role.DESK)]
    assert office.counted("routerd_rejections_total", reason="no_conversation") == 2
