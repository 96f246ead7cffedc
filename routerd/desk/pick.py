"""Who exactly: from a member's or team's name to one person who is there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from routerd.config.settings import Pick, Team
from routerd.desk.plan import Conversation, DeskState
from routerd.desk.roster import Roster

Choose = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Picked:
    member: str
    team: str | None  # the team that was picked from
    why: str  # "finance/round_robin", "ewa", "jan, deputy of ewa who is away"
    turn: tuple[str, str] | None = None  # the rotation that moves on


@dataclass(frozen=True, slots=True)
class Picker:
    """Picks on the state as it is; nothing is remembered here."""

    roster: Roster
    state: DeskState
    now: datetime
    choose: Choose
    customer: str | None = None  # whose message it is, in lower case

    def pick(self, target: str, way: Pick | None = None) -> Picked | None:
        """One person for a member's or team's name: deputies and fallbacks included; None when nobody is there.

        `way` takes the place of the team's own; the team that it falls back on has its own.
        """
        why: list[str] = []
        seen: set[str] = set()
        name: str | None = target
        while name is not None and name not in seen:
            seen.add(name)
            team = self.roster.team(name)
            if team is None:
                return self._person(name, why)
            there = [member for member in team.members if not self.roster.is_away(member, self.now)]
            if there:
                on_duty = [member for member in there if self.roster.is_on_duty(member, self.now)]
                if 0 < len(on_duty) < len(there):
                    there = on_duty
                    why.append("of those in their working hours")
                return self._from_team(name, team, there, why, way or team.pick)
            why.append(f"all of {name} are away")
            name, way = team.fallback, None
        return None

    def pick_for(self, conversation: Conversation) -> Picked | None:
        """Its owner; while he is away his deputy, that one's deputy, …, then one of the team that he was picked from,
        or of its fallback; None when nobody is there."""
        owner, team = conversation.owner, conversation.team
        picked = self.pick(owner)
        if picked is not None or team is None or self.roster.team(team) is None:
            return picked
        picked = self.pick(team)
        return replace(picked, why=f"{picked.why}; {owner} is away") if picked else None

    def last_resort(self) -> Picked:
        """The postmaster's first, away or not: every message has an owner."""
        member = self.roster.people(self.roster.postmaster)[0]
        return Picked(member, None, f"{member}, the last in line")

    def _person(self, member: str, why: list[str]) -> Picked | None:
        if self.roster.member(member) is None:
            return None
        if not self.roster.is_away(member, self.now):
            return Picked(member, None, _joined(member, why))
        for deputy in self.roster.deputies(member):
            if not self.roster.is_away(deputy, self.now):
                return Picked(deputy, None, _joined(f"{deputy}, deputy of {member} who is away", why))
        return None

    def _from_team(self, name: str, team: Team, there: list[str], why: list[str], way: Pick) -> Picked:
        if way is Pick.LAST:
            last = self.state.last_owner(self.customer) if self.customer else None
            if last in there:
                return Picked(last, name, _joined(f"{name}/{way}", why))
            way = team.pick if team.pick is not Pick.LAST else Pick.ROUND_ROBIN
        match way:
            case Pick.ROUND_ROBIN:
                member = self._next_turn(name, team.members, there)
            case Pick.LEAST_LOADED:
                member = min(there, key=self.state.load)
            case Pick.RANDOM:
                member = self.choose(there)
            case Pick.FIRST:
                member = there[0]
        turn = (name, member) if way is Pick.ROUND_ROBIN else None
        return Picked(member, name, _joined(f"{name}/{way}", why), turn)

    def _next_turn(self, name: str, members: Sequence[str], there: list[str]) -> str:
        """The one after the last turn's, in the team's order; who is away is passed over."""
        last = self.state.last_turn(name)
        start = members.index(last) + 1 if last in members else 0
        return next(member for member in (*members[start:], *members[:start]) if member in there)


def line_behind(roster: Roster, member: str, team: str | None, inbox: str, now: datetime) -> Iterator[str]:
    """Everybody who may take over a copy that `member` cannot get, in order, those who are away last; may repeat."""
    everyone = list(_everyone_behind(roster, member, team, inbox))
    yield from (name for name in everyone if not roster.is_away(name, now))
    yield from everyone


def _everyone_behind(roster: Roster, member: str, team: str | None, inbox: str) -> Iterator[str]:
    if roster.member(member):
        yield from roster.deputies(member)
    seen: set[str] = set()
    while team is not None and team not in seen:
        seen.add(team)
        yield from roster.people(team)
        found = roster.team(team)
        team = found.fallback if found else None
    yield from roster.people(roster.default_of(inbox))
    yield from roster.people(roster.postmaster)


def ownership(why: str, member: str) -> str:
    """Why `member` owns it, as members read it: "owner by finance/first", "owner: jan, deputy of ewa who is away"."""
    is_named = why == member or why.startswith((f"{member},", f"{member};"))
    return f"owner: {why}" if is_named else f"owner by {why}"


def reason_of(why: str) -> str:
    """The same without its beginning, to stand where it is clear what it is the reason of."""
    for begin in ("owner by command: ", "owner by the conversation: ", "owner by ", "owner: "):
        if why.startswith(begin):
            return why.removeprefix(begin)
    return why


def _joined(picked: str, why: list[str]) -> str:
    return "; ".join([picked, *why])
