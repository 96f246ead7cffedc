"""The postmaster's commands on a disk without room, and killed in the middle: done or not done, and said so."""

import errno
import smtplib
from collections.abc import Callable
from pathlib import Path

import pytest
from peers.daemon import CONFIG, RouterdDaemon
from shimmed_daemon import ShimmedDisk, start

from routerd.store.base import CopyState
from routerd.store.queue_view import QueueView
from routerd.store.selection import Selection

MESSAGES = 3
LARGE = 300_000
PATIENT = CONFIG.replace("retry: {{first: 1s, factor: 1, max: 1s}}", "retry: {{first: 1h}}")
QUEUED = ["queued"] * MESSAGES
EVERY = [state for state in CopyState if state is not CopyState.DELIVERED]
# One after the other, and what they leave; a bounce finds nobody behind jan.
COMMANDS = {
    "retry": QUEUED,
    "hold": ["held"] * MESSAGES,
    "release": QUEUED,
    "bounce": ["held"] * MESSAGES,
    "drop": ["dropped"] * MESSAGES,
}
# Run by the interpreter before routerd is imported.
DYING_DAEMON = """\
import os, signal
import routerd.delivery.hand
do = routerd.delivery.hand.do_by_hand
async def do_and_die(*arguments):
    if "{when}" == "after":
        await do(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
routerd.delivery.hand.do_by_hand = do_and_die
"""
DYING_EXPORT = """\
import os, signal
import routerd.cli.queue_export as export
name, named = export._name, []
def name_or_die(part, path):
    if named:
        os.kill(os.getpid(), signal.SIGKILL)
    named.append(path)
    name(part, path)
export._name = name_or_die
"""


