"""A member's note: to colleagues and nobody else, and the commands on top of it. Pure.

Whom it goes to is made from the roster alone. What stands in its To and Cc has no say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from routerd.desk.changes import AMONG_US, HeldKind, Part, PlannedCopy, Resent, Role
from routerd.desk.commanding import obey_all, refuse
from routerd.desk.matter import House, Matter
from routerd.desk.owning import Word, about, shown, with_handover
from routerd.desk.pick import reason_of
from routerd.desk.plan import Conversation, Event, FullDeskState, Plan, Voice
from routerd.desk.roster import Roster
from routerd.desk.said import AssignTo, Kind
from routerd.desk.showing import head_for, show
from routerd.desk.standing import after_message
from routerd.desk.telling import Told, tell
from routerd.desk.watching import watched_by, watching
from routerd.message.envelope import Purpose

PREFIX = "[note] "
MAX_LOOKED_BACK = 200  # messages among which the one is looked for that a note answers
_OF_MACHINE = (
    "Its header says that a program wrote it ({marks}), and no such mail is taken for an answer, a note or a command. "
    "Write it by hand; if you did, your program or your company's gateway adds that field and has to leave it out."
)
_NO_ANSWER = (
    "You wrote to the address for answers and to the one for {what}s, so your mail was taken for a {what}: it {goes}. "
    "To answer the customer, write to the address for answers without the other one."
)
_NOT_KEPT = "What else your mail says went to nobody: it belongs to no conversation."


def note_plan(matter: Matter, state: FullDeskState, house: House) -> Plan:
    """Its commands are obeyed, all or none; what else it says goes to colleagues."""
    conversation = state.conversation
    plan = plan_of(Part.NOTE, matter, conversation, house)
    if conversation is None:
        return obey_all(plan, matter, state, house, (_NOT_KEPT,) if says_more(matter) else ()).plan
    more = (*_not_found(plan, matter, state, house), *not_an_answer(matter))
    obeyed = obey_all(plan, matter, state, house, more)
    if not obeyed.was_done:
        return obeyed.plan
    if says_more(matter):
        done = _passed_on(obeyed.plan, conversation, matter, state, house)
    else:
        done = _told_to_former(obeyed.plan, conversation, matter, house)
    return with_handover(done, conversation, state, house, matter.at, _word(done, matter))


def _word(plan: Plan, matter: Matter) -> Word | None:
    """Where the note is text alone it comes to the new owner with the summary, and not for itself."""
    spoken, is_told = matter.said.spoken, any(copy.member == plan.owner for copy in plan.copies)
    if not is_told or spoken.has_more or not spoken.text or plan.member is None:
        return None
    return Word(plan.member, spoken.text, matter.message_id)


def _not_found(plan: Plan, matter: Matter, state: FullDeskState, house: House) -> tuple[str, ...]:
    """He may wait for a word of somebody who has not got it."""
    spoken = matter.said.spoken
    if not spoken.unclear:
        return ()
    told = "\n".join(f"  {one}" for one in spoken.unclear)
    names = (plan.owner, *watching(plan.standing), *spoken.named, *_answered(state))
    if any(isinstance(command, AssignTo) for command in spoken.commands) or set(
        colleagues(names, house.roster)
    ).difference((plan.member,)):
        return (f"Your note was passed on, but not to everybody whom it names as @name:\n\n{told}",)
    return (f"Nobody got your note. It names nobody whom we know as @name:\n\n{told}",)


def not_an_answer(matter: Matter) -> tuple[str, ...]:
    """What was sent to an address for answers, too: its author may take it for answered."""
    is_answer = any(recipient.purpose is Purpose.ANSWER for recipient in matter.received.envelope.recipients)
    if not is_answer or not says_more(matter):
        return ()
    if matter.said.kind is Kind.DRAFT:
        return (_NO_ANSWER.format(what="draft", goes="goes to the customer by a #send alone"),)
    return (_NO_ANSWER.format(what="note", goes="went to colleagues, and nothing of it to the customer"),)


def plan_of(part: Part, matter: Matter, conversation: Conversation | None, house: House) -> Plan:
    """Of a mail to colleagues, before anything of it is obeyed or passed on: nobody gets it."""
    member = matter.said.member or ""
    if conversation is None:
        return Plan(
            inbox=matter.decisions[0].inbox,
            owner=member,
            team=None,
            why=f"owner by writing: {member}",
            part=part,
            member=member,
        )
    owner, roster = conversation.owner, house.roster
    if roster.member(owner) is None:  # he has left, and nothing has come since
        owner = next(iter(roster.people(roster.default_of(conversation.inbox))), member)
    return Plan(
        inbox=conversation.inbox,
        owner=owner,
        team=conversation.team,
        why="owner by the conversation" if owner == conversation.owner else f"owner by default of {conversation.inbox}",
        joins=conversation.id,
        standing=after_message(conversation.standing, Voice.ASIDE, matter.at),
        part=part,
        member=member,
    )


def unheard_plan(matter: Matter, state: FullDeskState, house: House) -> Plan:
    """Of a member's mail that a machine is said to have written: nothing, of which he is told."""
    part = Part.ASIDE if state.conversation is not None else Part.NOTE  # which begins no conversation
    plan = plan_of(part, matter, state.conversation, house)
    return refuse(plan, _OF_MACHINE.format(marks=matter.said.missing.title()), matter, house)


