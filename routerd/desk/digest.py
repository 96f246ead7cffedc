"""Once a day each member hears what is open, waits or is overdue; who leads a team, also how it stands. Pure.

At the hour of `digest`, in the time of his own calendar (else of the first that a team has, of those he is in or leads;
else UTC), and on its working days. Who is away hears nothing, nor who has nothing to do.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice

from routerd.config.calendar_values import rounded
from routerd.config.settings import Settings
from routerd.config.working_hours import WorkingHours
from routerd.desk.approving import approvers_of, said_of_approvers
from routerd.desk.changes import WAITS_FOR_AUTHOR, Authored, Held, Timer, TimerKind
from routerd.desk.matter import House
from routerd.desk.moments import hours_of, moment, zone_of
from routerd.desk.plan import Conversation, ConversationId, FullDeskState, Plan, Went
from routerd.desk.roster import Roster
from routerd.desk.telling import Told, tell

MAX_LISTED = 100  # conversations of one member
MAX_COUNTED = 1_000
MAX_TEAMS = 3  # in the subject
_REACH = 366  # days, in which a working one is looked for
_DAY = timedelta(days=1)

_Figures = Mapping[str, tuple[Conversation, ...]]  # by member


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
    waits = _waits(member, state.waiting_for_a_word(), house, at)
    led = _led_by(member, state, house)
    lines = [*_own(own, waits, zone), *_asked(waits, zone), *_of_teams(member, led, state, house, at)]
    if not lines:
        return
    subject = f"[summary] {'; '.join(_counted(own, waits, led))}"
    text = "".join(f"{line}\n" for line in lines)
    yield tell(Told(next(iter(house.settings.inboxes)), (member,), subject, text, "the daily summary"), house, at)


def _led_by(member: str, state: FullDeskState, house: House) -> dict[str, _Figures]:
    """What is open in the teams that he leads, by team and by its members."""
    return {
        name: {one: state.open_conversations(owner=one, limit=MAX_COUNTED) for one in dict.fromkeys(team.members)}
        for name, team in house.settings.teams.items()
        if team.lead == member
    }


def _counted(
    own: tuple[Conversation, ...], waits: Mapping[ConversationId, "_Waits"], led: Mapping[str, _Figures]
) -> Iterator[str]:
    """For the subject, whatever there is of them: his own, those that wait for his word, and his teams'."""
    asked = sum(one.is_asked for one in waits.values())
    if own or not (asked or led):
        overdue = sum(one.standing.overdue for one in own)
        counted = f"{len(own)} open" if len(own) <= MAX_LISTED else f"more than {MAX_LISTED} open"
        yield counted + (f", {overdue} overdue" if overdue else "")
    if asked:
        yield f"{asked} for your word"
    for name, figures in islice(led.items(), MAX_TEAMS):
        yield f"{name}: {_figures(one for some in figures.values() for one in some)}"
    if len(led) > MAX_TEAMS:
        yield "…"


@dataclass(frozen=True, slots=True)
class _Waits:
    """What waits for a word of those whom a rule wants, in one conversation."""

    conversation: Conversation
    what: str  # "waits for Amal"
    author: str
    is_asked: bool  # who reads this


def _waits(
    member: str, held: Iterable[tuple[Conversation, Held]], house: House, at: datetime
) -> dict[ConversationId, _Waits]:
    """Of each conversation the oldest."""
    found: dict[ConversationId, _Waits] = {}
    for conversation, one in held:
        wanted = conversation.standing.approve or one.release
        counted = approvers_of(one.member, wanted, house.roster, at)
        if one.kind in WAITS_FOR_AUTHOR or not counted:
            continue
        is_asked = member in counted
        who = "your word" if is_asked else said_of_approvers(one.member, wanted, house.roster, at)
        author = house.roster.display_name(one.member)
        found.setdefault(conversation.id, _Waits(conversation, f"waits for {who}", author, is_asked))
    return found


def _own(
    conversations: tuple[Conversation, ...], waits: Mapping[ConversationId, _Waits], zone: tzinfo
) -> Iterator[str]:
    """But for what waits for the reader's own word, which is told apart."""
    listed = [one for one in conversations[:MAX_LISTED] if one.id not in waits or not waits[one.id].is_asked]
    overdue = [one for one in listed if one.standing.overdue]
    answered = [one for one in listed if not one.standing.overdue and one.id in waits]
    rest = [one for one in listed if not one.standing.overdue and one.id not in waits]
    waiting = [one for one in rest if one.standing.waiting_since is not None]
    others = [one for one in rest if one.standing.waiting_since is None]
    titles = (
        ("Overdue", overdue),
        ("Waiting for your answer", waiting),
        ("Answered, and not sent yet", answered),
        ("Open", others),
    )
    for title, some in titles:
        if some:
            yield f"{title} ({len(some)}):"
            for one in some:
                yield f"  {_line(one, zone, waits[one.id].what if one.id in waits else '')}"
            yield ""
    if len(conversations) > MAX_LISTED:
        yield "Not all are listed; 'routerd conversations --open' shows them.\n"


def _asked(waits: Mapping[ConversationId, _Waits], zone: tzinfo) -> Iterator[str]:
    """Whoever owns the conversation."""
    asked = [one for one in waits.values() if one.is_asked]
    if asked:
        yield f"Waiting for your word ({len(asked)}):"
        for one in asked[:MAX_LISTED]:
            yield f"  {_line(one.conversation, zone, f'what {one.author} wrote {one.what}')}"
        yield ""


def _line(conversation: Conversation, zone: tzinfo, waits: str = "") -> str:
    standing = conversation.standing
    who = next((name or address for name, address in standing.outside), "")
    said = [standing.subject or "(no subject)", *([who] if who else [])]
    if standing.waiting_since is not None:
        said.append(f"since {moment(standing.waiting_since, zone)}")
    if standing.respond_by is not None:
        said.append(f"{'was due' if standing.overdue else 'due'} {moment(standing.respond_by, zone)}")
    if waits:
        said.append(waits)
    return f"{', '.join(said)} ({conversation.id}, {conversation.inbox})"


def _of_teams(
    member: str, led: Mapping[str, _Figures], state: FullDeskState, house: House, at: datetime
) -> Iterator[str]:
    """How those stand that he leads, and how it went since the summary before: the team as a whole and each of its
    people, where reports may name them."""
    since, until = _period(house.settings.digest, hours_of(member, house.roster), at)
    begin = moment(since, zone_of(member, house.roster))
    for name, figures in led.items():
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
