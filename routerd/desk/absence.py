"""Who is away: an out-of-office that came back to us, the end of it, and what becomes of his conversations. Pure."""

from dataclasses import replace
from datetime import datetime, timedelta

from routerd.desk.changes import Absence, AbsenceSource, Authored, Back, Part, Timer
from routerd.desk.matter import House, Matter
from routerd.desk.moments import moment, zone_of
from routerd.desk.owning import hand_over
from routerd.desk.pick import Picker, ownership
from routerd.desk.plan import Conversation, ConversationState, Event, FullDeskState, Plan
from routerd.desk.roster import Roster
from routerd.desk.said import Kind
from routerd.desk.telling import Told, tell
from routerd.desk.timers import unchanged

NOTICED_FOR = timedelta(days=14)
_HANDED_OVER = frozenset({ConversationState.OPEN, ConversationState.SNOOZED})


def away_plan(matter: Matter, member: str, state: FullDeskState, house: House) -> Plan:
    """Of `member`'s out-of-office. Nobody gets a copy; he is told once that he counts as away, and how to end it.

    Who counts as away already, by the config or by his own word, has said until when. Each further out-of-office puts
    off the end of one that was noticed.
    """
    at, roster = matter.at, house.roster
    known = roster.absence(member, at)
    plan = _heard(matter, member, state)
    if state.twin is not None and Part.AWAY in state.twin.parts:  # whoever has it may send it again, when he is back
        return replace(plan, twin=state.twin)
    if known is None and roster.is_away(member, at):
        return plan
    until = at + NOTICED_FOR
    if known is not None:
        if known.source is not AbsenceSource.NOTICED:
            return plan
        return replace(plan, absences=(replace(known, until=until),))
    return replace(
        plan,
        absences=(Absence(member, AbsenceSource.NOTICED, at, until),),
        hands_over=handed_over_by(member, roster),
        authored=(_told(matter, member, plan.inbox, until, house),),
        events=(*plan.events, Event("away_begun", {"member": member, "until": until.isoformat(), "why": "noticed"})),
    )


def handed_over_by(member: str, roster: Roster) -> tuple[str, ...]:
    """What a plan by which `member` goes away hands over: `Plan.hands_over`."""
    found = roster.member(member)
    return (member,) if found is not None and found.handover == "all" else ()


def gone_as_planned(roster: Roster, now: datetime) -> frozenset[str]:
    """Of those who hand over all, who is away by the config."""
    return frozenset(
        name for name in roster.members if handed_over_by(name, roster) and roster.is_away_by_config(name, now)
    )


def planned_handover(members: frozenset[str], inbox: str) -> Plan:
    """Of no conversation: each of theirs gets a timer of its own."""
    first, *others = sorted(members)
    return Plan(inbox, first, None, "away as planned", hands_over=(first, *others))


def return_of(matter: Matter, state: FullDeskState) -> Back | None:
    """That `matter`'s author is there again, by the very fact that he writes. An end that he named himself stays.

    Of what his mailbox says by itself nobody is the author: see `hear`. What comes again he does not write again.
    """
    member, at = matter.said.member, matter.at
    if member is None or matter.said.kind in (Kind.AWAY, Kind.UNHEARD) or state.twin is not None:
        return None
    for absence in state.absences():
        if absence.member == member and (absence.source is AbsenceSource.NOTICED or absence.until is None):
            return Back(member) if absence.until is None or at < absence.until else None
    return None


def with_return(plan: Plan, back: Back | None) -> Plan:
    """`plan`, with that its author is there again; not where it says otherwise, as #away does."""
    if back is None or any(change.member == back.member for change in plan.absences):
        return plan
    event = Event("away_ended", {"member": back.member, "why": "wrote"})
    return replace(plan, absences=(*plan.absences, back), events=(*plan.events, event))


def hand_over_now(
    timer: Timer, conversation: Conversation, state: FullDeskState, house: House, at: datetime
) -> Plan | None:
    """The conversation of a member who went away goes to who stands in for him; he keeps a copy of what comes.

    None: he is there, or nobody else is, or nothing is to be done in it.
    """
    owner, standing = conversation.owner, conversation.standing
    if owner != timer.data or standing.state not in _HANDED_OVER or house.roster.member(owner) is None:
        return None
    if not house.roster.is_away(owner, at):
        return None
    picked = Picker(house.roster, state, at, house.choose).pick_for(conversation)
    if picked is None or picked.member == owner:
        return None
    handed = hand_over(conversation, picked.member, picked.why, state, house, at)
    watchers = tuple(name for name in dict.fromkeys((*standing.watchers, owner)) if name != picked.member)
    return unchanged(
        conversation,
        *handed.events,
        owner=picked.member,
        team=picked.team or conversation.team,
        why=ownership(picked.why, picked.member),
        turns=(picked.turn,) if picked.turn else (),
        standing=replace(standing, watchers=watchers),
        resent=handed.resent,
        authored=handed.authored,
    )


def _heard(matter: Matter, member: str, state: FullDeskState) -> Plan:
    """That it came, and nothing else."""
    conversation, event = state.conversation, Event("away_heard", {"member": member})
    if conversation is not None:
        return replace(unchanged(conversation, event), part=Part.AWAY, member=member)
    inbox = matter.received.envelope.recipients[0].inbox
    return Plan(inbox, member, None, "", events=(event,), part=Part.AWAY, member=member)


def _told(matter: Matter, member: str, inbox: str, until: datetime, house: House) -> Authored:
    roster = house.roster
    deputy = next((name for name in roster.deputies(member) if not roster.is_away(name, matter.at)), None)
    stand_in = roster.display_name(deputy) if deputy else "whoever else is there"
    until_then = moment(until, zone_of(member, roster))
    text = (
        "Your mailbox answered by itself that you are away, so you count as away here: you are given nothing new, and\n"
        f"what customers write in your conversations goes to {stand_in}, with a copy to you.\n"
        "\n"
        f"It ends as soon as you write, when you reply to this mail with #back, or on {until_then}.\n"
        "To say yourself until when: #away until 2026-12-01, or #away until 2026-12-01 deputy NAME.\n"
    )
    told = Told(
        inbox=inbox,
        members=(member,),
        subject="You count as away",
        text=text,
        why="an out-of-office was noticed",
    )
    return tell(told, house, matter.at)
