"""How much processor time commands that look at conversations take: the whole command, with its start."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from peers.bytecode import bytecode_environ
from peers.many_conversations import write_conversations

CONFIG = """\
hostname: mx1.example.com
state: {state}
postmaster: ewa
members: {{ewa: {{mailbox: ewa@example.com, calendar: office}}, jan: {{mailbox: jan@example.com}}}}
teams: {{duty: {{members: [ewa, jan], calendar: office}}}}
calendars: {{office: {{zone: Europe/Warsaw, hours: "08:00-16:00"}}}}
inboxes: {{support@example.com: {{default: duty}}, sales@example.com: {{default: duty}}}}
delivery: [{{domain: "*", smtp: "mail.example.com:25"}}]
"""
COMMANDS = (
    "conversations",
    "conversations --open",
    "conversations --overdue --json",
    "conversations --label urgent --owner ewa",
    "conversations --search faktura",
    "conversations --search numer*",
    "conversation 4711",
    "report",
    "report --by member --format html",
    "report --by label --format json",
    "report --by rule --format csv",
)
MOST_SECONDS = 1.0


def measure(folder: Path, conversations: int, rounds: int) -> dict[str, float]:
    """Seconds of each command, the least of the rounds."""
    config = folder / "routerd.yaml"
    config.write_text(CONFIG.format(state=folder / "state"))
    write_conversations(folder / "state", conversations)
    return {command: min(_seconds(command, config) for _ in range(rounds)) for command in COMMANDS}


def _seconds(command: str, config: Path) -> float:
    name, *options = command.split()
    environ = os.environ | bytecode_environ()  # compiled, as an installed routerd is
    line = [sys.executable, "-m", "routerd.cli.main", name, "-c", str(config), *options]
    begun = _used()
    done = subprocess.run(line, capture_output=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    return _used() - begun


def _used() -> float:
    """By all processes that have ended so far; what else runs on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_all_of_them_are_measured(tmp_path: Path) -> None:
    """The benchmark runs from end to end on a few."""
    assert set(measure(tmp_path, 5_000, 1)) == set(COMMANDS)


@pytest.mark.bench
@pytest.mark.timeout(600)
def test_a_hundred_thousand_conversations_are_looked_at_within_a_second(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = measure(tmp_path, 100_000, 5)
    with capsys.disabled():
        print("", *(f"{took:5.2f} s  {command}" for command, took in seconds.items()), sep="\n")
    assert not [command for command, took in seconds.items() if took > MOST_SECONDS]