def says_more(matter: Matter) -> bool:
    """Whether there is anything beside commands: text, a file, what is forwarded, or a mail without any of them."""
    spoken = matter.said.spoken
    return bool(spoken.text or spoken.has_more or not (spoken.commands or spoken.bad))


def answers_colleagues(matter: Matter, state: FullDeskState) -> bool:
    """Whether what was sent to the inbox itself answers what only members have: then it is meant for them.

    A client may have taken the inbox along; no word of such a talk goes to the customer by that.
    """
    seen, recipients = state.seen, matter.received.envelope.recipients
    if seen is None or any(recipient.purpose is Purpose.ANSWER for recipient in recipients):
        return False
    return any(one.message == seen.message and one.part in AMONG_US for one in state.past(MAX_LOOKED_BACK))


def colleagues(names: Iterable[str], roster: Roster) -> tuple[str, ...]:
    """The members among them, teams opened, each once."""
    return tuple(dict.fromkeys(member for name in names for member in roster.people(name)))


def _passed_on(plan: Plan, before: Conversation, matter: Matter, state: FullDeskState, house: House) -> Plan:
    """To the owner, who was it until now, the watchers, whom it names, and who wrote what it answers."""
    roster, author = house.roster, plan.member
    named = colleagues(matter.said.spoken.named, roster)
    standing = watched_by(plan.standing, (one for one in named if one not in (plan.owner, author)))
    names = (plan.owner, before.owner, *watching(standing), *named, *_answered(state))
    members = tuple(one for one in colleagues(names, roster) if one != author)
    head = (
        head_for(PREFIX, matter.received.raw, author or "", plan.inbox, members, house, matter.at) if members else b""
    )
    asked = tuple(one for one in members if one not in (plan.owner, before.owner, *watching(plan.standing)))
    drafts = _drafts(plan, asked, replace(before, standing=standing), state, house, matter.at)
    shows = (one for member in asked for one in shown(member, before, state, house, about(state)))
    return replace(
        plan,
        standing=standing,
        copies=tuple(PlannedCopy(one, Role.DESK, head=head) for one in members),
        resent=(*plan.resent, *shows, *drafts),
        events=(*plan.events, Event("note_written", {"member": author, "to": list(members)})),
    )


def _drafts(
    plan: Plan, members: tuple[str, ...], conversation: Conversation, state: FullDeskState, house: House, at: datetime
) -> Iterator[Resent]:
    """That wait for #send, for those who are asked about the conversation: they may be asked for just that."""
    ended = {one.id for one in plan.held_ended}
    has = {one.message: one.members for one in state.past(MAX_LOOKED_BACK)}
    for held in state.held() if members else ():
        readers = tuple(one for one in members if one not in has.get(held.message, ()) and one != held.member)
        if held.kind is HeldKind.DRAFT and held.id not in ended and readers:
            yield from show(held, readers, conversation, state, house, at)


def _told_to_former(plan: Plan, before: Conversation, matter: Matter, house: House) -> Plan:
    """Whose conversation it was hears that it is not any more, unless he says so himself."""
    if before.owner in (plan.owner, plan.member) or house.roster.member(before.owner) is None:
        return plan
    changed = (str(event.data["why"]) for event in reversed(plan.events) if event.kind == "owner_changed")
    why = next(changed, reason_of(plan.why))
    told = Told(
        inbox=before.inbox,
        members=(before.owner,),
        subject=f"{PREFIX}{before.standing.subject}".rstrip(),
        text=f"This conversation is {house.roster.display_name(plan.owner)}'s now: {why}.\n",
        why="told that it is somebody else's now",
        in_reply_to=matter.message_id,
    )
    return replace(plan, authored=(*plan.authored, tell(told, house, matter.at)))


def _answered(state: FullDeskState) -> tuple[str, ...]:
    """The member who wrote what was before the author's eyes."""
    if state.seen is None:
        return ()
    seen = state.seen.message
    return tuple(one.member for one in state.past(MAX_LOOKED_BACK) if one.message == seen and one.member is not None)
