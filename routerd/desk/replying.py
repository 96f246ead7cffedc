"""Automatic replies to customers, as careful as RFC 3834 asks: to who is proven to have sent it, seldom, and never to a
machine, so that two of them never go on answering each other. Pure.

What can be told of the message alone is told before the transaction (`reply_due`), how often it may be here, inside it.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from routerd.desk.changes import Authored, Part, PlannedCopy, Replied, Role
from routerd.desk.matter import House
from routerd.desk.plan import Event, FullDeskState, Plan
from routerd.desk.reply_due import ReplyDue, Withheld
from routerd.desk.telling import Told, tell
from routerd.message.address_list import Mailbox
from routerd.message.desk_mail import DeskMail, compose_desk_mail

MAX_PER_SENDER = 5  # and day, of all templates
MAX_PER_INBOX = 100  # and hour
_NOBODY = ""  # for whom a notice is counted
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


def with_reply(plan: Plan, due: ReplyDue, queue_id: str, state: FullDeskState, house: House, now: datetime) -> Plan:
    """The plan with the reply, or with the reason why there is none. `queue_id`: of the customer's message."""
    withheld = due.withheld or _withheld_now(plan, due, state, now)
    if withheld is not None:
        told = Event("auto_reply_withheld", {"template": due.reply.template, "reason": str(withheld)})
        plan = replace(plan, events=(*plan.events, told), reply_withheld=str(withheld))
        return _with_notice(plan, state, house, now) if withheld is Withheld.INBOX_LIMIT else plan
    templates = house.settings.templates
    template = templates.get(due.reply.template, due.language) if templates else None
    if template is None:  # the rules in force are older than the templates
        return plan
    reply_id = house.new_id(now)
    subject, text = template.fill(_values(plan, due, queue_id, house, now))
    message_id = f"{reply_id}@{plan.inbox.rpartition('@')[2]}"
    mail = DeskMail(
        sender=Mailbox(_inbox_name(plan.inbox, house), plan.inbox),
        to=(Mailbox("", due.address),),
        subject=subject,
        text=text,
        message_id=message_id,
        at=now,
        in_reply_to=due.message_id,
        references=due.references,
        is_reply=True,
    )
    authored = Authored(
        id=reply_id,
        part=Part.REPLIED,
        raw=compose_desk_mail(mail),
        message_id=message_id,
        copies=(PlannedCopy(due.address, Role.ANSWER),),
        from_null=True,
        replied=Replied(due.address.lower(), due.reply.template),
        why=f"automatic reply: {due.reply.template}",
    )
    told = Event("auto_reply_sent", {"template": due.reply.template, "to": due.address, "mail": reply_id})
    return replace(
        plan,
        authored=(*plan.authored, authored),
        events=(*plan.events, told),
    )


def _with_notice(plan: Plan, state: FullDeskState, house: House, now: datetime) -> Plan:
    """The postmaster hears of too many replies, once an hour for each inbox."""
    if state.replies(now - _HOUR, address=_NOBODY, inbox=plan.inbox):
        return plan
    told = Told(
        plan.inbox,
        house.roster.people(house.roster.postmaster),
        f"Too many automatic replies of {plan.inbox}",
        f"{MAX_PER_INBOX} automatic replies left {plan.inbox} within an hour. Until there are fewer, none goes out;\n"
        "the mail itself is taken and assigned as ever. If so much mail is unusual, look who sends it:\n\n"
        f"    routerd conversations --inbox {plan.inbox}\n",
        "too many automatic replies",
    )
    notice = replace(tell(told, house, now), replied=Replied(_NOBODY, "limit"))
    return replace(plan, authored=(*plan.authored, notice))


def _withheld_now(plan: Plan, due: ReplyDue, state: FullDeskState, now: datetime) -> Withheld | None:
    if plan.twin is not None or plan.part is not Part.CUSTOMER:
        return Withheld.NOT_A_CUSTOMER
    if all(copy.held is not None for copy in plan.copies):
        return Withheld.HELD
    address = due.address.lower()
    if state.replies(now - due.reply.once_per, address=address, template=due.reply.template):
        return Withheld.ONCE
    if state.replies(now - _DAY, address=address) >= MAX_PER_SENDER:
        return Withheld.SENDER_LIMIT
    if state.replies(now - _HOUR, inbox=plan.inbox) >= MAX_PER_INBOX:
        return Withheld.INBOX_LIMIT
    return None


def _values(plan: Plan, due: ReplyDue, queue_id: str, house: House, now: datetime) -> dict[str, str]:
    hours = house.roster.working_hours(plan.owner, plan.team)
    by = plan.respond_by
    if by is not None and hours is not None:
        by, now = by.astimezone(hours.zone), now.astimezone(hours.zone)
    return {
        "customer.name": due.name,
        "customer.address": due.address,
        "inbox": plan.inbox,
        "inbox.name": _inbox_name(plan.inbox, house),
        "subject": due.subject,
        "id": queue_id,
        "respond_by": f"{by:%Y-%m-%d %H:%M}" if by else "",
        "team": plan.team or "",
        "date": f"{now:%Y-%m-%d}",
    }


def _inbox_name(inbox: str, house: House) -> str:
    """As answers are sent under, where no member's name is in that."""
    found = house.roster.inbox(inbox)
    given = found.from_ if found is not None else None
    return given if given and "{member}" not in given else inbox.partition("@")[0].capitalize()
