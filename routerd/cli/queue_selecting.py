"""Which copies a command on the queue is about: the same ids and filters for all of them."""

import functools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import click

from routerd.config.nearest import quoted
from routerd.config.settings import Settings, parse_duration
from routerd.delivery.routes import MAILDIR, Routes, is_of_maildirs
from routerd.delivery.transports.maildir import maildir_path
from routerd.rules.names import names_of, suggestion
from routerd.store.base import CopyState
from routerd.store.history import QueuedCopy
from routerd.store.life import OPEN
from routerd.store.queue_view import QueueView
from routerd.store.selection import Selection

ALL = "all"
_IS = {
    CopyState.QUEUED: "is queued",
    CopyState.HELD: "is held",
    CopyState.DELIVERED: "was delivered",
    CopyState.REROUTED: "was rerouted",
    CopyState.FAILED: "has failed",
    CopyState.DROPPED: "was dropped",
}
EVERY_STATE = frozenset(CopyState)

Where = Callable[[QueuedCopy], str]


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says. Empty and None: nothing of the kind."""

    ids: tuple[str, ...]
    destination: str | None
    inbox: str | None
    member: str | None
    owner: str | None
    states: tuple[str, ...]
    older_than: timedelta | None
    newer_than: timedelta | None
    limit: int | None

    @property
    def named_ids(self) -> tuple[str, ...]:
        """The ids, of which the word `all` is none."""
        return () if self.ids == (ALL,) else self.ids

    @property
    def says_which(self) -> bool:
        """Whether anything was said: what changes the queue does not take silence for everything."""
        return any(getattr(self, field.name) not in (None, ()) for field in fields(self) if field.name != "limit")

    @property
    def none_of_these(self) -> str:
        """What is to be said where no copy fits."""
        states = " or ".join(_IS[state] for state in CopyState if state in self.states)
        is_narrowed = replace(self, ids=self.named_ids, states=()).says_which
        if not (states or is_narrowed):
            return "Nothing waits."
        return f"No copy{' that fits' * is_narrowed} {states or ('is there' if self.named_ids else 'waits')}."


def _duration(_ctx: click.Context, _option: click.Parameter, value: str | None) -> timedelta | None:
    try:
        return None if value is None else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_OPTIONS = (
    click.option("--destination", metavar="KEY", help="Only copies that go there: as listed, or HOST:PORT."),
    click.option("--inbox", metavar="ADDRESS", help="Only copies of this inbox's mail."),
    click.option("--member", metavar="NAME", help="Only copies for this member."),
    click.option("--owner", metavar="NAME", help="Only copies by which this member owns a message."),
    click.option(
        "--state",
        "states",
        multiple=True,
        type=click.Choice([str(state) for state in CopyState]),
        help="Only copies in this state; may be repeated [default: queued and held; of ids, any].",
    ),
    click.option(
        "--older-than", callback=_duration, metavar="DURATION", help="Only copies of that age, such as 4h, or older."
    ),
    click.option("--newer-than", callback=_duration, metavar="DURATION", help="Only copies younger than that."),
    click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the N oldest of them."),
)


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Adds ids and filters, given to the command as `given: Given`."""

    @click.argument("ids", nargs=-1, metavar="[ID...|all]")
    @functools.wraps(command)
    def with_given(**options: Any) -> None:
        given = Given(**{field.name: options.pop(field.name) for field in fields(Given)})
        if ALL in given.ids and given.ids != (ALL,):
            raise click.UsageError(f"'{ALL}' stands for every id: name no other beside it")
        command(given=given, **options)

    return functools.reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), with_given)


class Chosen:
    """The copies that a command line means. `unknown`: ids of which nothing is known."""

    def __init__(
        self,
        settings: Settings,
        given: Given,
        view: QueueView,
        usual: Collection[CopyState] = OPEN,
        of_messages: Collection[CopyState] = EVERY_STATE,
    ) -> None:
        """Where no states are given: `usual` are meant if no ids are either, `of_messages` by the id of a message.

        May raise StoreError.
        """
        self._settings = settings
        self._given = given
        self._view = view
        self.where = where_listed(settings)
        named = view.named(given.named_ids) if given.named_ids else None
        self.unknown = named.unknown if named else ()
        self._one_by_one = named.one_by_one if named else frozenset()
        self._of_messages = EVERY_STATE if given.states or not named else frozenset(of_messages)
        now = datetime.now(UTC)
        self._selection = Selection(
            numbers=named.copies if named else None,
            destinations=_destinations(given.destination, Routes(settings)),
            inbox=self._inbox(),
            member=given.member,
            owner=given.owner,
            states=frozenset(map(CopyState, given.states)) or (EVERY_STATE if named else frozenset(usual)),
            created_by=None if given.older_than is None else now - given.older_than,
            created_since=None if given.newer_than is None else now - given.newer_than,
        )

    def copies(self, limit: int | None = None) -> Iterator[QueuedCopy]:
        """Oldest first, at most `limit`. May raise StoreError."""
        return islice(filter(self._is_meant, self._view.copies(self._selection)), limit)

    def refuse_unknown_names(self) -> None:
        """Where nothing was found: a name that nobody has. Copies of a member who has left may still be there."""
        members = self._settings.members
        refuse_unknown("inbox", self._inbox(), names_of(self._settings).inboxes)
        refuse_unknown("member", self._given.member, members)
        refuse_unknown("owner", self._given.owner, members)

    def _is_meant(self, copy: QueuedCopy) -> bool:
        if copy.state not in self._of_messages and copy.number not in self._one_by_one:
            return False
        maildir = self._given.destination
        return maildir is None or not maildir.startswith(f"{MAILDIR}:") or self.where(copy) == maildir

    def _inbox(self) -> str | None:
        """An alias is as good as its inbox."""
        inbox = self._given.inbox
        return names_of(self._settings).inboxes.get(inbox.lower(), inbox) if inbox else inbox


def where_listed(settings: Settings) -> Where:
    """How a copy's destination is listed: its key, and of a Maildir by which path it goes now."""
    routes, here = Routes(settings), Path.cwd()

    def where(copy: QueuedCopy) -> str:
        route = routes.route_for(copy.mailbox) if is_of_maildirs(copy.destination) else None
        if route is None or route.maildir is None:
            return copy.destination
        try:
            path = maildir_path(route, copy.mailbox)
        except ValueError:  # an address that is no folder's name: its copy says so
            return copy.destination
        return f"{MAILDIR}:{path.relative_to(here) if path.is_relative_to(here) else path}"

    return where


def _destinations(given: str | None, routes: Routes) -> tuple[str, ...] | None:
    """The keys of destinations that `given` may mean."""
    if given is None:
        return None
    if given.startswith(f"{MAILDIR}:"):
        return routes.keys_of_maildirs()
    return given, f"smtp:{given}", f"lmtp:{given}", f"mx:{given}"


def refuse_unknown(what: str, name: str | None, known: Collection[str]) -> None:
    """Raises BadParameter for the option --WHAT where nobody has that name."""
    if name is not None and name not in known:
        raise click.BadParameter(f"no {what} {quoted(name)}{suggestion(name, known)}", param_hint=f"--{what}")
