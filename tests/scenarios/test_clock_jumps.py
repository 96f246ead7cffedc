"""A daemon whose machine's clock is set by years, forward and back: nothing expires, nothing storms."""

import asyncio
import smtplib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from peers.clock import SettableClock
from peers.daemon import CONFIG, RouterdDaemon
from peers.machine import wait_for
from scripted_next_hop import NextHop

COPIES = 12
NOTICES = 3  # that so much is late, to the postmaster, one for each hour of the clock
YEARS = timedelta(days=3653)
NONE = timedelta(0)
PATIENT = CONFIG.replace("retry: {{first: 1s, factor: 1, max: 1s}}", "retry: {{first: 1h, give_up: 5d}}")


def _send(daemon: RouterdDaemon) -> None:
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as client:
        message = "From: a@klient.pl\r\nSubject: hi\r\n\r\nhello\r\n"
        client.sendmail("a@klient.pl", ["support@example.com"], message)


def _tried(daemon: RouterdDaemon, state: str = "deferred") -> float:
    return daemon.metric("routerd_deliveries_total", outcome=state)


@pytest.mark.parametrize("jumps", [(YEARS, -YEARS, NONE), (-YEARS, YEARS, NONE)], ids=["forward", "back"])
async def test_a_clock_that_is_set_expires_nothing_and_begins_no_storm(
    routerd: Callable[..., RouterdDaemon], need: Callable[[str, str], str], tmp_path: Path, jumps: tuple[timedelta, ...]
) -> None:
    """What waits is tried about once after each jump, new mail is taken meanwhile, and in the end all arrives once."""
    clock = SettableClock(tmp_path, need("cc", "gcc"))
    hop = await NextHop(answer=lambda step, connection: "451 4.3.0 later" if step == "rcpt" else None).start()
    delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{hop.port}", tls: none}}'

    def live() -> RouterdDaemon:
        daemon = routerd(config=PATIENT, delivery=delivery, environ=clock.environ)
        for _ in range(COPIES):
            _send(daemon)
        wait_for(lambda: _tried(daemon) >= COPIES, "first attempts", 60.0, daemon.log_text)
        for number, ahead in enumerate(jumps, 1):
            before = _tried(daemon)
            clock.set(ahead)
            daemon.config_path.write_text(daemon.config_path.read_text() + "\n")
            daemon.signal(1)  # SIGHUP: an occasion to look at the clock; else it is looked at once a minute
            daemon.wait_for_event("config_reloaded", number)
            _send(daemon)
            waiting = COPIES + number
            wait_for(lambda: _tried(daemon) >= before + waiting, "an attempt each", 60.0, daemon.log_text)  # noqa: B023
            assert _tried(daemon) <= before + 2 * waiting, "a storm"
            assert waiting <= daemon.metric("routerd_queue_copies", state="queued") <= waiting + NOTICES
            assert daemon.metric("routerd_queue_copies", state="held") == 0
            assert daemon.http_status("/readyz") == 200
        return daemon

    daemon = await asyncio.to_thread(live)
    hop.answer = lambda step, connection: None
    done = await asyncio.to_thread(daemon.command, "queue", "retry", "all")
    assert done.returncode == 0, done.stderr
    await asyncio.to_thread(
        wait_for, lambda: daemon.metric("routerd_queue_copies", state="queued") == 0, "an empty queue", 60.0
    )
    copies = [one for one in hop.taken if one.content.startswith(b"Delivered-To: support@example.com\r\n")]
    assert len(copies) == COPIES + len(jumps)
    assert len(hop.taken) <= len(copies) + NOTICES
    hop.stop()
