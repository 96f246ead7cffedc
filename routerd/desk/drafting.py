"""A member's draft of an answer: colleagues see it, and the customer gets it by somebody's #send. Pure."""

from dataclasses import replace

from routerd.desk.approving import approvers_of
from routerd.desk.changes import HeldEnd, HeldEnded, HeldKind, NewHeld, Part, PlannedCopy, Role
from routerd.desk.commanding import refuse, with_word
from routerd.desk.matter import House, Matter
from routerd.desk.noting import colleagues, not_an_answer, note_plan, plan_of, says_more
from routerd.desk.plan import Event, FullDeskState, Plan
from routerd.desk.showing import DRAFT_PREFIX, head_of_waiting
from routerd.desk.watching import watched_by, watching

_NO_COMMANDS = (
    "A draft goes to the customer as it stands, so no line of it can be a command. "
    "Commands go to the note address; a draft that is shown to you is sent by #send in a reply to it."
)


def draft_plan(matter: Matter, state: FullDeskState, house: House) -> Plan:
    """It is held, and shown to the owner, the watchers, whom it names, and who must approve.

    A new version takes the place of the draft that it answers, and of what its author had drafted before.
    Commands alone are obeyed as in a note.
    """
    conversation, spoken = state.conversation, matter.said.spoken
    if conversation is None or not says_more(matter):
        return note_plan(matter, state, house)
    plan = plan_of(Part.DRAFT, matter, conversation, house)
    if spoken.commands or spoken.bad:
        return refuse(plan, _NO_COMMANDS, matter, house)
    roster, author = house.roster, plan.member
    named = colleagues(spoken.named, roster)
    standing = watched_by(plan.standing, (one for one in named if one not in (plan.owner, author)))
    approvers = approvers_of(author or "", standing.approve, roster, matter.at)
    members = colleagues((plan.owner, *watching(standing), *named, *standing.approve, *approvers), roster)
    shows = replace(conversation, standing=standing)
    head = head_of_waiting(DRAFT_PREFIX, matter.received.raw, author or "", shows, members, house, matter.at)
    shown = state.seen.held if state.seen else None
    replaced = tuple(
        HeldEnded(held.id, HeldEnd.REPLACED)
        for held in state.held()
        if held.kind is HeldKind.DRAFT and (held.id == shown or held.member == author)
    )
    made = replace(
        plan,
        standing=standing,
        copies=tuple(PlannedCopy(one, Role.DESK, head=head) for one in members),
        events=(Event("draft_held", {"member": author, "to": list(members), "replaces": len(replaced)}),),
        new_held=NewHeld(HeldKind.DRAFT, standing.approve),
        held_ended=replaced,
    )
    return with_word(made, not_an_answer(matter), matter, house)