def _body(number: int) -> str:
    filler = ("x" * 70 + "\r\n") * (LARGE // 72 if number == 1 else 1)
    return f"From: a@klient.pl\r\nSubject: number {number}\r\n\r\n{filler}end of {number}\r\n"


def _fill(daemon: RouterdDaemon) -> None:
    """What waits for a next hop that is not there."""
    for number in range(MESSAGES):
        with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as client:
            client.sendmail("a@klient.pl", ["support@example.com"], _body(number))
    daemon.wait_for_event("copy_deferred", MESSAGES)


def _states(disk: ShimmedDisk) -> list[str]:
    """As `routerd queue list` reads them."""
    with QueueView.open(disk.state) as view:
        return [copy.state.value for copy in view.list(Selection(states=EVERY))]


def _do(daemon: RouterdDaemon, command: str) -> tuple[int, str]:
    options = ("--yes",) if command == "drop" else ()
    done = daemon.command("queue", command, "all", *options)
    assert "Traceback" not in done.stderr
    assert "fault of its own" not in done.stderr
    return done.returncode, done.stderr


@pytest.fixture
def disk(need: Callable[[str, str], str], tmp_path: Path) -> ShimmedDisk:
    return ShimmedDisk(tmp_path / "shimmed", need("cc", "gcc"))


@pytest.fixture
def filled(routerd: Callable[..., RouterdDaemon], disk: ShimmedDisk, free_port: Callable[[], int]) -> RouterdDaemon:
    nowhere = f'  - {{domain: "*", smtp: "127.0.0.1:{free_port()}", tls: none}}'
    config = PATIENT.replace("{folder}/state", str(disk.state))
    daemon = start(routerd, disk, config=config, delivery=nowhere)  # type: ignore[arg-type]
    _fill(daemon)
    return daemon


@pytest.mark.parametrize("beside", [True, False], ids=["beside the daemon", "without one"])
def test_without_room_a_command_changes_nothing_and_says_so(
    filled: RouterdDaemon, disk: ShimmedDisk, beside: bool
) -> None:
    """With room again it does what it was told."""
    if not beside:
        filled.stop()
    before = QUEUED
    for command, then in COMMANDS.items():
        for call in ("write", "sync") if command == "hold" else ("write",):
            disk.fail(call, errno.ENOSPC)
            status, said = _do(filled, command)
            assert (status, "no room left where the state lives" in said) == (1, True), said
            disk.heal()
            assert _states(disk) == before
        assert _do(filled, command)[0] == 0
        assert _states(disk) == then
        before = then


def test_an_export_to_a_full_disk_leaves_nothing_torn(filled: RouterdDaemon, disk: ShimmedDisk) -> None:
    """Each message that finds no room is named; what is there is whole, the rest comes by the same command later."""
    folder = disk.root / "saved"
    folder.mkdir()
    ids = [event["id"] for event in filled.log_events("message_accepted")]
    disk.fail("write", errno.ENOSPC, suffix=f"{ids[1]}.eml.part")
    done = filled.command("queue", "export", "all", "--to", folder)
    assert (done.returncode, done.stderr) == (1, f"{ids[1]}: No space left on device\n")
    assert {path.name for path in folder.iterdir()} == {f"{ids[0]}.eml", f"{ids[2]}.eml"}
    disk.fail("write", errno.ENOSPC)
    done = filled.command("queue", "export", ids[0])
    assert (done.returncode, done.stdout) == (0, _body(0).replace("\r\n", "\n")), "the state's own disk is only read"
    disk.heal()
    again = filled.command("queue", "export", "all", "--to", folder)
    assert (again.returncode, again.stderr.count("is there already")) == (1, 2)
    assert [(folder / f"{one}.eml").read_bytes() for one in ids] == [_body(n).encode() for n in range(MESSAGES)]
    assert len(list(folder.iterdir())) == MESSAGES


def test_a_command_that_is_killed_was_done_or_was_not(filled: RouterdDaemon, disk: ShimmedDisk) -> None:
    """Never in half, and the next daemon goes by it."""
    filled.stop()
    before = QUEUED
    for command, then in COMMANDS.items():
        for point in ("before-write", "after-write"):
            filled.environ["ROUTERD_CRASH_AT"] = point
            assert _do(filled, command) == (-9, "")
            assert _states(disk) == (before if point == "before-write" else then)
        before = then
    del filled.environ["ROUTERD_CRASH_AT"]
    filled.start()
    assert filled.metric("routerd_store_trouble") == 0
    assert _states(disk) == before


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_daemon_that_is_killed_in_a_command_has_done_it_or_not(
    filled: RouterdDaemon, disk: ShimmedDisk, tmp_path: Path, when: str
) -> None:
    """The command says that it does not know; said again, it is done."""
    filled.stop()
    (tmp_path / "sitecustomize.py").write_text(DYING_DAEMON.format(when=when))
    filled.environ["PYTHONPATH"] = str(tmp_path)
    filled.start()
    status, said = _do(filled, "hold")
    assert filled.wait() == -9
    assert status == 1
    assert "the daemon broke off before it had answered: see by 'routerd queue list' what it did" in said
    assert _states(disk) == (QUEUED if when == "before" else COMMANDS["hold"])
    assert _do(filled, "hold")[1] == ("" if when == "before" else "nothing fits\n")
    assert _states(disk) == COMMANDS["hold"]


def test_an_export_that_is_killed_leaves_whole_files(filled: RouterdDaemon, tmp_path: Path) -> None:
    """The same command goes on where it ended."""
    (tmp_path / "sitecustomize.py").write_text(DYING_EXPORT)
    filled.environ["PYTHONPATH"] = str(tmp_path)
    folder = tmp_path / "saved"
    assert filled.command("queue", "export", "all", "--to", folder).returncode == -9
    [first] = folder.glob("*.eml")
    assert first.read_bytes() == _body(0).encode()
    del filled.environ["PYTHONPATH"]
    again = filled.command("queue", "export", "all", "--to", folder)
    assert (again.returncode, again.stderr) == (1, f"{first.stem}: {first} is there already\n")
    assert sorted(path.read_bytes() for path in folder.iterdir()) == sorted(_body(n).encode() for n in range(MESSAGES))
