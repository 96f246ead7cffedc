"""The running daemon's keys turn, are renewed and revoked: what it gave out holds, or holds no more, at once."""

import json
import re
import smtplib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from peers.clock import SettableClock
from peers.daemon import RouterdDaemon

MAIL = (
    b"From: anna@klient.pl\r\nTo: support@example.com\r\nSubject: {n}\r\nMessage-ID: <{n}@klient.pl>\r\n\r\nHello.\r\n"
)


def given_out(daemon: RouterdDaemon, number: int) -> tuple[str, str]:
    """Two addresses of a copy of a new message: for notes, and for drafts."""
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as client:
        client.sendmail("anna@klient.pl", ["support@example.com"], MAIL.replace(b"{n}", b"%d" % number))
    copies = daemon.wait_for_copies(number)
    [copy] = [one for one in copies if b"Message-ID: <%d@klient.pl>" % number in one]
    unfolded = re.sub(rb"\r?\n[ \t]+", b" ", copy)
    note, draft = (re.search(rb"X-Routerd-%s: <mailto:([^>]+)>" % name, unfolded) for name in (b"Note", b"Draft"))
    assert note
    assert draft
    return note[1].decode(), draft[1].decode()


def replies(daemon: RouterdDaemon, addresses: tuple[str, ...]) -> list[int]:
    """What each of them is answered with at RCPT."""
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as client:
        client.ehlo()
        client.mail("")
        return [client.rcpt(address)[0] for address in addresses]


def states(daemon: RouterdDaemon) -> list[tuple[str, int, str]]:
    listed = json.loads(daemon.command("keys", "list", "--json").stdout)
    return [(one["signs"], one["number"], one["state"]) for one in listed]


def test_keys_turn_while_it_runs_and_over_a_restart(
    routerd: Callable[..., RouterdDaemon], need: Callable[[str, str], str], tmp_path: Path, wait_until: Any
) -> None:
    """Whatever was given out under the key before is taken under the next one, which comes ahead of its first day; by
    itself when it is time. Then a key leaks: nothing of before is taken, and what is given out from then on is."""
    clock = SettableClock(tmp_path, need("cc", "gcc"))
    daemon = routerd(environ=clock.environ)
    first = given_out(daemon, 1)
    assert states(daemon) == [("addresses", 1, "signs"), ("traces", 1, "signs")]
    renewed = daemon.command("keys", "renew")
    assert renewed.returncode == 0, renewed.stderr
    assert states(daemon)[:2] == [("addresses", 1, "signs"), ("addresses", 2, "is to come")]
    clock.set(timedelta(days=3))
    second = given_out(daemon, 2)
    assert states(daemon)[:2] == [("addresses", 1, "still read"), ("addresses", 2, "signs")]
    assert replies(daemon, first + second) == [250] * 4
    assert daemon.terminate() == 0
    clock.set(timedelta(days=3 + 89))
    daemon.start()  # and the sweep at the start finds that it is time
    wait_until(lambda: len(states(daemon)) == 6, "the next keys", trouble=daemon.log_text)
    assert replies(daemon, first + second) == [250] * 4
    third = given_out(daemon, 3)
    assert replies(daemon, third) == [250] * 2
    revoked = daemon.command("keys", "renew", "--revoke", "--yes")
    assert revoked.returncode == 0, revoked.stderr
    wait_until(lambda: any(told["revoked"] for told in daemon.log_events("keys_renewed")), "a word of it in the log")
    fourth = given_out(daemon, 4)
    assert replies(daemon, first + second + third) == [550] * 6
    assert replies(daemon, fourth) == [250] * 2
    daemon.kill9()
    daemon.start()
    assert replies(daemon, first + second + third) == [550] * 6
    assert replies(daemon, fourth) == [250] * 2
