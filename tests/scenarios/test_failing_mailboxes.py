"""Mailboxes that fail for real: each message ends with the right next owner, and the postmaster hears of it."""

import asyncio
import json
import signal
import smtplib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from annotated import value
from peers.clock import SettableClock
from peers.daemon import CONFIG, RouterdDaemon
from peers.dovecot import DovecotLmtp
from peers.machine import PeerError
from peers.postfix import Postfix
from scripted_next_hop import NextHop

from routerd.message.bounce import parse_bounce
from routerd.message.delivery_report import Action, DeliveryReport
from routerd.message.view import MessageView

MESSAGE = (
    b"From: Anna <anna@klient.pl>\r\nTo: billing@example.com\r\nSubject: parcel\r\nMessage-ID: <7@klient.pl>\r\n\r\n"
    b"Where?\r\n"
)
EWA = "ewa@mail.example.com"
NOTICE_BYTES = b"Content-Type: multipart/report"


def _send(port: int, message: bytes = MESSAGE, recipient: str = "billing@example.com", sender: str = "a@k.pl") -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.net", timeout=60) as client:
        assert not client.sendmail(sender, [recipient], message)


def _mails(server: Postfix | DovecotLmtp, member: str) -> list[bytes]:
    if isinstance(server, DovecotLmtp):
        folder = server.maildir(f"{member}@mail.example.com") / "new"
    else:
        folder = server.folder / "mail" / member / "new"
    return [path.read_bytes() for path in sorted(folder.glob("*"))]


def _wait_for_both(server: Postfix | DovecotLmtp, daemon: RouterdDaemon, wait_until: Any) -> tuple[bytes, bytes]:
    """Jan's copy and, as he is the postmaster, the notice."""

    def both() -> tuple[bytes, bytes] | None:
        mails = _mails(server, "jan")
        notices = [mail for mail in mails if NOTICE_BYTES in mail]
        others = [mail for mail in mails if NOTICE_BYTES not in mail]
        assert len(notices) <= 1
        assert len(others) <= 1
        return (others[0], notices[0]) if notices and others else None

    def logs() -> str:
        return daemon.log_text()[-5000:] + (server.log()[-5000:] if isinstance(server, Postfix) else "")

    found: tuple[bytes, bytes] = wait_until(both, "the copy and the notice", trouble=logs)
    return found


def _assert_tells(notice: bytes, status: str) -> None:
    assert b"Return-Path: <>" in notice
    said = parse_bounce(MessageView(notice), "")
    assert isinstance(said, DeliveryReport)
    [recipient] = said.recipients
    assert (recipient.address, recipient.action, recipient.status) == (EWA, Action.FAILED, status)
    assert b"Given to the next in line" in notice
    assert b"now for jan" in notice


@pytest.fixture
def bouncing(
    behind: Callable[..., Postfix], routerd: Callable[..., RouterdDaemon], free_port: Callable[[], int]
) -> Any:
    """`bouncing(**settings)`: routerd, and a Postfix that hands mail for example.com to it and has jan's mailbox.

    `environ` is the daemon's, `onward` another table of where the Postfix sends what.
    """

    def start(
        environ: Mapping[str, str] | None = None, onward: str = "", **settings: str
    ) -> tuple[RouterdDaemon, Postfix]:
        port = free_port()
        back = f"{onward} inline:{{{{ example.com=smtp:[127.0.0.1]:{port} }}}}"
        server = behind("mail.example.com", ["jan", "omar"], settings={"transport_maps": back, **settings})
        daemon = routerd(
            config=CONFIG.replace("{smtp_port}", str(port)),
            delivery=f'  - {{domain: "*", smtp: "127.0.0.1:{server.port}", tls: none}}',
            environ=environ,
        )
        daemon.smtp_port = port
        return daemon, server

    return start


def test_a_bounce_of_a_real_postfix_takes_the_message_to_the_next_in_line(bouncing: Any, wait_until: Any) -> None:
    """It had said 250; its report is consumed, and what it says is in the history."""
    daemon, server = bouncing(smtpd_reject_unlisted_recipient="no")
    _send(daemon.smtp_port)
    copy, notice = _wait_for_both(server, daemon, wait_until)
    assert value(copy, "X-Assigned-To") == "jan@mail.example.com"
    assert value(copy, "X-Labels") == "rerouted"
    assert "a bounce came back from mx.example.test" in value(copy, "X-Routerd-Why")
    _assert_tells(notice, "5.1.1")
    assert daemon.metric("routerd_bounces_total", action="failed", result="acted") == 1
    assert daemon.metric("routerd_notices_total", kind="rerouted") == 1
    shown = daemon.command("queue", "show", value(copy, "X-Routerd-Id"))
    assert "unknown user" in shown.stdout
    assert not server.queue()


