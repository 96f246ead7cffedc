"""Ids and filters of `routerd queue`, its export, its question before a drop, and `routerd trace`; no daemon runs."""

import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click.testing
import pytest

from routerd.cli import queue, queue_hand, queue_report, trace
from routerd.desk.plan import DeskState, Event, Plan, PlannedCopy, Role
from routerd.message.address import parse_address
from routerd.message.annotate import Annotation
from routerd.message.envelope import Client, ClientFindings, Envelope, Protocol, Purpose, QueueId, Received, Recipient
from routerd.rules.decision import Decision, Evidence, Match, RuleRef, Skipped, Trace
from routerd.store.base import Copy, Done, Entry, Hold, Known, NewCopy, RetryAt, Settled, ThreadKeys
from routerd.store.connection import Connection
from routerd.store.history import MessageHistory
from routerd.store.queue_view import QueueView
from routerd.store.sqlite import SqliteStore, open_store

CONFIG = """\
hostname: mx1.example.com
state: {state}
postmaster: duty
members:
  ewa: {{mailbox: ewa@example.com}}
  jan: {{mailbox: jan@example.com}}
teams:
  duty: {{members: [ewa, jan], pick: first}}
inboxes:
  support@example.com: {{default: duty, aliases: [help@example.com]}}
delivery:
  - {{domain: example.com, smtp: "mail.example.com:25"}}
  - {{domain: "*", lmtp: "unix:/run/lmtp"}}
"""
INBOX = "support@example.com"
PAGE_BYTES = 8192  # of the database
RAW = b"From: Anna <anna@klient.pl>\r\nSubject: =?x?q?=1b?=\r\n\r\n\x1b[31mCze\xc5\x9b\xc4\x87\r\n"

Run = Callable[..., click.testing.Result]


def name(number: int) -> QueueId:
    return QueueId(f"01JQ{number:022d}")


def decision() -> Decision:
    rule = RuleRef("20-finance.yaml", "invoices")
    return Decision(
        INBOX,
        trace=Trace(
            matches=(Match(rule, (Evidence("subject", "faktura\u202e", "word faktura"),)),),
            unknown=(Skipped(RuleRef("05.yaml", "listed"), "DNS did not answer"),),
        ),
        revision="0123abcd",
    )


