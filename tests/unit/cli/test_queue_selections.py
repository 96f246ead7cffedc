"""Ids and filters of `routerd queue`, and its question before a drop; no daemon runs."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from filled_desk import Desk, name

from routerd.cli import queue, queue_hand, queue_report
from routerd.store.base import Done
from routerd.store.sqlite import open_store

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


NONE = [
    ((), "Nothing waits."),
    (("all", "--limit", "3"), "Nothing waits."),
    (("--state", "held"), "No copy is held."),
    (("--state", "dropped", "--state", "queued"), "No copy is queued or was dropped."),
    (("--member", "jan"), "No copy that fits waits."),
    (("--state", "failed", "--member", "jan"), "No copy that fits has failed."),
    ((name(1), "--owner", "jan"), "No copy that fits is there."),
    ((name(1), "--state", "held"), "No copy that fits is held."),
    ((name(2),), f"{name(2)}: no such copy or message"),
]


@pytest.mark.parametrize(("options", "said"), NONE)
def test_an_empty_list_says_of_what_there_is_none(desk: Desk, options: tuple[str, ...], said: str) -> None:
    """Where everything was delivered, "nothing waits" would be no answer to another question."""
    desk.commit(1, after="done:250")
    asyncio.run(_finish(desk, f"{name(1)}-2"))
    result = desk.queue("list", *options)
    assert (result.stdout, result.stderr) == ("", f"{said}\n")


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


def test_bounce_of_a_message_acts_on_what_waits_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on what it made itself, nor again on what an earlier one settled, nor on what was delivered."""
    monkeypatch.setattr(queue_hand, "PAGE_COPIES", 1)
    desk.commit(1)
    asyncio.run(_finish(desk, f"{name(1)}-2"))
    first = desk.queue("bounce", name(1), f"{name(1)}-1")
    assert [line.partition(":")[0] for line in first.stdout.splitlines()] == [f"{name(1)}-1", f"{name(1)}-3"]
    assert desk.states(1) == ["rerouted", "delivered", "queued"]
    second = desk.queue("bounce", "<same@klient.pl>")
    assert (second.exit_code, second.stdout) == (0, f"{name(1)}-3: taken as refused, held: nobody is left to take it\n")
    assert desk.states(1) == ["rerouted", "delivered", "held"]
    assert desk.queue("drop", name(1), "--yes", "--state", "held").exit_code == 0
    third = desk.queue("bounce", name(1))
    assert (third.exit_code, third.stderr) == (
        1,
        "no copy of it waits; one that was delivered is taken back by its own id, QUEUEID-N\n",
    )
    assert desk.queue("bounce", f"{name(1)}-2").exit_code == 0
    assert desk.states(1) == ["rerouted", "failed", "dropped"]


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
