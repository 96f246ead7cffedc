"""Who takes a copy in another's place. Pure; asked inside the store's transaction."""

from datetime import datetime

from routerd.delivery.routes import Routes
from routerd.desk.assign import NextInLine, next_in_line, stand_in
from routerd.desk.changes import Role
from routerd.desk.describe import describe_rerouted
from routerd.desk.roster import Roster
from routerd.store.base import Copy, NewCopy


def take_over(
    copy: Copy, reason: str, tried: frozenset[str], now: datetime, roster: Roster, routes: Routes
) -> NewCopy | None:
    """The copy for the next in line where this one's mailbox failed; None: nobody is left. `tried`: who failed."""
    following = next_in_line(roster, copy.member, copy.team, copy.annotation.inbox, tried, now)
    return _copy_for(following, copy, reason, roster, routes) if following else None


def stand_in_for(copy: Copy, now: datetime, roster: Roster, routes: Routes) -> NewCopy | None:
    """The copy that goes out in place of a held owner's copy; None where its owner is there, and for other roles."""
    if copy.role is not Role.OWNER or copy.damage:
        return None
    following = stand_in(roster, copy.member, copy.team, copy.annotation.inbox, now)
    return _copy_for(following, copy, f"{copy.member} is away", roster, routes) if following else None


def _copy_for(following: NextInLine, copy: Copy, reason: str, roster: Roster, routes: Routes) -> NewCopy:
    annotation = describe_rerouted(copy.annotation, following, reason, roster)
    mailbox = str(roster.mailbox_for(following.member, annotation.labels))
    return NewCopy(following.member, mailbox, routes.destination(mailbox), Role.OWNER, annotation)