async def test_a_bounce_that_a_real_postfix_sends_an_hour_later_is_acted_upon(
    bouncing: Any, need: Callable[[str, str], str], tmp_path: Path, wait_until: Any
) -> None:
    """It took the copy and tried for an hour to hand it on; then its own next hop knows no such mailbox any more."""
    clock = SettableClock(tmp_path, need("cc", "gcc"))
    answers = {"rcpt": "450 4.2.0 busy"}
    beyond = await NextHop(answer=lambda step, connection: answers.get(step)).start()

    def live() -> None:
        onward = f"inline:{{{{ {EWA}=smtp:[127.0.0.1]:{beyond.port} }}}}"
        daemon, server = bouncing(clock.environ, onward, smtpd_reject_unlisted_recipient="no")
        _send(daemon.smtp_port)
        [delivered] = daemon.wait_for_event("copy_delivered")
        wait_until(server.queue, "the copy in Postfix's queue", trouble=server.log)
        wait_until(lambda: beyond.connections, "its first attempt", trouble=server.log)
        assert not daemon.log_events("bounce_received")
        clock.set(timedelta(hours=1))
        answers["rcpt"] = "550 5.1.1 no such mailbox any more"

        def flushing(condition: Callable[[], Any], what: str, trouble: Any) -> Any:
            """What is not there yet, Postfix may have skipped while the first attempt had not quite ended."""
            return wait_until(lambda: condition() or server.flush(), what, trouble=trouble)

        copy, notice = _wait_for_both(server, daemon, flushing)
        assert value(copy, "X-Assigned-To") == "jan@mail.example.com"
        assert value(copy, "X-Labels") == "rerouted"
        assert "no such mailbox any more" in value(copy, "X-Routerd-Why")
        _assert_tells(notice, "5.1.1")
        [bounced] = daemon.wait_for_event("bounce_received")
        later = datetime.fromisoformat(bounced["timestamp"]) - datetime.fromisoformat(delivered["timestamp"])
        assert later >= timedelta(minutes=59)
        told = daemon.command("trace", value(copy, "X-Routerd-Id")).stdout
        assert "copy 1 for ewa: a bounce came back from mx.example.test: failed 5.1.1" in told
        assert "copy 1 for ewa: given to jan as copy 2" in told
        assert not server.queue()

    try:
        await asyncio.to_thread(live)
    finally:
        beyond.stop()


def test_a_mailbox_that_forwards_back_to_us_is_a_loop_and_goes_to_the_next_in_line(
    bouncing: Any, wait_until: Any
) -> None:
    """Through another server and back: once round, refused as a loop, and its bounce is about the mailbox."""
    alias = f"inline:{{{{ {EWA}=billing@example.com }}}}"
    daemon, server = bouncing(virtual_alias_maps=alias)
    _send(daemon.smtp_port)
    copy, notice = _wait_for_both(server, daemon, wait_until)
    assert value(copy, "X-Labels") == "rerouted"
    _assert_tells(notice, "5.4.6")
    assert daemon.metric("routerd_rejections_total", reason="loop") == 1
    assert daemon.metric("routerd_messages_received_total", result="accepted") == 2  # it, and its bounce
    assert not server.queue()


def test_a_postmaster_whose_mailbox_forwards_to_us_gets_no_notices_for_ever(bouncing: Any, wait_until: Any) -> None:
    """A notice comes into no inbox, and its bounce goes to nobody."""
    alias = "inline:{{ jan@mail.example.com=support@example.com }}"
    daemon, server = bouncing(virtual_alias_maps=alias, smtpd_reject_unlisted_recipient="no")
    _send(daemon.smtp_port)
    wait_until(lambda: daemon.metric("routerd_notices_total") >= 1, "a notice", trouble=daemon.log_text)
    wait_until(
        lambda: daemon.metric("routerd_rejections_total", reason="loop") >= 2, "both loops", trouble=daemon.log_text
    )
    wait_until(lambda: not server.queue(), "an empty queue behind", trouble=server.log)
    held = json.loads(daemon.command("queue", "list", "--json", "--state", "held").stdout)
    assert [copy["member"] for copy in held] == ["jan"]


