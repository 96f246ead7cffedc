"""A daemon whose disk has no room: it says so at MAIL, delivers what it has, and is well again by itself."""

import json
import signal
import smtplib
from collections.abc import Callable

from peers.daemon import CONFIG, RouterdDaemon

GRANTING = CONFIG + 'limits_of_rules: [{{files: "*", actions: [all]}}]\nlimits: {{free_space: 1B}}\n'
HOLDING = "rules:\n  - {name: look first, when: {subject: parcel}, then: {hold: look first}}\n"


def _free_space(daemon: RouterdDaemon, before: str, after: str, reload: int) -> None:
    """Asks for so much room by a reload, which needs no restart."""
    text = daemon.config_path.read_text()
    assert f"free_space: {before}" in text
    daemon.config_path.write_text(text.replace(f"free_space: {before}", f"free_space: {after}"))
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_event("config_reloaded", reload)


def _send(daemon: RouterdDaemon, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as client:
        message = f"From: a@klient.pl\r\nSubject: {subject}\r\n\r\nbody\r\n"
        client.sendmail("a@klient.pl", ["support@example.com"], message)


def test_without_room_the_queue_still_drains(routerd: Callable[..., RouterdDaemon]) -> None:
    """New mail is put off before it comes; what was held goes out when it is released; then mail comes again."""
    daemon = routerd(config=GRANTING, rules={"10.yaml": HOLDING})
    _send(daemon, "parcel")
    daemon.wait_for_event("message_accepted")
    [held] = json.loads(daemon.command("queue", "list", "--json").stdout)

    _free_space(daemon, "1B", "900000GB", 1)
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as client:
        client.ehlo("client.test")
        code, text = client.mail("a@klient.pl")
        assert (code, text[:5]) == (452, b"4.3.1")
    assert daemon.metric("routerd_rejections_total", reason="no_space") == 1
    assert daemon.metric("routerd_pressure") == 1
    [complaint] = daemon.wait_for_event("pressure_high")
    assert "'free_space' is 900000000MB" in complaint["reason"]
    assert daemon.command("queue", "release", held["copy"]).returncode == 0
    assert len(daemon.wait_for_copies(1)) == 1

    _free_space(daemon, "900000GB", "1B", 2)
    _send(daemon, "hello")
    assert len(daemon.wait_for_copies(2)) == 2
    assert not daemon.log_events("restart_needed")
