"""Bounces for strangers whom `return_path: srs` wrapped, through the router and a real store, and through Postfix."""

import smtplib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from annotated import value
from peers.daemon import CONFIG, RouterdDaemon
from peers.postfix import Postfix

from routerd.auth.signers import Signers
from routerd.config.settings import Addresses, Settings
from routerd.delivery.aftermath.notifier import Bureau
from routerd.delivery.aftermath.sending_back import SendingBack, is_sent_back
from routerd.delivery.letter import ReturnPaths, content_of
from routerd.delivery.routes import Routes
from routerd.desk.changes import Role
from routerd.desk.roster import Roster
from routerd.message.address import parse_address
from routerd.message.envelope import (
    Accepted,
    Client,
    Envelope,
    Protocol,
    Purpose,
    QueueId,
    Received,
    Recipient,
    Verdict,
)
from routerd.message.key_ring import KeyRing
from routerd.message.srs import issue_srs
from routerd.ops.metrics import Metrics
from routerd.store.base import Copy, CopyState, Forgo
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore, open_store

NOW = datetime(2026, 1, 15, 10, tzinfo=UTC)
SUPPORT = parse_address("support@example.com")
KEY = KeyRing.begun(b"k" * 32)
ANYWHERE = {"domain": "*", "smtp": ["relay.example.net:25"]}
BOUNCE = b"From: MAILER-DAEMON@mail.example.com\r\nSubject: Undelivered\r\nX-Labels: forged\r\n\r\nNobody is there.\r\n"


def settings(*routes: dict[str, Any]) -> Settings:
    return Settings.model_validate(
        {
            "hostname": "mx1.example.com",
            "postmaster": "jan",
            "members": {"jan": {"mailbox": "jan@mail.example.com"}},
            "inboxes": {str(SUPPORT): {"default": "jan"}},
            "delivery": list(routes),
        }
    )


