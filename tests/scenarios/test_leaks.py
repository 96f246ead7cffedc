"""What members say among themselves, and what was not sent, leaves for nobody else, whatever their mail names."""

import random
from collections.abc import Iterator
from pathlib import Path

from answer_desk import ANNA, SUPPORT, AnswerDesk

from routerd.desk.changes import Role

MAILS = 500
RULES = "rules:\n  - {name: all, when: {always: true}, then: {watch: jan, forward: archive@far.example}}\n"
OUTSIDE = (
    ANNA,
    f"Anna Klient <{ANNA}>",
    f'"Klient, Anna" <{ANNA.upper()}>',
    f"=?utf-8?B?QW5uYQ==?= <{ANNA}>",
    f"Customers: {ANNA}, Bob <bob@klient.pl>;",
    f"(a comment) {ANNA} (another)",
    f"<@relay.example:{ANNA}>",
    "undisclosed-recipients:;",
    "archive@far.example",
)
FIELDS = (
    "Cc",
    "Bcc",
    "Reply-To",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Disposition-Notification-To",
    "Errors-To",
    "Return-Path",
    "Sender",
    "Apparently-To",
    "X-Forwarded-To",
    "X-Original-To",
    "Delivered-To",
)
OF_MACHINES = (("List-Id", "<team.example>"), ("Precedence", "bulk"), ("Auto-Submitted", "auto-generated"))
COMMANDS = (
    "#take",
    "#assign jan",
    "#label +urgent",
    "#watch",
    "#history",
    "#help",
    "#unknown",
    "#priority high",
    "#drop",
)
INTERNAL = (
    "X-Routerd-Why",
    "X-Assigned-To",
    "X-Labels",
    "X-Mailer",
    "User-Agent",
    "X-Originating-IP",
    "Thread-Index",
    "Organization",
    "Comments",
    "Keywords",
    "Importance",
    "Autocrypt",
    *FIELDS,
)
SEEN_BY_CUSTOMERS = frozenset(
    ("From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "MIME-Version")
)


class Talk:
    """One conversation with what its members may write to."""

    answer = note = draft = ""

    def __init__(self, desk: AnswerDesk, number: int) -> None:
        self.desk = desk
        self.message_id = f"<a{number}@klient.pl>"

    async def begin(self) -> None:
        await self.desk.customer(Message_ID=self.message_id)
        copy = next(one for one in await self.desk.out() if one.copy.role is Role.OWNER)
        self.answer, self.note = copy.address("Reply-To"), copy.address("X-Routerd-Note")
        self.draft = copy.address("X-Routerd-Draft")


def addressed(chance: random.Random, talk: Talk) -> tuple[list[str], str]:
    """The envelope of what must not leave, and how its text begins."""
    note = chance.choice((talk.note, "support+note@example.com"))
    draft = chance.choice((talk.draft, "support+draft@example.com"))
    kind = chance.randrange(6)
    if kind == 0:
        return [note], ""
    if kind == 1:
        return [draft], ""
    if kind == 2:
        return [note], "\n".join(chance.sample(COMMANDS, chance.randint(1, 3))) + "\n\n"
    if kind == 3:
        return [talk.answer], chance.choice(("#note\n", "#send\n", "\ufeff#assign jan\n"))
    if kind == 4:
        return chance.sample([note, talk.answer, SUPPORT], 3), ""
    return [draft, SUPPORT], ""


def header_of(chance: random.Random, talk: Talk, member: str, to: list[str], secret: str) -> Iterator[tuple[str, str]]:
    yield "From", f"{member} <{member}@team.example>"
    yield "To", ", ".join((*to, chance.choice(OUTSIDE))) if chance.random() < 0.7 else chance.choice(OUTSIDE)
    yield "Subject", f"Re: Parcel {secret}"
    yield "Message-ID", f"<{secret}@team.example>"
    yield "In-Reply-To", talk.message_id
    for field in chance.sample(FIELDS, chance.randint(0, 6)):
        yield field, chance.choice(OUTSIDE)
    yield "X-Secret", secret


def body_of(chance: random.Random, begins: str, secret: str) -> tuple[list[tuple[str, str]], str]:
    text = f"{begins}{secret}: he is a liar. @jan @anna @archive {ANNA}\n"
    if chance.random() < 0.6:
        return [("Content-Type", "text/plain; charset=utf-8")], text
    parts = (
        f"Content-Type: text/plain; charset=utf-8\n\n{text}",
        f"Content-Type: text/html\n\n<p>{text}</p>",
        f'Content-Type: application/pdf; name="{secret}.pdf"\nContent-Transfer-Encoding: base64\n\nJVBERi0=\n',
    )
    whole = "".join(f"--b\n{part}\n" for part in parts)
    return [("MIME-Version", "1.0"), ("Content-Type", 'multipart/mixed; boundary="b"')], f"{whole}--b--\n"


async def test_nothing_of_it_leaves(tmp_path: Path) -> None:
    """Notes, drafts, commands and held answers, with customers wherever a mail can name somebody."""
    chance = random.Random(7)
    desk = AnswerDesk(tmp_path, RULES)
    talk = Talk(desk, 0)
    for number in range(MAILS):
        if number % 20 == 0:
            talk = Talk(desk, number)
            await talk.begin()
        to, begins = addressed(chance, talk)
        member, secret = chance.choice(("ewa", "jan", "omar")), f"secret{number:04d}"
        more, body = body_of(chance, begins, secret)
        header = [*header_of(chance, talk, member, to, secret), *more]
        if chance.random() < 0.2:  # what a client, or a list on the way, has marked as a machine's
            header.append(chance.choice(OF_MACHINES))
        raw = "".join(f"{name}: {value}\r\n" for name, value in header) + "\r\n" + body.replace("\n", "\r\n")
        await desk.raw(raw.encode(), to, member=member, sender=f"{member}@team.example")
        for out in await desk.out():
            is_ours = out.copy.mailbox.endswith("@team.example")
            assert is_ours or b"secret" not in out.raw, (to, header)
            assert is_ours or out.copy.role is Role.FORWARD, (to, header)
    await desk.close()


async def test_a_conflict_leaves_nothing(tmp_path: Path) -> None:
    """The answer that was held is in nobody's mail but its author's and those who have it."""
    chance = random.Random(8)
    desk = AnswerDesk(tmp_path, RULES)
    for number in range(MAILS // 10):
        talk = Talk(desk, number)
        await talk.begin()
        await desk.member("ewa", talk.answer, "Of Ewa.")
        assert len(await desk.outside()) == 1
        secret = f"secret{number:04d}"
        more, body = body_of(chance, "", secret)
        header = [*header_of(chance, talk, "jan", [talk.answer], secret), *more]
        raw = "".join(f"{name}: {value}\r\n" for name, value in header) + "\r\n" + body.replace("\n", "\r\n")
        await desk.raw(raw.encode(), [talk.answer], member="jan", sender="jan@team.example")
        assert {out.copy.member for out in await desk.out()} == {"jan"}
    await desk.close()


async def test_customers_see_nothing_internal(tmp_path: Path) -> None:
    """Of an answer whose header has all that clients and hops put there, only what is meant for them."""
    chance = random.Random(9)
    desk = AnswerDesk(tmp_path, RULES)
    for number in range(MAILS // 10):
        talk = Talk(desk, number)
        await talk.begin()
        header = {
            "From": "ewa <ewa@team.example>",
            "To": talk.answer,
            "Subject": "Re: Parcel",
            "Message-ID": f"<e{number}@team.example>",
            "References": talk.message_id,
            "Received": f"from [10.0.0.{number}] by inside.example",
            "DKIM-Signature": "v=1; a=rsa-sha256; d=team.example",
            "Authentication-Results": "inside.example; auth=pass",
        }
        header |= {name: f"internal <{number}@team.example>" for name in chance.sample(INTERNAL, 8)}
        await desk.send(header, "It is here.", (talk.answer,), member="ewa")
        [out] = await desk.outside()
        assert {name for name in out.mail if not name.startswith("Content-")} <= SEEN_BY_CUSTOMERS
        assert b"internal" not in out.raw
        assert b"inside" not in out.raw
        assert b"ewa@" not in out.raw
        assert b"+c." not in out.raw
    await desk.close()