class Desk:
    """A state in `folder`, filled by the store itself, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.config = folder / "routerd.yaml"
        self.config.write_text(CONFIG.format(state=self.state))
        self._store: SqliteStore | None = None

    def commit(self, number: int, *, age: timedelta = timedelta(), **how: object) -> tuple[Copy, ...]:
        """A message with a copy for ewa, who owns it, and one for jan, who watches; and what became of them."""
        return asyncio.run(self._commit(number, age, **how))  # type: ignore[arg-type]

    async def _commit(
        self, number: int, age: timedelta, held: str | None = None, after: str = "", raw: bytes = RAW
    ) -> tuple[Copy, ...]:
        at = datetime.now(UTC) - age
        client = Client(
            "192.0.2.7", 4000, "mx.klient.pl", Protocol.SMTP, "0.0.0.0:25", findings=ClientFindings(name="a.klient.pl")
        )
        sent_to = (Recipient(parse_address(INBOX), Purpose.INBOX, INBOX),)
        received = Received(name(number), Envelope("anna@klient.pl", sent_to), client, raw, at)

        def settle(_: DeskState) -> Settled:
            assigned = Event("message_assigned", {"member": "ewa"})
            copies = (PlannedCopy("ewa", Role.OWNER, held), PlannedCopy("jan", Role.WATCHER))
            plan = Plan(INBOX, "ewa", None, "owner by duty/first", labels=("x",), copies=copies, events=(assigned,))
            there = {"ewa": "smtp:mail.example.com:25", "jan": "lmtp:unix:/run/lmtp"}
            new = tuple(
                NewCopy(c.member, f"{c.member}@example.com", there[c.member], c.role, None, c.held) for c in copies
            )
            annotation = Annotation(
                received.id, INBOX, "ewa@example.com", "Ewa", why="w", auth_results="mx; dmarc=pass"
            )
            return Settled(plan, annotation, new)

        store = open_store(self.state)
        committed = await store.commit(Entry(received, ThreadKeys("same@klient.pl"), Known(), (decision(),), settle))
        for text in filter(None, after.split(";")):
            what, _, words = text.partition(":")
            conclusion = Hold(words) if what == "hold" else RetryAt(at + timedelta(hours=1), words)
            await store.conclude(committed.copies[0], Done(words) if what == "done" else conclusion, at)
        await store.close()
        return committed.copies

    def queue(self, command: str, *options: str, answer: str = "") -> click.testing.Result:
        arguments = [command, "-c", str(self.config), *options]
        return click.testing.CliRunner().invoke(queue.command, arguments, input=answer, catch_exceptions=False)

    def trace(self, *options: str) -> click.testing.Result:
        arguments = ["-c", str(self.config), *options]
        return click.testing.CliRunner().invoke(trace.command, arguments, catch_exceptions=False)

    def listed(self, *options: str) -> list[str]:
        return [
            f"{copy['queue_id'][-1]}{copy['member']}"
            for copy in json.loads(self.queue("list", "--json", *options).stdout)
        ]

    def shown(self, number: int) -> MessageHistory:
        with QueueView.open(self.state) as view:
            found = view.show(name(number))
        assert found is not None
        return found

    def states(self, number: int) -> list[str]:
        return [str(copy.state) for copy in self.shown(number).copies]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


FILTERS = [
    ((), ["1ewa", "1jan", "2ewa", "2jan"]),
    (("all",), ["1ewa", "1jan", "2ewa", "2jan"]),
    ((name(2),), ["2ewa", "2jan"]),
    ((f"{name(1)}-2", f"{name(2)}-1".lower()), ["1jan", "2ewa"]),
    (("<same@klient.pl>",), ["1ewa", "1jan", "2ewa", "2jan", "3ewa", "3jan"]),
    (("--owner", "ewa"), ["1ewa", "2ewa"]),
    (("--owner", "jan"), []),
    (("--member", "jan", "--older-than", "1h"), ["1jan"]),
    (("--newer-than", "1h"), ["2ewa", "2jan"]),
    (("--state", "held"), ["2ewa"]),
    (("--state", "held", "--state", "delivered"), ["2ewa", "3ewa", "3jan"]),
    ((name(3), "--state", "delivered", "--owner", "ewa"), ["3ewa"]),
    (("--destination", "unix:/run/lmtp", "--inbox", "HELP@example.com"), ["1jan", "2jan"]),
    (("--limit", "3"), ["1ewa", "1jan", "2ewa"]),
]


def test_ids_and_filters_are_the_same_for_every_command(desk: Desk) -> None:
    """`list` and `hold` mean the same copies by the same words."""
    desk.commit(1, age=timedelta(hours=2))
    desk.commit(2, held="look")
    desk.commit(3, after="done:250", age=timedelta(hours=1))
    asyncio.run(_finish(desk, f"{name(3)}-2"))
    for options, found in FILTERS:
        assert desk.listed(*options) == found, options
    held = json.loads(desk.queue("hold", "--json", "--older-than", "1h", "--member", "jan").stdout)
    assert [copy["copy"] for copy in held["changed"]] == [f"{name(1)}-2"]
    assert desk.queue("hold", "--json", "--owner", "jan").exit_code == 1


async def _finish(desk: Desk, copy: str) -> None:
    store = open_store(desk.state)
    [found] = await store.find_copies([copy])
    await store.conclude(found, Done("250"), datetime.now(UTC))
    await store.close()


def test_what_is_not_said_is_not_everything(desk: Desk) -> None:
    """Changes and exports want ids, filters or the word `all`; a wrong filter is wrong usage."""
    desk.commit(1)
    for command in ("retry", "hold", "release", "bounce", "drop", "export"):
        for options in ((), ("--limit", "1")):
            result = desk.queue(command, *options)
            assert (result.exit_code, "say 'all'" in result.stderr) == (2, True), command
    for options in (("all", name(1)), ("--older-than", "soon"), ("--limit", "0"), ("--state", "x")):
        assert desk.queue("list", *options).exit_code == 2
    for options in (("--owner", "eva"), ("--member", "eva"), ("--inbox", "suport@example.com")):
        for command in ("list", "retry"):
            result = desk.queue(command, *options)
            assert (result.exit_code, "did you mean" in result.stderr) == (2, True)
    assert desk.queue("release", "all").stderr == "nothing fits\n"
    unknown = desk.queue("list", name(1), "nonsense\x1b")
    assert (unknown.exit_code, unknown.stderr) == (1, "nonsense<U+001B>: no such copy or message\n")


def test_a_long_list_ends_where_it_was_told_to(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """For people, who are told how much more there is; a program gets all."""
    for number in range(1, 4):
        desk.commit(number)
    monkeypatch.setattr(queue, "LISTED_COPIES", 2)
    monkeypatch.setattr(queue_report, "PAGE_COPIES", 1)
    short = desk.queue("list")
    assert [line.split()[0] for line in short.stdout.splitlines()] == ["COPY", f"{name(1)}-1", f"{name(1)}-2"]
    assert short.stderr == "… and 4 more: say which, or --limit 6\n"
    assert len(desk.queue("list", "--limit", "6").stdout.splitlines()) == 7
    assert len(desk.listed()) == 6
    assert desk.queue("list", "--limit", "2", "--json").stderr == ""


def test_many_copies_are_changed_page_by_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer for all pages; each page is one short command."""
    monkeypatch.setattr(queue_hand, "PAGE_COPIES", 2)
    for number in range(1, 4):
        desk.commit(number)
    told = json.loads(desk.queue("hold", "all", "--json").stdout)
    assert [len(told[key]) for key in ("changed", "unchanged", "unknown")] == [6, 0, 0]
    assert len(desk.queue("release", "all", "--reason", "mended").stdout.splitlines()) == 6
    assert desk.states(3) == ["queued", "queued"]


