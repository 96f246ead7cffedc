"""`routerd queue retry|hold|release|bounce|drop`: what the postmaster does to copies, with a daemon and without one."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from routerd.cli.asking import ask_or_fail
from routerd.cli.held_answers import wait_for_a_word
from routerd.cli.json_array import print_array
from routerd.cli.options import EXIT_FOUND_WRONG, config_option, load_or_exit, why_not
from routerd.cli.queue_report import MAX_TEXT, fail, print_copies
from routerd.cli.queue_selecting import EVERY_STATE, Chosen, Given, Where, selecting
from routerd.cli.state import fail_by, naming_state, reading_state
from routerd.config.settings import Settings
from routerd.delivery.aftermath.succession import stand_in_for, take_over
from routerd.delivery.routes import Routes
from routerd.desk.roster import Roster
from routerd.message.fold import display
from routerd.ops.crash_points import reach
from routerd.store.base import CopyState, PlanFailedError, StoreError, StoreLockedError
from routerd.store.by_hand import do_by_hand
from routerd.store.forgetting_by_hand import FORGET, forget_by_hand
from routerd.store.history import QueuedCopy
from routerd.store.keys_by_hand import RENEW, renew_by_hand
from routerd.store.life import OPEN
from routerd.store.queue_view import as_owner
from routerd.store.sqlite import SqliteStore, open_store
from routerd.web.control import ControlBrokenOffError, ControlRefusedError, ControlUnavailableError, send_command

PAGE_COPIES = 100  # told to the daemon at once: mail that comes meanwhile waits for so many
SHOWN_COPIES = 20  # before the question whether to drop them

_USUAL = {"retry": frozenset({CopyState.QUEUED}), "hold": frozenset({CopyState.QUEUED})}
_USUAL |= {"release": frozenset({CopyState.HELD}), "bounce": OPEN, "drop": OPEN}
_OF_MESSAGES = {"bounce": OPEN}  # what was delivered is taken back one by one
_DONE = {
    ("release", CopyState.REROUTED): "its owner is away; another copy takes its place",
    ("bounce", CopyState.REROUTED): "taken as refused; another copy takes its place",
    ("bounce", CopyState.FAILED): "taken as refused, given up",
    ("bounce", CopyState.HELD): "taken as refused, held: nobody is left to take it",
    ("hold", CopyState.HELD): "held",
    ("drop", CopyState.DROPPED): "dropped",
}
_ENDS_IT = frozenset({"release", "drop"})  # what the postmaster may try on an answer that waits for a member's word
_NO_COPY = {"bounce": "no copy of it waits; one that was delivered is taken back by its own id, QUEUEID-N"}


Here = Callable[[SqliteStore, datetime], Coroutine[Any, Any, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Picked:
    ids: tuple[str, ...]
    first: tuple[QueuedCopy, ...]
    unknown: tuple[str, ...]
    where: Where
    waiting: tuple[str, ...] = ()  # of named messages that are answers or drafts: what they wait for


class Hand:
    """Does commands on a state's queue: by its daemon, or where there is none under the lock, as the state's owner."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._roster, self._routes = Roster(settings), Routes(settings)
        self._stack = ExitStack()
        self._runner: asyncio.Runner | None = None
        self._store: SqliteStore | None = None

    def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """What `do_by_hand` gives. Raises StoreError, PlanFailedError, ValueError, ControlRefusedError, OSError."""

        def here(store: SqliteStore, now: datetime) -> Coroutine[Any, Any, dict[str, Any]]:
            return do_by_hand(
                store,
                command,
                now,
                lambda copy: stand_in_for(copy, now, self._roster, self._routes),
                lambda copy, reason, tried: take_over(copy, reason, tried, now, self._roster, self._routes),
            )

        return self._done(command, here, "see by 'routerd queue list' what it did, and say the rest again")

    def forget(self, address: str) -> dict[str, Any]:
        """What `forget_by_hand` gives, or of a daemon that takes long `{"goes_on": True}`. Raises what `do` does."""
        command = {"do": FORGET, "address": address}
        return self._done(command, lambda store, now: forget_by_hand(store, command, now), "say it again", 60.0)

    def renew_keys(self, *, revoke: bool) -> dict[str, Any]:
        """What `renew_by_hand` gives. Raises what `do` does."""
        command = {"do": RENEW, "revoke": revoke}
        return self._done(command, lambda store, now: renew_by_hand(store, command, now), "see 'routerd keys list'")

    def _done(self, command: dict[str, Any], here: Here, mend: str, patience: float = 30.0) -> dict[str, Any]:
        if self._store is None:
            try:
                return send_command(self._settings.state, command, patience)
            except ControlBrokenOffError as error:
                raise StoreError(f"{error}: {mend}") from error
            except ControlUnavailableError as unavailable:
                self._open(unavailable)
        assert self._store is not None  # noqa: S101  # opened above
        assert self._runner is not None  # noqa: S101
        return self._runner.run(here(self._store, datetime.now(UTC)))

    def close(self) -> None:
        self._stack.close()

    def _open(self, unavailable: ControlUnavailableError) -> None:
        state = self._settings.state
        self._stack.enter_context(as_owner(state))
        self._runner = self._stack.enter_context(asyncio.Runner())
        try:
            self._store = open_store(state, reach=reach)
        except StoreLockedError as error:
            raise StoreError(f"{error}, which does not answer: {unavailable}") from error
        except StoreError as error:
            raise type(error)(naming_state(error, state)) from error
        self._stack.callback(self._store.close_and_wait)


