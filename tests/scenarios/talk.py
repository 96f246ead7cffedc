"""What customers, strangers and members write, mail after mail, and into which conversation each goes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from router_desk import NOW, SETTINGS, Desk

from routerd.config.settings import Inbox, Settings
from routerd.desk.changes import Role
from routerd.message.address import parse_address
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, QueueId, Received, Recipient

SUPPORT, BILLING = "support@example.com", "billing@example.com"
ANNA, BOB, MALLORY = "anna@klient.pl", "bob@klient.pl", "mallory@zly.test"
JAN, EWA = "jan@mail.example.com", "ewa@mail.example.com"
_PURPOSES = {"c": Purpose.ANSWER, "n": Purpose.NOTE, "d": Purpose.DRAFT, "b": Purpose.RETURN_PATH}
_AS_INBOX = {"support": SUPPORT, "billing": BILLING}


def settings_with(**inbox: object) -> Settings:
    """`inbox`: options of both inboxes."""
    inboxes = {
        name: Inbox.model_validate({"default": found.default, **inbox}) for name, found in SETTINGS.inboxes.items()
    }
    return SETTINGS.model_copy(update={"inboxes": inboxes})


@dataclass(frozen=True)
class Mail:
    """One mail, and what is expected of it.

    `rcpt`: `support`, `billing`, or `c:ID:MEMBER`, the address for answers (`n` notes, `d` drafts) that MEMBER's copy
    of mail ID bears; several apart by spaces. `into`: a letter for a conversation; one not used before is a new one.
    """

    author: str
    id: str
    into: str
    refs: str = ""  # References: ids apart by spaces
    reply: str = ""  # In-Reply-To
    rcpt: str = "support"
    to: str = ""  # header; default: the inboxes of `rcpt`
    cc: str = ""
    more: str = ""  # further header lines
    subject: str = "parcel"
    body: str = "Where is my parcel?"
    member: str = ""  # logged in as
    sender: str | None = None  # MAIL FROM; default: the author
    after: timedelta = timedelta(minutes=1)  # since the mail before
    suspect: bool = False
    part: str = ""
    twin: bool = False  # the same as one before
    out: str | None = None  # customers whom it goes to, apart by spaces


@dataclass
class Talk:
    folder: Path
    settings: Settings = SETTINGS
    at: datetime = NOW
    desk: Desk = field(init=False)
    _ids: dict[str, QueueId] = field(default_factory=dict)
    _letters: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        self.desk = Desk(self.folder, self.settings)

    async def close(self) -> None:
        await self.desk.store.close()

    async def say(self, mail: Mail) -> None:
        """Fails where it does not go as expected."""
        self._count += 1
        self.at += mail.after
        queue_id = QueueId(f"01J{self._count:023}")
        self._ids[mail.id] = queue_id
        before = len(self.desk.copies)
        client = Client("192.0.2.1", 1, "client", Protocol.SMTP, "listener", member=mail.member or None)
        sender = mail.sender if mail.sender is not None else mail.author.rpartition("<")[2].strip(">")
        envelope = Envelope(sender, tuple(self._recipient(one) for one in mail.rcpt.split()))
        await self.desk.accept(Received(queue_id, envelope, client, self._raw(mail), self.at))
        self._check(mail, queue_id, before)

    def _check(self, mail: Mail, queue_id: QueueId, before: int) -> None:
        (conversation, part, twin_of), labels = self._stored(queue_id)
        known = self._letters.setdefault(mail.into, conversation)
        others = [letter for letter, number in self._letters.items() if number == conversation]
        assert (conversation, others) == (known, [mail.into]), f"{mail.id} went into {others}, not {mail.into}"
        assert ("thread-suspect" in labels) is mail.suspect, f"{mail.id}: {labels}"
        assert (twin_of is not None) is mail.twin, f"{mail.id}: the same as {twin_of}"
        if mail.part:
            assert part == mail.part, f"{mail.id} is {part}"
        if mail.out is not None:
            out = {copy.mailbox for copy in self.desk.copies[before:] if copy.role is Role.ANSWER}
            assert out == set(mail.out.split()), f"{mail.id} went out to {out}"

    def _stored(self, queue_id: QueueId) -> tuple[tuple[int, str, int | None], str]:
        with closing(sqlite3.connect(f"file:{self.folder / 'routerd.db'}?mode=ro", uri=True)) as db:
            row = db.execute(
                "SELECT conversation, part, twin_of, plan_json FROM messages WHERE queue_id = ?", (queue_id,)
            ).fetchone()
        assert row is not None, f"{queue_id} was not taken"
        return row[:3], row[3]

    def _recipient(self, written: str) -> Recipient:
        kind, _, rest = written.partition(":")
        if not rest:
            inbox = _AS_INBOX[kind]
            return Recipient(parse_address(inbox), Purpose.INBOX, inbox)
        mail_id, _, member = rest.partition(":")
        number = None
        if mail_id == "lost":
            number = 999_999
        elif mail_id != "none":
            number = next(
                copy.number
                for copy in self.desk.copies
                if copy.queue_id == self._ids[mail_id] and copy.member == member
            )
        detail = f"{kind}.token"
        address = parse_address(self._named(written))
        return Recipient(address, _PURPOSES[kind], SUPPORT, detail, copy_number=number)

    def _named(self, written: str) -> str:
        kind, _, rest = written.partition(":")
        return SUPPORT.replace("@", f"+{kind}.token@") if rest else _AS_INBOX[kind]

    def _raw(self, mail: Mail) -> bytes:
        return "\r\n".join((*self._header(mail), "", mail.body, "")).encode()

    def _header(self, mail: Mail) -> Iterator[str]:
        yield f"From: {mail.author}"
        yield f"To: {mail.to or ', '.join(self._named(one) for one in mail.rcpt.split())}"
        if mail.cc:
            yield f"Cc: {mail.cc}"
        if mail.id and "no-id" not in mail.id:
            yield f"Message-ID: <{mail.id.partition('#')[0]}@klient.pl>"
        if mail.refs:
            yield f"References: {' '.join(f'<{one}@klient.pl>' for one in mail.refs.split())}"
        if mail.reply:
            yield f"In-Reply-To: <{mail.reply}@klient.pl>"
        yield f"Subject: {mail.subject}"
        if mail.more:
            yield mail.more


FIRST = Mail(f"Anna <{ANNA}>", "1", "A")


def again(mail: Mail, **changes: object) -> Mail:
    """The same mail once more."""
    return replace(mail, **{"twin": True, "id": f"{mail.id}#2", **changes})  # type: ignore[arg-type]