def test_bounce_goes_the_way_of_a_refusal(desk: Desk) -> None:
    """The owner's copy to the next in line, until nobody is left; a watcher's is given up."""
    desk.commit(1)
    first = desk.queue("bounce", name(1), "--reason", "left us")
    assert (first.exit_code, first.stdout) == (
        0,
        f"{name(1)}-1: taken as refused; another copy takes its place\n"
        f"{name(1)}-2: taken as refused, given up\n"
        f"{name(1)}-3: for jan, will be tried now\n",
    )
    assert desk.states(1) == ["rerouted", "failed", "queued"]
    second = desk.queue("bounce", f"{name(1)}-3")
    assert second.stdout == f"{name(1)}-3: taken as refused, held: nobody is left to take it\n"
    history = desk.shown(1)
    assert history.copies[0].reason == "refused by the postmaster: left us"
    assert history.copies[2].state == "held"
    assert desk.queue("bounce", f"{name(1)}-1").exit_code == 1


def test_bounce_takes_back_what_was_delivered(desk: Desk) -> None:
    """A bounce that only the postmaster could read: by id, never by a filter alone."""
    desk.commit(1, after="done:250 ok")
    assert desk.queue("bounce", "--owner", "ewa").stderr == "nothing fits\n"
    assert desk.queue("bounce", f"{name(1)}-1").exit_code == 0
    assert desk.states(1) == ["rerouted", "queued", "queued"]


