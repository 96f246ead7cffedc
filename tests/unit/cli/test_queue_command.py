"""`routerd queue` on a real state, without a daemon."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click.testing
import pytest

from routerd.cli import trace
from routerd.cli.queue import command
from routerd.cli.queue_report import owner_now, print_copies
from routerd.desk.changes import PlannedCopy, Role
from routerd.desk.plan import DeskState, Event, Plan
from routerd.message.address import parse_address
from routerd.message.annotation import Annotation
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, QueueId, Received, Recipient
from routerd.rules.decision import Decision, Evidence, Match, RuleRef, Trace
from routerd.store.base import CopyState, Entry, Hold, Known, NewCopy, RetryAt, Settled, ThreadKeys
from routerd.store.queue_view import QueueView
from routerd.store.selection import Selection
from routerd.store.sqlite import open_store

CONFIG = """\
hostname: mx1.example.com
state: state
postmaster: ewa
members:
  ewa: {mailbox: ewa@example.com}
inboxes:
  support@example.com: {default: ewa}
delivery:
  - {domain: "*", smtp: "mail.example.com:25"}
"""
ID = "01JQ0000000000000000000001"
INBOX = "support@example.com"

Run = Callable[..., click.testing.Result]


async def commit_one(
    state: Path,
    held: str | None,
    destination: str = "smtp:mail.example.com:25",
    respond_by: datetime | None = None,
) -> None:
    store = open_store(state)
    sent_to = Recipient(parse_address(INBOX), Purpose.INBOX, INBOX)
    received = Received(
        QueueId(ID),
        Envelope("anna@klient.pl", (sent_to,)),
        Client("192.0.2.7", 4000, "mx.klient.pl", Protocol.SMTP, "0.0.0.0:25"),
        b"Subject: x\r\n\r\n",
        datetime.now(UTC),
    )
    rule = RuleRef("20-finance.yaml", "invoices")
    evil = Decision(INBOX, trace=Trace(matches=(Match(rule, (Evidence("subject", "\x1b[31mfaktura\u202e", "word"),)),)))

    def settle(_: DeskState) -> Settled:
        plan = Plan(
            INBOX,
            "ewa",
            None,
            "owner by default",
            copies=(PlannedCopy("ewa", Role.OWNER, held),),
            events=(Event("x"),),
            respond_by=respond_by,
        )
        copies = tuple(
            NewCopy(name, f"{name}@example.com", destination, role, held=held)
            for name, role in (("ewa", Role.OWNER), ("jan", Role.WATCHER))
        )
        return Settled(plan, Annotation(ID, INBOX, "ewa@example.com", "Ewa", why="invoices: \u202e"), copies)

    await store.commit(Entry(received, ThreadKeys("a@klient.pl"), Known(), (evil,), settle))
    await store.close()


@pytest.fixture
def queue(tmp_path: Path) -> Run:
    """`queue("list", "--json")` runs the command on `tmp_path/state`."""
    config = tmp_path / "routerd.yaml"
    config.write_text(CONFIG.replace("state: state", f"state: {tmp_path / 'state'}"))

    def run(name: str, *options: str) -> click.testing.Result:
        return click.testing.CliRunner().invoke(command, [name, "-c", str(config), *options], catch_exceptions=False)

    return run


def states(path: Path, of: Sequence[CopyState] = tuple(CopyState)) -> list[str]:
    with QueueView.open(path / "state") as view:
        return [str(copy.state) for copy in view.list(Selection(states=of))]


def test_without_a_state_it_says_so_and_makes_none(queue: Run, tmp_path: Path) -> None:
    """Commands begin nothing."""
    for arguments in (("list",), ("show", ID), ("retry", ID)):
        result = queue(*arguments)
        assert result.exit_code == 1
        assert f"no state in {tmp_path / 'state'} yet: the daemon has not run here" in result.output
        assert "Traceback" not in result.output
    assert not (tmp_path / "state").exists()


def test_list_shows_what_waits(queue: Run, tmp_path: Path) -> None:
    """A line for each copy with its reason; filters; the same as JSON."""
    asyncio.run(commit_one(tmp_path / "state", "looks \x1b[2J odd"))
    output = queue("list").output
    heading, *lines = output.splitlines()
    assert heading.split()[:3] == ["COPY", "STATE", "AGE"]
    assert [line.split()[:2] for line in lines] == [[f"{ID}-1", "held"], [f"{ID}-2", "held"]]
    assert "\x1b" not in output
    assert "<U+001B>" in output
    assert [copy["member"] for copy in json.loads(queue("list", "--json", "--member", "jan").output)] == ["jan"]
    assert json.loads(queue("list", "--json", "--state", "delivered").output) == []
    assert json.loads(queue("list", "--json", "--inbox", INBOX, "--destination", "none").output) == []


def test_what_is_due_is_said_to_be_due(queue: Run, tmp_path: Path) -> None:
    """Not a moment that has passed, at which it looks as if nobody had cared to try it."""
    asyncio.run(commit_one(tmp_path / "state", None))
    heading, first, _ = queue("list").stdout.splitlines()
    assert first[heading.index("NEXT ATTEMPT") :].split() == ["due", "-"]


def test_a_state_that_is_no_state_is_named(queue: Run, tmp_path: Path) -> None:
    """A file in its place, a folder without a store, and a damaged store: each in words that name the path."""
    state = tmp_path / "state"
    state.write_bytes(b"")
    assert queue("list").output == f"the state {state} is not a folder\n"
    state.unlink()
    state.mkdir()
    assert queue("list").output == f"no state in {state} yet: the daemon has not run here\n"
    (state / "routerd.db").write_bytes(b"no database at all" * 1000)
    for arguments in (("list",), ("show", ID), ("drop", ID)):
        result = queue(*arguments)
        assert result.exit_code == 1
        assert str(state) in result.output


def test_a_filter_by_a_name_that_nobody_has_is_an_error(queue: Run, tmp_path: Path) -> None:
    """With what was probably meant. A member who has left is found as long as a copy of his is there."""
    asyncio.run(commit_one(tmp_path / "state", None))
    for option, name, meant in (("--member", "eva", "ewa"), ("--inbox", "suport@example.com", INBOX)):
        result = queue("list", option, name)
        assert result.exit_code == 2
        assert f"Invalid value for {option}: no {option[2:]} '{name}'; did you mean '{meant}'?" in result.output
    assert queue("list", "--member", "jan").exit_code == 0
    assert len(json.loads(queue("list", "--json", "--inbox", INBOX.upper()).output)) == 2


def test_a_destination_is_named_as_listed_or_by_its_host(queue: Run, tmp_path: Path) -> None:
    asyncio.run(commit_one(tmp_path / "state", None))
    for name in ("smtp:mail.example.com:25", "mail.example.com:25"):
        assert len(json.loads(queue("list", "--json", "--destination", name).output)) == 2


def test_a_narrow_terminal_has_fewer_columns(
    queue: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inbox and sender are shown where there is room, and always where the output is no terminal."""
    asyncio.run(commit_one(tmp_path / "state", None))
    lines = queue("list").output.splitlines()
    assert [INBOX in lines[1], "anna@klient.pl" in lines[1]] == [True, True]
    wide = max(map(len, lines))
    reason = f"held {'for a long reason ' * 8}".strip()
    with QueueView.open(tmp_path / "state") as view:
        copies = view.list()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = []
    for columns in (wide, wide - 1, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        print_copies(copies, lambda copy: copy.destination)
        shown.append(capsys.readouterr().out.splitlines()[0].split())
    assert [("INBOX" in line, "FROM" in line) for line in shown] == [(True, True), (True, False), (False, False)]
    for columns in (72, 80, 100, 140):
        monkeypatch.setenv("COLUMNS", str(columns))
        print_copies([replace(copies[0], reason=reason)], lambda copy: copy.destination)
        heading, *told = capsys.readouterr().out.splitlines()
        assert max(map(len, (heading, *told))) <= columns
        assert "REASON" not in heading
        assert " ".join(line.strip() for line in told[1:]) == reason


def test_behind_a_pipe_lines_are_whole_unless_columns_are_said(
    queue: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As watch(1) says them to what it runs; what is no number of columns says none."""
    asyncio.run(commit_one(tmp_path / "state", None))
    monkeypatch.delenv("COLUMNS", raising=False)
    whole = queue("list").output
    assert max(map(len, whole.splitlines())) > 80
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, queue("list").output.splitlines())) <= 80
    for said in ("", "wide", "-1", "9" * 40):
        monkeypatch.setenv("COLUMNS", said)
        assert queue("list").output == whole


def test_a_maildir_is_listed_by_its_path(queue: Run, tmp_path: Path) -> None:
    """As the config says it now; and found by that path, or with all Maildirs by the key."""
    asyncio.run(commit_one(tmp_path / "state", None, destination="maildir"))
    config = tmp_path / "routerd.yaml"
    config.write_text(
        config.read_text().replace('smtp: "mail.example.com:25"', f'maildir: "{tmp_path}/mail/{{local}}"')
    )
    listed = f"maildir:{tmp_path}/mail/jan"
    assert [line.split().count(listed) for line in queue("list").output.splitlines()] == [0, 0, 1]
    for named, found in ((listed, ["jan"]), ("maildir", ["ewa", "jan"]), (f"{listed}x", [])):
        told = json.loads(queue("list", "--json", "--destination", named).output)
        assert [copy["member"] for copy in told] == found


def test_a_deadline_is_told_by_the_teams_clock(queue: Run, tmp_path: Path) -> None:
    """In the zone of its calendar; what happened is in UTC, as in the logs."""
    asyncio.run(commit_one(tmp_path / "state", None, respond_by=datetime(2026, 11, 23, 8, tzinfo=UTC)))
    config = tmp_path / "routerd.yaml"
    text = config.read_text()
    assert "respond by:  mon 2026-11-23 08:00 UTC\n" in queue("show", ID).output
    text = text.replace("ewa: {mailbox: ewa@example.com}", "ewa: {mailbox: ewa@example.com, calendar: office}")
    config.write_text(f"{text}calendars: {{office: {{zone: Europe/Warsaw, hours: '08:00-17:00'}}}}\n")
    assert "respond by:  mon 2026-11-23 09:00 Europe/Warsaw\n" in queue("show", ID).output
    assert json.loads(queue("show", ID, "--json").output)["respond_by"] == "2026-11-23T08:00:00+00:00"


def test_show_names_the_present_owner(queue: Run, tmp_path: Path) -> None:
    """A copy that another took the place of is no longer its first owner's."""
    asyncio.run(commit_one(tmp_path / "state", None))
    with QueueView.open(tmp_path / "state") as view:
        history = view.show(ID)
    assert history is not None
    assert owner_now(history) == "ewa"
    first, second = history.copies
    moved = (replace(first, state=CopyState.REROUTED), replace(second, role=Role.OWNER))
    assert owner_now(replace(history, copies=moved)) == "jan"
    gone = tuple(replace(copy, state=CopyState.REROUTED) for copy in moved)
    assert owner_now(replace(history, copies=gone)) == "jan"
    assert json.loads(queue("show", ID, "--json").output)["owner_now"] == "ewa"


def test_show_tells_a_messages_history(queue: Run, tmp_path: Path) -> None:
    """By copy id or Message-ID, in the words of `trace`; nothing in it drives the terminal."""
    asyncio.run(commit_one(tmp_path / "state", None))
    queue("hold", f"{ID}-2", "--reason", "wait")
    for name in (f"{ID}-2", "<a@klient.pl>"):
        result = queue("show", name)
        assert result.exit_code == 0
        assert "20-finance.yaml/invoices" in result.output
        assert "Z  copy 2 for jan: held, by the postmaster's hand: wait\n" in result.output
        assert "\x1b" not in result.output
        assert "\u202e" not in result.output
    told = json.loads(queue("show", ID, "--json").output)
    assert (told["owner"], [copy["copy"] for copy in told["copies"]]) == ("ewa", [f"{ID}-1", f"{ID}-2"])
    assert queue("show", "nothing").exit_code == 1


def test_the_hand_works_without_a_daemon(queue: Run, tmp_path: Path) -> None:
    """Hold, release, retry, drop; what does not fit is named and left."""
    asyncio.run(commit_one(tmp_path / "state", None))
    assert queue("release", ID).exit_code == 1
    assert queue("hold", f"{ID}-1", "--reason", "wait").exit_code == 0
    assert states(tmp_path) == ["held", "queued"]
    mixed = queue("retry", ID, "01JQ9999999999999999999999")
    assert mixed.exit_code == 1
    assert f"{ID}-1: is held, left as it is" in mixed.output
    assert f"{ID}-2: will be tried now" in mixed.output
    assert f"{ID.lower()}x: no such copy or message" in queue("retry", f"{ID.lower()}x").output
    assert "01JQ9999999999999999999999: no such copy or message" in mixed.output
    assert queue("release", f"{ID}-1").exit_code == 0
    dropped = json.loads(queue("drop", ID, "--yes", "--json").output)
    assert [copy["state"] for copy in dropped["changed"]] == ["dropped", "dropped"]
    assert states(tmp_path) == ["dropped", "dropped"]


def test_tries_are_counted_through_a_release(queue: Run, tmp_path: Path) -> None:
    """The schedule begins anew; what the postmaster reads does not."""

    async def fail(number: int, times: int, *, hold: bool) -> None:
        store = open_store(tmp_path / "state")
        for left in range(times, 0, -1):
            copy = await store.copy_by_number(number)
            assert copy is not None
            at = datetime.now(UTC)
            await store.conclude(copy, Hold("given up") if hold and left == 1 else RetryAt(at, "451"), at)
        await store.close()

    asyncio.run(commit_one(tmp_path / "state", None))
    for times in (3, 2):
        asyncio.run(fail(1, times, hold=True))
        assert queue("release", f"{ID}-1").exit_code == 0
    asyncio.run(fail(1, 1, hold=False))
    assert [copy["attempts"] for copy in json.loads(queue("list", "--json").output)] == [6, 0]
    heading, first, _ = queue("list").stdout.splitlines()
    assert first[heading.index("TRIES") :].split()[0] == "6"
    told = trace_of(tmp_path)
    assert [f"attempt {number} " in told for number in range(1, 8)] == [True] * 6 + [False]
    assert "tried 6 times" in told


def trace_of(folder: Path) -> str:
    return click.testing.CliRunner().invoke(trace.command, [ID, "-c", str(folder / "routerd.yaml")]).stdout


def test_a_daemon_that_does_not_answer_is_not_gone_behind(queue: Run, tmp_path: Path) -> None:
    """Its lock is respected, and it is named."""
    asyncio.run(commit_one(tmp_path / "state", None))
    store = open_store(tmp_path / "state")
    result = queue("hold", ID)
    store.close_and_wait()
    assert result.exit_code == 1
    assert "in use by process" in result.output
    assert states(tmp_path) == ["queued", "queued"]
