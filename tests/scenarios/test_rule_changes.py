"""A team edits its rules while the daemon runs."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

from peers.daemon import RouterdDaemon
from peers.machine import free_port

GOOD = """\
rules:
  - name: invoices
    when: {subject: faktura}
    then: {assign: finance, label: invoice}
"""
BROKEN = """\
rules:
  - name: invoices
    when: {subject: faktura}
    then: {assign: finace, label: invoice}
  - name: invoices
    when: {}
    then: {label: "two words"}
"""


def _message(number: int) -> bytes:
    return (
        f"From: a@klient.pl\r\nTo: support@example.com\r\nSubject: Faktura {number}\r\n"
        f"Message-ID: <{number}@klient.pl>\r\n\r\nx\r\n"
    ).encode()


def test_a_broken_file_never_takes_effect_and_a_mended_one_does(
    routerd: Callable[..., RouterdDaemon], swaks: Callable[..., str]
) -> None:
    """`check` names every problem with its place; the old rules stay, log and metric say so; SIGHUP reads anew."""
    daemon = routerd(rules={"10-invoices.yaml": GOOD})
    (daemon.rules / "10-invoices.yaml").write_text(BROKEN)
    checked = daemon.command("check")
    assert checked.returncode == 1
    places = [line.partition(": ")[0].rpartition("10-invoices.yaml")[2] for line in checked.stdout.splitlines()]
    assert places == [":4:20", ":5:11", ":6:11", ":7:19"]
    assert "did you mean 'finance'" in checked.stdout

    daemon.wait_for_event("ruleset_kept")
    assert daemon.metric("routerd_reloads_total", result="error") == 1
    assert len(daemon.log_events("ruleset_refused")) == 4
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_event("ruleset_kept", 2)
    assert daemon.metric("routerd_reloads_total", result="error") == 2
    swaks(daemon.smtp_port, _message(1), sender="a@klient.pl", recipients=["support@example.com"])
    [copy] = daemon.wait_for_copies(1)
    assert b"X-Labels: invoice\n" in copy

    (daemon.rules / "10-invoices.yaml").write_text(GOOD.replace("label: invoice", "label: bill"))
    daemon.wait_for_event("ruleset_reloaded")
    assert daemon.metric("routerd_reloads_total", result="ok") == 1
    swaks(daemon.smtp_port, _message(2), sender="a@klient.pl", recipients=["support@example.com"])
    assert any(b"X-Labels: bill\n" in copy for copy in daemon.wait_for_copies(2))


def test_a_reload_says_what_waits_for_a_restart(routerd: Callable[..., RouterdDaemon]) -> None:
    """The config was read anew; a listener that is new is not open yet, one that is gone still is."""
    daemon = routerd(rules={"10-invoices.yaml": GOOD})
    text = daemon.config_path.read_text()
    before = f"127.0.0.1:{daemon.smtp_port}"
    assert before in text
    after = f"127.0.0.1:{free_port()}"
    daemon.config_path.write_text(text.replace(before, after))
    daemon.signal(signal.SIGHUP)
    [event] = daemon.wait_for_event("restart_needed")
    assert (event["keys"], event["added"], event["still_open"]) == ([], [after], [before])
    assert daemon.wait_for_event("config_reloaded")[0]["config"] == str(daemon.config_path)


def test_rules_that_come_by_a_swapped_link_take_effect_by_themselves(
    routerd: Callable[..., RouterdDaemon], swaks: Callable[..., str], tmp_path: Path
) -> None:
    """A release is put in place by one rename; the copies name the revision that decided."""
    daemon = routerd(rules={"10-invoices.yaml": GOOD})
    [first] = daemon.wait_for_event("daemon_started")
    release = tmp_path / "releases" / "2"
    release.mkdir(parents=True)
    (release / "10-invoices.yaml").write_text(GOOD.replace("label: invoice", "label: bill"))
    daemon.rules.rename(tmp_path / "releases" / "1")
    daemon.rules.symlink_to(release)
    [reloaded] = daemon.wait_for_event("ruleset_reloaded")
    assert reloaded["revision"] != first["revision"]
    swaks(daemon.smtp_port, _message(1), sender="a@klient.pl", recipients=["support@example.com"])
    [copy] = daemon.wait_for_copies(1)
    assert b"X-Labels: bill\n" in copy


def test_a_start_with_broken_files_uses_the_last_good_ones(
    routerd: Callable[..., RouterdDaemon], swaks: Callable[..., str]
) -> None:
    """Over a restart too; and log and metric say so."""
    daemon = routerd(rules={"10-invoices.yaml": GOOD})
    (daemon.rules / "10-invoices.yaml").write_text(BROKEN)
    daemon.restart()
    assert daemon.metric("routerd_reloads_total", result="error") == 1
    assert daemon.wait_for_event("ruleset_kept")
    swaks(daemon.smtp_port, _message(1), sender="a@klient.pl", recipients=["support@example.com"])
    assert b"X-Labels: invoice\n" in daemon.wait_for_copies(1)[0]


def test_a_first_start_with_broken_files_refuses(routerd: Callable[..., RouterdDaemon]) -> None:
    """There is nothing to fall back on: every problem is printed, and the exit status is 1."""
    daemon = routerd(rules={"10-invoices.yaml": GOOD})
    daemon.stop()
    for path in daemon.state.glob("*"):
        if path.is_file():
            path.unlink()
    (daemon.rules / "10-invoices.yaml").write_text(BROKEN)
    refused = daemon.command("run")
    assert refused.returncode == 1
    plain = [line for line in refused.stderr.splitlines() if not line.startswith("{")]
    assert len([line for line in plain if "10-invoices.yaml:" in line]) == len(plain) == 4
    assert [event["event"] for event in map(json.loads, refused.stderr.splitlines()[: -len(plain)])] == [
        "daemon_failed"
    ]
    assert "Traceback" not in refused.stderr