def test_drop_shows_what_and_asks(desk: Desk) -> None:
    """Only a clear yes drops; nobody there to answer is a no."""
    desk.commit(1)
    for answer in ("n\n", "\n", ""):
        result = desk.queue("drop", name(1), answer=answer)
        assert result.exit_code == 1
        assert f"{name(1)}-2" in result.stderr
        assert "Drop these 2 copies for good? [y/N]" in result.stderr
        assert "nothing was dropped" in result.stderr
    assert desk.states(1) == ["queued", "queued"]
    agreed = desk.queue("drop", f"{name(1)}-1", "--json", answer="y\n")
    assert "Drop this copy for good?" in agreed.stderr
    assert [copy["state"] for copy in json.loads(agreed.stdout)["changed"]] == ["dropped"]
    assert desk.queue("drop", "all", "--yes").exit_code == 0
    assert desk.states(1) == ["dropped", "dropped"]


def test_a_long_drop_shows_some_and_counts_the_rest(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_hand, "SHOWN_COPIES", 1)
    desk.commit(1)
    desk.commit(2)
    result = desk.queue("drop", "all", answer="n\n")
    assert "… and 3 more\nDrop these 4 copies for good?" in result.stderr


def test_export_gives_the_bytes_as_they_came(desk: Desk, tmp_path: Path) -> None:
    """One to standard output, several into a folder, where nothing is overwritten."""
    desk.commit(1)
    large = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" + b"line\r\n" * 60_000
    desk.commit(2, raw=large)
    assert desk.queue("export", name(1)).stdout_bytes == RAW
    assert desk.queue("export", f"{name(2)}-2").stdout_bytes == large
    several = desk.queue("export", "all")
    assert (several.exit_code, "2 messages do not fit on standard output: --to FOLDER" in several.stderr) == (2, True)
    folder = tmp_path / "out"
    written = desk.queue("export", "all", "--to", str(folder))
    assert written.stdout.splitlines() == [str(folder / f"{name(number)}.eml") for number in (1, 2)]
    assert [(folder / f"{name(number)}.eml").read_bytes() for number in (1, 2)] == [RAW, large]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    again = desk.queue("export", "all", "--to", str(folder))
    assert (again.exit_code, again.stderr.count("is there already")) == (1, 2)


def test_export_gives_a_copy_as_it_leaves(desk: Desk, tmp_path: Path) -> None:
    """With what routerd adds; one file for each copy."""
    desk.commit(1)
    head, _, body = desk.queue("export", f"{name(1)}-1", "--copy").stdout_bytes.partition(b"\r\n\r\n")
    assert f"X-Routerd-Copy: {name(1)}-1\r\n".encode() in head
    assert b"X-Assigned-To: ewa@example.com\r\n" in head
    assert body == RAW.partition(b"\r\n\r\n")[2]
    assert desk.queue("export", name(1), "--copy").exit_code == 2
    assert desk.queue("export", name(1), "--copy", "--to", str(tmp_path / "out")).exit_code == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{name(1)}-1.eml", f"{name(1)}-2.eml"}


def test_no_message_steers_a_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw bytes go anywhere but there."""
    desk.commit(1)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    result = desk.queue("export", name(1))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "may steer your terminal" in result.stderr


def test_trace_tells_a_life_in_order(desk: Desk) -> None:
    """Where it came from, which rules, every attempt with the peer's words, and what can be done now."""
    desk.commit(1, after="retry:next hop refused (rcpt): 450 4.2.2 full\x1b[2J;hold:554 5.7.1 spam")
    result = desk.trace(f"{name(1)}-1")
    assert result.exit_code == 0
    told = [line[22:] for line in result.stdout.splitlines()]
    assert told[:10] == [
        f"accepted as {name(1)} from <anna@klient.pl> for support@example.com",
        'client a.klient.pl [192.0.2.7] calling itself "mx.klient.pl", by ESMTP on 0.0.0.0:25, without a login;'
        f" {len(RAW)} bytes; Message-ID <same@klient.pl>",
        "verified of its sender: dmarc=pass",
        "decided for support@example.com by the rules of revision 0123abcd",
        '  20-finance.yaml/invoices matched: subject has "faktura<U+202E>" (word faktura)',
        "  05.yaml/listed could not say: DNS did not answer",
        "owner: ewa, owner by duty/first; labels: x",
        "copy 1 for ewa as owner, to ewa@example.com by smtp:mail.example.com:25",
        "copy 2 for jan as watcher, to jan@example.com by lmtp:unix:/run/lmtp",
        told[9],
    ]
    assert told[9].startswith("copy 1 for ewa, attempt 1: not delivered, again at ")
    assert told[9].endswith(": next hop refused (rcpt): 450 4.2.2 full<U+001B>[2J")
    assert told[10] == "copy 1 for ewa, attempt 2: held: 554 5.7.1 spam"
    assert told[11].startswith("copy 1 for ewa is held for the postmaster (554 5.7.1 spam): 'routerd queue release")
    assert told[12].startswith("copy 2 for jan waits: not tried yet, next at ")
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output


