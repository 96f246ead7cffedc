"""What follows on one message, by what it is to the desk. The writer calls this inside its transaction."""

from routerd.desk.absence import away_plan, return_of, with_return
from routerd.desk.answering import answer_plan
from routerd.desk.assign import assign
from routerd.desk.matter import House, Matter
from routerd.desk.owning import with_handover
from routerd.desk.plan import FullDeskState, Plan
from routerd.desk.said import Kind


def settle(matter: Matter, state: FullDeskState, house: House) -> Plan:
    """Pure, on the state as it is now: whatever depends on what others did meanwhile is decided here."""
    back = return_of(matter, state)
    return with_return(_plan(matter, state, house.as_of(state, back)), back)


def _plan(matter: Matter, state: FullDeskState, house: House) -> Plan:
    conversation, member = state.conversation, matter.said.member
    if matter.said.kind is Kind.AWAY and member is not None:
        return away_plan(matter, member, state, house)
    if conversation is not None and member is not None and matter.said.kind is Kind.ANSWER:
        return answer_plan(matter, conversation, state, house)
    plan = assign(matter.decisions, house.roster, state, matter.at, house.choose, matter.author)
    return plan if conversation is None else with_handover(plan, conversation, state, house, matter.at)
