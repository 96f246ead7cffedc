"""Once a day each member hears what is open, waits or is overdue; who leads a team, also how it stands. Pure.

At the hour of `digest`, in the time of his own calendar (else of the first that a team has, of those he is in or leads;
else UTC), and on its working days. Who is away hears nothing, nor who has nothing to do.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice

from routerd.config.calendar_values import rounded
from routerd.config.settings import Settings
from routerd.config.working_hours import WorkingHours
from routerd.desk.changes import Authored, Timer, TimerKind
from routerd.desk.matter import House
from routerd.desk.moments import hours_of, moment, zone_of
from routerd.desk.plan import Conversation, FullDeskState, Plan, Went
from routerd.desk.roster import Roster
from routerd.desk.telling import Told, tell

MAX_LISTED = 100  # conversations of one member
MAX_COUNTED = 1_000
_REACH = 366  # days, in which a working one is looked for
_DAY = timedelta(days=1)


def digest_timers(settings: Settings, roster: Roster, at: datetime) -> tuple[Timer, ...]:
    """The next one of each member."""
    return tuple(timer for member in settings.members for timer in _next(member, settings, roster, at))


def digest_plan(member: str, state: FullDeskState, house: House, at: datetime) -> Plan | None:
    """With the timer of the next one; None: there are none any more, or not for him."""
    settings, roster = house.settings, house.roster
    timers = tuple(_next(member, settings, roster, at))
    if not timers:
        return None
    mails = () if roster.is_away(member, at) else tuple(_mail(member, state, house, at))
    return Plan(next(iter(settings.inboxes)), member, None, "the daily summary", authored=mails, timers=timers)


def _next(member: str, settings: Settings, roster: Roster, at: datetime) -> Iterator[Timer]:
    if settings.digest is None or roster.member(member) is None:
        return
    due = (when for when in _due(settings.digest, hours_of(member, roster), at, 1) if when > at)
    yield from (Timer(TimerKind.DIGEST, when, member) for when in islice(due, 1))


def _due(hour: time, hours: WorkingHours | None, at: datetime, step: int) -> Iterator[datetime]:
    """When summaries come, of the day of `at` and those before (`step` -1) or behind it (1)."""
    zone: tzinfo = hours.zone if hours else UTC
    today = at.astimezone(zone).date()
    for days in range(_REACH):
        day = today + step * days * _DAY
        if hours is None or _is_worked(day, hours):
            yield datetime.combine(day, hour, zone).astimezone(UTC)


def _is_worked(day: date, hours: WorkingHours) -> bool:
    return day.weekday() in hours.days and day not in hours.holidays


def _mail(member: str, state: FullDeskState, house: House, at: datetime) -> Iterator[Authored]:
    zone = zone_of(member, house.roster)
    own = state.open_conversations(owner=member, limit=MAX_LISTED + 1)
    lines = [*_own(own, zone), *_of_teams(member, state, house, at)]
    if not lines:
        return
    overdue = sum(one.standing.overdue for one in own)
    counted = f"{len(own)} open" if len(own) <= MAX_LISTED else f"more than {MAX_LISTED} open"
    subject = f"[summary] {counted}" + (f", {overdue} overdue" if overdue else "")
    text = "".join(f"{line}\n" for line in lines)
    yield tell(Told(next(iter(house.settings.inboxes)), (member,), subject, text, "the daily summary"), house, at)


def _own(conversations: tuple[Conversation, ...], zone: tzinfo) -> Iterator[str]:
    listed = conversations[:MAX_LISTED]
    overdue = [one for one in listed if one.standing.overdue]
    waiting = [one for one in listed if not one.standing.overdue and one.standing.waiting_since is not None]
    others = [one for one in listed if not one.standing.overdue and one.standing.waiting_since is None]
    for title, some in (("Overdue", overdue), ("Waiting for your answer", waiting), ("Open", others)):
        if some:
            yield f"{title} ({len(some)}):"
            for one in some:
                yield f"  {_line(one, zone)}"
            yield ""
    if len(conversations) > len(listed):
        yield "Not all are listed; 'routerd conversations --open' shows them.\n"


def _line(conversation: Conversation, zone: tzinfo) -> str:
    standing = conversation.standing
    who = next((name or address for name, address in standing.outside), "")
    said = [standing.subject or "(no subject)", *([who] if who else [])]
    if standing.waiting_since is not None:
        said.append(f"since {moment(standing.waiting_since, zone)}")
    if standing.respond_by is not None:
        said.append(f"{'was due' if standing.overdue else 'due'} {moment(standing.respond_by, zone)}")
    return f"{', '.join(said)} ({conversation.id}, {conversation.inbox})"


def _of_teams(member: str, state: FullDeskState, house: House, at: datetime) -> Iterator[str]:
    """How those stand that he leads, and how it went since the summary before: the team as a whole and each of its
    people, where reports may name them."""
    since, until = _period(house.settings.digest, hours_of(member, house.roster), at)
    begin = moment(since, zone_of(member, house.roster))
    for name, team in house.settings.teams.items():
        if team.lead != member:
            continue
        figures = {one: state.open_conversations(owner=one, limit=MAX_COUNTED) for one in dict.fromkeys(team.members)}
        yield f"Team {name}: {_figures(one for some in figures.values() for one in some)}"
        yield f"  since {begin}: {_went(state.went(since, until, team=name))}"
        if house.settings.reports.per_member:
            for one, some in figures.items():
                went = state.went(since, until, member=one)
                yield f"  {house.roster.display_name(one)}: {_figures(some)}; {_went(went)}"
        yield ""


def _period(hour: time | None, hours: WorkingHours | None, at: datetime) -> tuple[datetime, datetime]:
    """From the summary before to this one, as they are due: `at` may be late."""
    due = (when for when in _due(hour or time(), hours, at, -1) if when <= at)
    until = next(due, at)
    return next(due, until - _DAY), until


def _went(went: Went) -> str:
    counted = f"{went.received} received, {went.answered} answered"
    if went.first_response is None:
        return counted
    half, most = map(rounded, went.first_response)
    return f"{counted}, first answer {half} (median) and {most} (90 %)"


def _figures(conversations: Iterable[Conversation]) -> str:
    standings = [one.standing for one in conversations]
    waiting = sum(one.waiting_since is not None for one in standings)
    return f"{len(standings)} open, {waiting} waiting, {sum(one.overdue for one in standings)} overdue"