def test_trace_tells_what_the_postmaster_did(desk: Desk) -> None:
    """Each of his hands, with his reason; and that a copy took another's place."""
    desk.commit(1)
    for command, reason in (("hold", "wait"), ("release", "go"), ("retry", "now"), ("bounce", "left")):
        assert desk.queue(command, f"{name(1)}-1", "--reason", reason).exit_code == 0
    assert desk.queue("drop", "--yes", f"{name(1)}-2").exit_code == 0
    told = [line[22:] for line in desk.trace(name(1)).stdout.splitlines()][8:]
    copy = "copy 1 for ewa"
    assert told[:5] == [
        told[0],
        f"{copy}: held, by the postmaster's hand: wait",
        f"{copy}: released, by the postmaster's hand: go",
        f"{copy}: to be tried at once, by the postmaster's hand: now",
        f"{copy}: given to jan as copy 3, by the postmaster's hand: refused by the postmaster: left",
    ]
    assert told[5] == "copy 2 for jan: dropped, by the postmaster's hand"
    assert told[6].startswith("copy 2 for jan was dropped at ")
    assert told[7].startswith("copy 3 for jan waits: not tried yet")


def test_trace_counts_attempts_that_are_no_longer_kept(desk: Desk) -> None:
    """So that nobody thinks that there were none."""
    desk.commit(1, after=";".join(["retry:451 later"] * 60))
    told = [line[22:] for line in desk.trace(name(1)).stdout.splitlines()]
    assert "copy 1: 20 more attempts, deferred too; they are not kept one by one" in told
    assert any(line.startswith("copy 1 for ewa, attempt 60: not delivered") for line in told)


def test_trace_by_message_id_tells_of_all_that_bear_it(desk: Desk) -> None:
    """Oldest first, at most so many; the same as JSON, an array."""
    for number in (1, 2, 3):
        desk.commit(number, after="done:250 2.0.0 taken")
    for by in ("same@klient.pl", "<same@klient.pl>"):
        lines = desk.trace(by).stdout.splitlines()
        assert [line[34:60] for line in lines if "accepted as" in line] == [name(1), name(2), name(3)]
    told = desk.trace("same@klient.pl", "--json", "--limit", "2")
    assert [one["queue_id"] for one in json.loads(told.stdout)] == [name(1), name(2)]
    assert "more messages bear this Message-ID" in told.stderr
    (one,) = json.loads(desk.trace(name(1), "--json").stdout)
    assert one["client"]["name"] == "a.klient.pl"
    assert one["auth_results"] == "mx; dmarc=pass"
    assert one["decisions"][0]["skipped"] == [{"rule": "05.yaml/listed", "reason": "DNS did not answer"}]
    assert [event["kind"] for event in one["events"]] == ["message_assigned", "copy_delivered"]
    assert one["events"][1]["data"]["reply"] == "250 2.0.0 taken"
    assert desk.trace("nothing").exit_code == 1
    assert one == json.loads(desk.queue("show", name(1), "--json").stdout)


def _spoil(desk: Desk, text: bytes, *, last: bool = False) -> None:
    """Overwrites the page of the database in which `text` stands first, or last."""
    path = desk.state / "routerd.db"
    content = bytearray(path.read_bytes())
    start = (content.rindex(text) if last else content.index(text)) // PAGE_BYTES * PAGE_BYTES
    content[start : start + PAGE_BYTES] = b"\xa5" * PAGE_BYTES
    path.write_bytes(content)