def test_a_refusal_for_policy_is_held_and_goes_round_nobody(bouncing: Any, wait_until: Any) -> None:
    """554 5.7.1 for all that comes: the message waits for the postmaster, and so does his notice, without another."""
    daemon, _ = bouncing(smtpd_data_restrictions="reject", smtpd_reject_unlisted_recipient="no")
    _send(daemon.smtp_port)

    def held() -> Any:
        copies = json.loads(daemon.command("queue", "list", "--json", "--state", "held").stdout)
        return copies if len(copies) == 2 else None

    copy, notice = wait_until(held, "message and notice, held", trouble=lambda: daemon.log_text()[-5000:])
    assert (copy["member"], notice["member"]) == ("ewa", "jan")
    assert "5.7.1" in copy["reason"]
    assert daemon.metric("routerd_notices_total") == daemon.metric("routerd_notices_total", kind="held") == 1


@pytest.mark.parametrize("tempfail", [False, True], ids=["552", "452"])
def test_a_full_mailbox_hands_over_to_the_next_in_line(
    routerd: Callable[..., RouterdDaemon], dovecot: Callable[..., DovecotLmtp], wait_until: Any, tempfail: bool
) -> None:
    """Dovecot's quota: at once where it is said for good, after `reroute_after` where it may pass."""
    server = dovecot([EWA, "jan@mail.example.com"], full=[EWA], tempfail=tempfail)
    patience = "retry: {{first: 1s, factor: 1, max: 1s, reroute_after: 2s}}"
    daemon = routerd(
        config=CONFIG.replace("retry: {{first: 1s, factor: 1, max: 1s}}", patience),
        delivery=f'  - {{domain: "*", lmtp: "127.0.0.1:{server.port}"}}',
    )
    _send(daemon.smtp_port)
    copy, notice = _wait_for_both(server, daemon, wait_until)
    assert value(copy, "X-Labels") == "rerouted"
    _assert_tells(notice, "4.2.2" if tempfail else "5.2.2")


BOUNCE = b"""From: MAILER-DAEMON@mail.example.com
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com

Final-Recipient: rfc822; ewa@mail.example.com
Action: failed
Status: 5.1.1
--b--
""".replace(b"\n", b"\r\n")


@pytest.mark.parametrize("point", ["before-bounce", "before-commit:2", "after-commit:2", "after-bounce"])
def test_a_death_while_a_bounce_is_acted_upon_loses_nothing(
    routerd: Callable[..., RouterdDaemon], behind: Callable[..., Postfix], wait_until: Any, point: str
) -> None:
    """The server that reports keeps its report until 250, and sends it again: the message moves on once.

    The first commit is the message's own, the second what follows from the report.
    """
    server = behind("mail.example.com", ["ewa", "jan"])
    daemon = routerd(
        delivery=f'  - {{domain: "*", smtp: "127.0.0.1:{server.port}", tls: none}}',
        environ={"ROUTERD_CRASH_AT": point},
    )
    _send(daemon.smtp_port)
    [copy] = wait_until(lambda: _mails(server, "ewa"), "Ewa's copy", trouble=lambda: daemon.log_text()[-3000:])
    wait_until(lambda: daemon.log_events("copy_delivered"), "its conclusion")
    return_path = value(copy, "Return-Path").strip("<>")
    with pytest.raises((smtplib.SMTPException, OSError)):
        _send(daemon.smtp_port, BOUNCE, return_path, "")
    assert daemon.wait() == -signal.SIGKILL
    del daemon.environ["ROUTERD_CRASH_AT"]
    daemon.start()
    _send(daemon.smtp_port, BOUNCE, return_path, "")
    moved, _ = _wait_for_both(server, daemon, wait_until)
    assert value(moved, "X-Labels") == "rerouted"
    assert len(_mails(server, "ewa")) == 1


@pytest.mark.parametrize("point", ["before-commit", "after-commit"])
def test_a_death_while_a_notice_is_written_loses_none_and_doubles_none(
    routerd: Callable[..., RouterdDaemon], behind: Callable[..., Postfix], wait_until: Any, point: str
) -> None:
    """The second commit after the message's own is the notice's."""
    server = behind("mail.example.com", ["jan"])
    daemon = routerd(
        delivery=f'  - {{domain: "*", smtp: "127.0.0.1:{server.port}", tls: none}}',
        environ={"ROUTERD_CRASH_AT": f"{point}:2"},
    )
    _send(daemon.smtp_port)
    try:
        assert daemon.wait() == -signal.SIGKILL
    except PeerError:
        pytest.fail(daemon.log_text()[-5000:])
    del daemon.environ["ROUTERD_CRASH_AT"]
    daemon.start()
    _wait_for_both(server, daemon, wait_until)