def add_to(group: click.Group) -> None:
    """Gives the group a command for each thing that can be done."""
    for name, text in (
        ("retry", "Try queued copies now."),
        ("hold", "Keep queued copies in the queue until they are released."),
        ("release", "Let held copies go, now."),
        ("bounce", "Take copies as refused by their next hop: the next in line gets them."),
        ("drop", "Give copies up for good, after a question. They stay in the history."),
    ):
        group.add_command(_command(name, text))


def _command(name: str, text: str) -> click.Command:
    @config_option
    @selecting
    @click.option("--reason", default="", metavar="TEXT", help="Kept in the history, and shown in the list.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object.")
    def change(config: Path | None, given: Given, reason: str, as_json: bool, yes: bool = True) -> None:
        if not given.says_which:
            raise click.UsageError("which copies? Give ids or filters, or say 'all'")
        settings = load_or_exit(config)
        picked = _pick(settings, given, name)
        for told in picked.waiting:
            click.echo(told, err=True)
        if not picked.ids and not picked.unknown:
            fail(_NO_COPY.get(name, "nothing fits") if given.named_ids else "nothing fits")
        if picked.ids and not yes:
            _ask_whether_to_drop(picked)
        _change(settings, name, picked, reason, as_json)

    if name == "drop":
        change = click.option("--yes", is_flag=True, help="Do not ask.")(change)
    which = "those of its copies that wait" if name in _OF_MESSAGES else "all of its copies"
    explained = f"{text}\n\nID: a copy's, a message's for {which}, or a Message-ID likewise."
    return click.command(name, help=explained, short_help=text)(change)


def _pick(settings: Settings, given: Given, name: str) -> _Picked:
    try:
        with reading_state(settings.state) as view:
            chosen = Chosen(settings, given, view, _USUAL[name], _OF_MESSAGES.get(name, EVERY_STATE))
            copies = chosen.copies(given.limit)
            first = tuple(islice(copies, SHOWN_COPIES))
            ids = (*(copy.id for copy in first), *(copy.id for copy in copies))
            if not ids:
                chosen.refuse_unknown_names()
            waiting = tuple(wait_for_a_word((*given.named_ids, *ids), view, settings)) if name in _ENDS_IT else ()
            return _Picked(ids, first, chosen.unknown, chosen.where, waiting)
    except StoreError as error:
        fail_by(error)


def _ask_whether_to_drop(picked: _Picked) -> None:
    print_copies(picked.first, picked.where, err=True)
    count = len(picked.ids)
    if count > len(picked.first):
        click.echo(f"… and {count - len(picked.first):,} more", err=True)
    question = "Drop this copy for good?" if count == 1 else f"Drop these {count:,} copies for good?"
    ask_or_fail(question, "nothing was dropped (--yes drops without a question)")


def _change(settings: Settings, name: str, picked: _Picked, reason: str, as_json: bool) -> None:
    """Page by page; what was done is told at once, also where a later page fails."""
    left: dict[str, list[Any]] = {"unchanged": [], "unknown": list(picked.unknown)}
    changed = 0

    def tell() -> Iterator[dict[str, Any]]:
        nonlocal changed
        for reply in _replies(settings, name, picked.ids, reason):
            for key, told in left.items():
                told.extend(reply.get(key, ()))
            for copy in reply.get("changed", ()):
                changed += 1
                yield copy

    if as_json:
        click.echo('{"changed": ', nl=False)
        print_array(tell(), nl=False)
        click.echo(f", {json.dumps(left, indent=2)[1:].lstrip()}")
    else:
        for copy in tell():
            click.echo(f"{_shown(copy.get('copy'))}: {_done(name, copy)}")
        for copy in left["unchanged"]:
            click.echo(f"{_shown(copy.get('copy'))}: is {_shown(copy.get('state'))}, left as it is", err=True)
        for one in left["unknown"]:
            click.echo(f"{_shown(one)}: no such copy or message", err=True)
    if not changed or left["unchanged"] or left["unknown"]:
        sys.exit(EXIT_FOUND_WRONG)


def _replies(settings: Settings, name: str, ids: Sequence[str], reason: str) -> Iterator[dict[str, Any]]:
    with hand_on(settings) as hand:
        for start in range(0, len(ids), PAGE_COPIES):
            yield hand.do({"do": name, "copies": list(ids[start : start + PAGE_COPIES]), "reason": reason})


@contextmanager
def hand_on(settings: Settings) -> Iterator[Hand]:
    """What was opened is closed at the end. What it could not do is said, and ends the command with 1."""
    hand = Hand(settings)
    try:
        yield hand
    except StoreError as error:
        fail_by(error)
    except OSError as error:
        fail(why_not(error))
    except (PlanFailedError, ValueError, ControlRefusedError) as error:
        fail(str(error))
    finally:
        hand.close()


def _done(name: str, copy: dict[str, Any]) -> str:
    """What became of a copy; one that is queued now may be another one, in the place of what was refused."""
    done = _DONE.get((name, copy.get("state", "")))
    if done is None:
        return f"for {_shown(copy.get('member'))}, will be tried now" if name == "bounce" else "will be tried now"
    return done


def _shown(value: object) -> str:
    return display(str(value), MAX_TEXT)
