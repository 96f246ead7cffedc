"""What follows on one message, by what it is to the desk. The writer calls this inside its transaction."""

from routerd.desk.absence import away_plan, return_of, with_return
from routerd.desk.answering import answer_plan, echo_plan, is_echo, reply_plan
from routerd.desk.assign import assign
from routerd.desk.by_itself import noted_by_itself
from routerd.desk.drafting import draft_plan
from routerd.desk.matter import House, Matter
from routerd.desk.noting import answers_colleagues, note_plan, unheard_plan
from routerd.desk.owning import owned, with_handover
from routerd.desk.plan import Conversation, FullDeskState, Plan, Voice
from routerd.desk.replying import with_reply
from routerd.desk.said import Kind
from routerd.desk.timers import timed


def settle(matter: Matter, state: FullDeskState, house: House) -> Plan:
    """Pure, on the state as it is now: whatever depends on what others did meanwhile is decided here."""
    back = return_of(matter, state)
    house = house.as_of(state, back)
    plan = owned(with_return(_plan(matter, state, house), back), state, house, matter.at)
    plan = timed(plan, state, house, matter.at)
    if matter.reply_due is None:
        return plan
    return with_reply(plan, matter.reply_due, matter.received.id, state, house, matter.at)


def _plan(matter: Matter, state: FullDeskState, house: House) -> Plan:
    conversation, member, kind = state.conversation, matter.said.member, matter.said.kind
    if member is None:
        return _assigned(matter, state, house)
    if kind is Kind.AWAY:
        return away_plan(matter, member, state, house)
    if kind is Kind.UNHEARD:
        return unheard_plan(matter, state, house)
    if is_echo(state):
        return echo_plan(matter, member, state)
    if conversation is None:  # of a note, what needs none was let in alone
        return note_plan(matter, state, house) if kind in (Kind.NOTE, Kind.DRAFT) else _assigned(matter, state, house)
    return _said(matter, member, conversation, state, house)


def _said(matter: Matter, member: str, conversation: Conversation, state: FullDeskState, house: House) -> Plan:
    if matter.said.kind in (Kind.NOTE, Kind.DRAFT):
        kept_back = noted_by_itself(matter, member, conversation, state, house)
        if kept_back is not None:
            return kept_back
    match matter.said.kind:
        case Kind.NOTE:
            return note_plan(matter, state, house)
        case Kind.ANSWER if answers_colleagues(matter, state):
            return note_plan(matter, state, house)
        case Kind.DRAFT:
            return draft_plan(matter, state, house)
        case Kind.ANSWER:
            plan = answer_plan(matter, member, conversation, state, house)
        case Kind.MAIL if matter.author.voice is Voice.MEMBER:
            plan = reply_plan(_assign(matter, state, house), member, conversation, state, house, matter.at)
        case _:
            plan = _assign(matter, state, house)
    return with_handover(plan, conversation, state, house, matter.at)


def _assigned(matter: Matter, state: FullDeskState, house: House) -> Plan:
    plan, conversation = _assign(matter, state, house), state.conversation
    return plan if conversation is None else with_handover(plan, conversation, state, house, matter.at)


def _assign(matter: Matter, state: FullDeskState, house: House) -> Plan:
    return assign(matter.decisions, house.roster, state, matter.at, house.choose, matter.author)