def test_a_message_whose_bytes_are_damaged_hinders_no_other(desk: Desk, tmp_path: Path) -> None:
    """It is named; all others are exported."""
    for number in range(1, 6):
        desk.commit(number, raw=b"Subject: x\r\n\r\n" + b"%06d\r\n" % number * 5_000)
    _spoil(desk, b"000003\r\n" * 1_000)
    result = desk.queue("export", "all", "--to", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "the database is damaged (database disk image is malformed)" in result.stderr
    assert name(3) in result.stderr
    assert {path.stem for path in (tmp_path / "out").glob("*")} >= {name(number) for number in (1, 2, 4, 5)}


def test_of_a_database_whose_messages_are_damaged_the_bytes_are_exported(desk: Desk, tmp_path: Path) -> None:
    """Under their ids, or by number where the id is lost; files that no row names any more are found, too."""
    desk.commit(1, raw=b"Subject: large\r\n\r\n" + b"line\r\n" * 60_000)
    for number in range(2, 31):
        desk.commit(number, raw=b"Subject: x\r\n\r\n%06d\r\n" % number)
    _spoil(desk, b'"helo":"mx.klient.pl"', last=True)
    assert desk.queue("export", name(2)).stdout_bytes.endswith(b"000002\r\n")
    assert desk.queue("export", "all").stderr.endswith("routerd queue export all --to FOLDER\n")
    folder = tmp_path / "out"
    result = desk.queue("export", "all", "--to", str(folder))
    assert result.exit_code == 1
    assert result.stderr.endswith("30 messages were read and written, 0 were not\n")
    bodies = {path.read_bytes()[-8:-2] for path in folder.iterdir()}
    assert bodies >= {b"%06d" % number for number in range(2, 31)}
    stems = {path.stem for path in folder.iterdir()}
    assert name(1) in stems
    assert any(stem.startswith("message") for stem in stems)
    assert any(stem in stems for stem in map(name, range(2, 31)))


@pytest.mark.parametrize("pages", [3, 10, 20])
def test_of_a_truncated_database_what_is_left_is_exported(desk: Desk, tmp_path: Path, pages: int) -> None:
    """However much of it is gone, in words and without a traceback."""
    for number in range(1, 31):
        desk.commit(number, raw=b"Subject: x\r\n\r\n%06d\r\n" % number)
    path = desk.state / "routerd.db"
    path.write_bytes(path.read_bytes()[: pages * PAGE_BYTES])
    result = desk.queue("export", "all", "--to", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "damaged" in result.stderr
    assert "messages were read and written" in result.stderr


def test_a_damaged_id_is_no_way_out_of_the_folder(desk: Desk, tmp_path: Path) -> None:
    """What a row says its message is called by is not believed."""
    desk.commit(1)
    with closing(Connection(str(desk.state / "routerd.db"))) as db:
        db.execute("UPDATE messages SET queue_id = '../x\x1b'")
    (tmp_path / "out").mkdir()
    result = desk.queue("export", "all", "--to", str(tmp_path / "out" / "in"))
    assert (result.exit_code, "its row is damaged" in result.stderr, "\x1b" in result.output) == (1, True, False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["in"]
    assert "\x1b" not in desk.queue("list").output


@pytest.mark.parametrize("content", [b"no database at all" * 1000, b"", None])
def test_of_a_state_without_a_database_the_large_messages_are_exported(
    desk: Desk, tmp_path: Path, content: bytes | None
) -> None:
    """They are files of their own."""
    desk.commit(1, raw=b"Subject: large\r\n\r\n" + b"line\r\n" * 60_000)
    if content is None:
        (desk.state / "routerd.db").unlink()
    else:
        (desk.state / "routerd.db").write_bytes(content)
    result = desk.queue("export", "all", "--to", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{name(1)}.eml"]
