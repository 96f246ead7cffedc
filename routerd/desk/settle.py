"""What follows on one message, by what it is to the desk. The writer calls this inside its transaction."""

from routerd.desk.answering import answer_plan
from routerd.desk.assign import assign
from routerd.desk.matter import House, Matter
from routerd.desk.plan import FullDeskState, Plan
from routerd.desk.said import Kind


def settle(matter: Matter, state: FullDeskState, house: House) -> Plan:
    """Pure, on the state as it is now: whatever depends on what others did meanwhile is decided here."""
    house = house.as_of(state)
    conversation, member = state.conversation, matter.said.member
    if conversation is not None and member is not None:
        match matter.said.kind:
            case Kind.ANSWER:
                return answer_plan(matter, conversation, state, house)
            case _:
                pass
    return assign(matter.decisions, house.roster, state, matter.at, house.choose, matter.author)
