"""A state that is damaged, lost, too new or in use: the daemon says so and spoils nothing; what it held is exported."""

import re
import smtplib
from collections.abc import Callable
from pathlib import Path

import pytest
from peers.daemon import CONFIG, RouterdDaemon
from peers.damage import spoil
from peers.machine import wait_for

from routerd.store.base import StoreDamagedError
from routerd.store.connection import FILE_NAME, Connection

HOLDING = CONFIG + 'limits_of_rules: [{{files: "*", actions: [all]}}]\n'
RULES = {"10.yaml": "rules:\n  - {name: wait, when: {subject: number}, then: {hold: look first}}\n"}
SAVE = StoreDamagedError.mend
MESSAGES = 5
LARGE = 300_000
# Run by the interpreter before routerd is imported: as if the database were too large to be looked through at once.
LATER = """\
import pathlib, time
import routerd.store.health, routerd.store.opening
routerd.store.opening.look_at_once = lambda db, seconds: False
look = routerd.store.health.Look._run
def late(self):
    while not pathlib.Path("{now}").exists():
        time.sleep(0.01)
    look(self)
routerd.store.health.Look._run = late
"""


@pytest.fixture
def daemon(routerd: Callable[..., RouterdDaemon]) -> RouterdDaemon:
    """It holds some messages."""
    daemon = routerd(config=HOLDING, rules=RULES)
    for number in range(MESSAGES):
        with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as client:
            body = ("x" * 70 + "\r\n") * (LARGE // 72 if number == 1 else 1)
            message = f"From: a@klient.pl\r\nSubject: number {number}\r\n\r\n{body}end of {number}\r\n"
            client.sendmail("a@klient.pl", ["support@example.com"], message)
    return daemon


def _spoil(daemon: RouterdDaemon, table: str) -> None:
    """A page of the closed database is not what it was, and the end was not a clean one."""
    spoil(daemon.state, table)
    (daemon.state / f"{FILE_NAME}-wal").touch()


def _refused_start(daemon: RouterdDaemon) -> str:
    daemon.start(wait=False)
    assert daemon.wait() == 1
    return str(daemon.log_events("daemon_failed")[-1]["reason"])


def _exported(daemon: RouterdDaemon, folder: Path) -> list[bytes]:
    daemon.command("queue", "export", "all", "--to", folder)
    return sorted(path.read_bytes() for path in folder.glob("*.eml"))


@pytest.mark.parametrize("table", ["events", "copies_open", "conversations", "messages_by_queue_id"])
def test_a_damaged_database_is_not_served_and_its_messages_are_exported(
    daemon: RouterdDaemon, tmp_path: Path, table: str
) -> None:
    """Found at the start after an unclean end; nothing is written to it; every message can be had, by what it says."""
    daemon.stop()
    _spoil(daemon, table)
    before = (daemon.state / FILE_NAME).read_bytes()
    reason = _refused_start(daemon)
    assert "the database is damaged" in reason
    assert reason.endswith(SAVE)
    assert (daemon.state / FILE_NAME).read_bytes() == before
    found = _exported(daemon, tmp_path / "saved")
    assert len(found) == MESSAGES
    for number in range(MESSAGES):
        assert any(one.endswith(f"end of {number}\r\n".encode()) for one in found)


def test_damage_that_is_found_later_stops_the_mail(daemon: RouterdDaemon, tmp_path: Path) -> None:
    """A large database is looked through while mail comes in: then 451, with the reason in the log and /readyz."""
    daemon.stop()
    _spoil(daemon, "events")
    site = tmp_path / "site"
    site.mkdir()
    found = site / "now"
    (site / "sitecustomize.py").write_text(LATER.format(now=found))
    daemon.environ["PYTHONPATH"] = str(site)
    daemon.start()
    found.touch()
    (event,) = daemon.wait_for_event("store_trouble")
    assert "the database is damaged" in event["reason"]
    status, text = daemon.http_get("/readyz")
    assert (status, "the database is damaged" in text) == (503, True)
    assert daemon.http_status("/healthz") == 200
    assert daemon.metric("routerd_store_trouble") == 1
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as client:
        client.ehlo("client.test")
        client.mail("a@klient.pl")
        client.rcpt("support@example.com")
        assert client.data("Subject: hi\r\n\r\nhi\r\n")[0] == 451


def _hand_over(daemon: RouterdDaemon, subject: str) -> int:
    """The last reply's code."""
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as client:
        client.ehlo("client.test")
        for code, _ in (client.mail("a@klient.pl"), client.rcpt("support@example.com")):
            if code != 250:
                return code
        return client.data(f"From: a@klient.pl\r\nSubject: {subject}\r\n\r\nend of {subject}\r\n")[0]


@pytest.mark.parametrize(
    "place", ["messages", "bodies", "copies", "events", "conversations", "copies_open", "troubles"]
)
def test_damage_after_a_clean_end_loses_nothing_in_silence(daemon: RouterdDaemon, tmp_path: Path, place: str) -> None:
    """It is met while mail comes in: that is taken and arrives, or told 451; all that was taken is there, or named."""
    daemon.stop()
    spoil(daemon.state, place)
    daemon.start(wait=False)
    taken = {f"number {number}" for number in range(MESSAGES)}
    if _is_ready_or_ended(daemon):
        for number in range(MESSAGES):
            code = _hand_over(daemon, f"later {number}")
            assert code in (250, 451)
            if code == 250:
                taken.add(f"later {number}")
        if len(taken) < 2 * MESSAGES:
            (event,) = daemon.wait_for_event("store_trouble")
            assert event["reason"].endswith(SAVE)
            assert daemon.http_get("/readyz") == (503, f"{event['reason']}\n")
        daemon.stop()
    else:
        assert str(daemon.log_events("daemon_failed")[-1]["reason"]).endswith(SAVE)
    done = daemon.command("queue", "export", "all", "--to", tmp_path / "saved")
    kept = [path.read_bytes() for path in (tmp_path / "saved").glob("*.eml")]
    arrived = [path.read_bytes() for path in (daemon.folder / "mail").rglob("new/*")]
    missing = {one for one in taken if not any(f"Subject: {one}\r\n".encode() in it for it in kept)}
    missing = {one for one in missing if not any(f"Subject: {one}\n".encode() in it for it in arrived)}
    lost = re.search(r"(\d+) were not$", done.stderr.strip())
    assert len(missing) <= (int(lost[1]) if lost else 0), done.stderr


def _is_ready_or_ended(daemon: RouterdDaemon) -> bool:
    def check() -> bool:
        return not daemon.is_running or daemon.http_status("/readyz") in (200, 503)

    wait_for(check, "routerd to be ready, or to end", trouble=daemon.log_text)
    return daemon.is_running


@pytest.mark.parametrize("how", ["emptied", "removed", "cut", "overwritten"])
def test_a_lost_database_is_not_begun_anew(daemon: RouterdDaemon, how: str) -> None:
    """An empty queue would hide what is missing. Put back, all is there."""
    daemon.stop()
    path = daemon.state / FILE_NAME
    content = path.read_bytes()
    path.unlink()
    if how != "removed":
        path.write_bytes({"emptied": b"", "cut": content[: len(content) // 2], "overwritten": b"\0" * 4096}[how])
    reason = _refused_start(daemon)
    assert FILE_NAME in reason or "damaged" in reason
    path.write_bytes(content)
    daemon.start()
    assert daemon.metric("routerd_queue_copies", state="held") == MESSAGES


def test_two_daemons_do_not_share_a_state(daemon: RouterdDaemon, routerd: Callable[..., RouterdDaemon]) -> None:
    """The second one names the first, and ends; the first one never notices."""
    config = HOLDING.replace("{folder}/state", str(daemon.state))
    with pytest.raises(Exception, match=f"is in use by process {daemon.pid}"):
        routerd(config=config, rules=RULES)
    assert daemon.http_status("/readyz") == 200
    assert daemon.metric("routerd_queue_copies", state="held") == MESSAGES


def test_a_state_of_a_newer_routerd_is_left_alone(daemon: RouterdDaemon) -> None:
    """Going back a version is no way to lose mail."""
    daemon.stop()
    path = daemon.state / FILE_NAME
    db = Connection(str(path))
    db.pragma("user_version", 999)
    db.close()
    before = path.read_bytes()
    assert "newer" in _refused_start(daemon)
    assert path.read_bytes() == before