class Desk:
    """What stands between intake and delivery of such bounces."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: SqliteStore = open_store(folder)
        self.metrics = Metrics()
        self.copies: list[Copy] = []
        self.settings = settings(ANYWHERE)
        self._sending_back = SendingBack(self.store, self._bureau, self._take, self.metrics)
        self._count = 0

    async def bounce(self, sender: str = "anna@klient.pl", raw: bytes = BOUNCE) -> Verdict:
        self._count += 1
        path = issue_srs(sender, SUPPORT, NOW, Addresses(), KEY)
        assert path is not None
        recipient = Recipient(parse_address(path), Purpose.WRAPPED, path, original=parse_address(sender))
        client = Client("192.0.2.1", 1, "client", Protocol.SMTP, "listener")
        received = Received(QueueId(f"01J{self._count:023}"), Envelope("", (recipient,)), client, raw, NOW)
        assert is_sent_back(received.envelope)
        return await self._sending_back.take(received)

    def as_it_leaves(self, copy: Copy) -> bytes:
        content, fault = content_of(copy, BOUNCE, trusts_us=False)
        assert fault is None
        return bytes(content.head) + bytes(content.raw[content.body_start :])

    def _bureau(self) -> Bureau:
        return Bureau(self.settings, Roster(self.settings), Routes(self.settings), Signers())

    def _take(self, copies: Sequence[Copy], _raw: object) -> None:
        self.copies.extend(copies)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path / "state")
    yield made
    await made.store.close()


async def test_it_goes_to_the_sender_and_to_nobody_else(desk: Desk) -> None:
    """One copy, durable before the answer, from <>; nobody of ours has one."""
    verdict = await desk.bounce()
    assert isinstance(verdict, Accepted)
    [copy] = desk.copies
    assert (copy.mailbox, copy.role, copy.state) == ("anna@klient.pl", Role.FORWARD, CopyState.QUEUED)
    assert copy.destination == "smtp:relay.example.net:25"
    assert await desk.store.find_copies([copy.queue_id]) == (copy,)
    for style in ("inbox", "keep", "srs"):
        assert ReturnPaths(style, Addresses(), KEY).of(copy, NOW) == ""
    assert desk.metrics.registry.get_sample_value("routerd_bounces_sent_back_total") == 1


async def test_its_bytes_stay_but_for_how_it_came_and_what_is_forged(desk: Desk) -> None:
    """With our Received and trace on top; nothing of who works here."""
    await desk.bounce()
    [copy] = desk.copies
    sent = desk.as_it_leaves(copy)
    assert sent.endswith(b"Subject: Undelivered\r\n\r\nNobody is there.\r\n")
    assert value(sent, "Delivered-To").strip().endswith("=klient.pl=anna@example.com")
    assert "by mx1.example.com (routerd)" in value(sent, "Received")
    assert b"jan" not in sent


async def test_what_was_taken_back_already_does_not_go_round(desk: Desk) -> None:
    """A mailbox that forwards to a wrapped address of its own: known by our trace, in whatever way it is wrapped."""
    await desk.bounce()
    sent = desk.as_it_leaves(desk.copies[0])
    verdict = await desk.bounce("Anna@klient.pl", raw=sent)
    assert getattr(verdict, "status", "") == "5.4.6"
    assert isinstance(await desk.bounce("ewa@klient.pl", raw=sent), Accepted)


async def test_what_came_over_too_many_hops_goes_no_further(desk: Desk) -> None:
    """Where the other server cuts our trace."""
    verdict = await desk.bounce(raw=b"Received: from a by b; date\r\n" * 51 + BOUNCE)
    assert getattr(verdict, "status", "") == "5.4.6"
    assert not desk.copies


async def test_a_sender_to_whom_no_route_leads_is_refused(desk: Desk) -> None:
    """A config that was changed since: nothing is taken that could not go on."""
    desk.settings = settings({"domain": "mail.example.com", "smtp": ["mail.example.com:25"]})
    verdict = await desk.bounce()
    assert getattr(verdict, "code", 0) == 550
    assert not desk.copies


async def test_nobody_is_told_where_it_cannot_be_delivered(desk: Desk) -> None:
    """No bounce of a bounce, nor a notice of it; the history has it."""
    await desk.bounce()
    [copy] = desk.copies
    assert await desk.store.conclude(copy, Forgo("550 5.1.1 nobody"), NOW) == ()
    assert not await desk.store.untold(NOW, NOW - NOW)
    with QueueView.open(desk.folder) as view:
        history = view.show(copy.queue_id)
    assert history is not None
    assert [event.kind for event in history.events] == ["bounce_sent_back", "copy_failed"]


@pytest.fixture
def wrapping(
    behind: Callable[..., Postfix],
    routerd: Callable[..., RouterdDaemon],
    free_port: Callable[[], int],
    tmp_path: Path,
) -> Any:
    """routerd with `return_path: srs`, and a Postfix behind that takes all mail and finds out later who is there."""
    port = free_port()
    back = f"inline:{{{{ example.com=smtp:[127.0.0.1]:{port} }}}}"
    server = behind(
        "mail.example.com", ["jan"], settings={"transport_maps": back, "smtpd_reject_unlisted_recipient": "no"}
    )
    daemon = routerd(
        config=CONFIG.replace("{smtp_port}", str(port)) + "return_path: srs\n",
        delivery='  - {domain: klient.pl, maildir: "' + str(tmp_path / "{local}") + '"}\n'
        f'  - {{domain: "*", smtp: "127.0.0.1:{server.port}", tls: none}}',
    )
    daemon.smtp_port = port
    return daemon, server, tmp_path


def _send(port: int, sender: str, recipient: str, text: str = "Where?") -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.net", timeout=60) as client:
        message = f"From: Anna <{sender}>\r\nTo: {recipient}\r\nSubject: parcel\r\n\r\n{text}\r\n"
        assert not client.sendmail(sender, [recipient], message.encode())


def test_a_bounce_of_a_real_postfix_goes_back_to_who_wrote(wrapping: Any, wait_until: Any) -> None:
    """Ewa's server took the copy and finds no mailbox: Anna hears of it, and the queues are empty."""
    daemon, server, mail = wrapping
    _send(daemon.smtp_port, "anna.maria+7@klient.pl", "billing@example.com")
    folder = mail / "anna.maria+7" / "new"
    wait_until(lambda: any(folder.glob("*")), "the bounce", trouble=lambda: daemon.log_text()[-5000:])
    [bounce] = [path.read_bytes() for path in folder.glob("*")]
    assert b"multipart/report" in bounce
    assert b"ewa@mail.example.com" in bounce
    assert value(bounce, "Delivered-To").endswith("=klient.pl=anna.maria+7@example.com")
    assert daemon.metric("routerd_bounces_sent_back_total") == 1
    traced = daemon.command("trace", value(bounce, "X-Routerd-Id")).stdout
    assert "a bounce of what anna.maria+7@klient.pl wrote: taken on to that sender" in traced
    wait_until(lambda: not server.queue(), "an empty queue behind", trouble=server.log)


def test_what_is_refused_in_the_dialogue_goes_to_the_next_in_line(
    behind: Callable[..., Postfix], routerd: Callable[..., RouterdDaemon], wait_until: Any
) -> None:
    """As with every return path: the stranger hears nothing of it."""
    server = behind("mail.example.com", ["jan"])
    delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{server.port}", tls: none}}'
    daemon = routerd(config=CONFIG + "return_path: srs\n", delivery=delivery)
    _send(daemon.smtp_port, "anna@klient.pl", "billing@example.com", text="Here?")

    def rerouted() -> list[bytes]:
        mails = [path.read_bytes() for path in (server.folder / "mail" / "jan" / "new").glob("*")]
        return [mail for mail in mails if b"Here?" in mail]

    [copy] = wait_until(rerouted, "jan's copy", trouble=lambda: daemon.log_text()[-5000:])
    assert value(copy, "X-Labels") == "rerouted"
    assert value(copy, "Return-Path").startswith("<SRS0=")
    assert daemon.metric("routerd_bounces_sent_back_total") == 0
