"""From a plan to all that is written with it: what each copy bears, and which way it goes.

The same for what a message causes (`router`) and for what happens without one (`timekeeper`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from routerd.delivery.routes import Routes
from routerd.desk.changes import Authored, PlannedCopy, Role
from routerd.desk.consider import Office
from routerd.desk.describe import describe
from routerd.desk.plan import FullDeskState, Plan
from routerd.message.annotation import Annotation
from routerd.message.headers import find_header_end
from routerd.message.key_ring import Keys
from routerd.message.token import NOTICE, trace_mac
from routerd.rules.decision import Decision
from routerd.store.base import NewCopy, Settled, SettledMail


@dataclass(frozen=True)
class Live(Office):
    """All that a reload replaces. A message sees one of these from beginning to end.

    `number`: in a worker, by which the process that commits knows its own of the same.
    """

    routes: Routes
    number: int = 0


def settled(
    plan: Plan,
    state: FullDeskState,
    live: Live,
    trace_keys: Keys,
    stamp: Annotation | None = None,
    decisions: tuple[Decision, ...] = (),
) -> Settled:
    """`stamp`: what the copies of the plan's own message bear, whatever the plan; None: it has no message of its own.
    `decisions`: what was decided about it."""
    stamp = stamp or Annotation("", plan.inbox, "", "")
    annotation = describe(plan, decisions, live.roster, stamp)
    return Settled(
        plan,
        annotation,
        tuple(_new_copy(copy, stamp, annotation, live) for copy in plan.copies),
        tuple(_mail(mail, plan, live, trace_keys) for mail in plan.authored),
        tuple(_resent(plan, state, live)),
    )


def _mail(mail: Authored, plan: Plan, live: Live, trace_keys: Keys) -> SettledMail:
    """What routerd writes goes in no circles: whatever address of ours it comes back to, its trace says so."""
    stamp = Annotation(mail.id, plan.inbox, "", "", trace=(trace_mac(trace_keys, mail.id, NOTICE),))
    head = mail.raw[: find_header_end(mail.raw).body_start]
    copies = (replace(copy, head=head) if copy.role is Role.ANSWER else copy for copy in mail.copies)
    return SettledMail(mail, stamp, tuple(_new_copy(copy, stamp, stamp, live) for copy in copies))


def _resent(plan: Plan, state: FullDeskState, live: Live) -> Iterator[tuple[int, NewCopy]]:
    """They bear what the message's copies bore, but for the owner and the reason, which are those of now."""
    for one in plan.resent:
        before = state.annotation(one.message)
        if before is None:
            continue  # forgotten meanwhile
        stamp = replace(
            before,
            assigned_to=str(live.roster.mailbox(plan.owner)),
            assigned_name=live.roster.display_name(plan.owner),
            why=plan.why,
        )
        if stamp.answered_by and one.customer:
            stamp = replace(stamp, reply_name=one.customer)
        new = _new_copy(one.copy, stamp, stamp, live)
        yield one.message, new if new.annotation is not None else replace(new, annotation=stamp)


def _new_copy(copy: PlannedCopy, stamp: Annotation, annotation: Annotation, live: Live) -> NewCopy:
    """`annotation`: of the message, for its members. What goes outside says nothing of who has it and why: what rules
    forward says how it came (`stamp`), an answer nothing but its own head."""
    own: Annotation | None
    match copy.role:
        case Role.ANSWER:
            mailbox, own = copy.member, Annotation(stamp.queue_id, annotation.inbox, "", "", head=copy.head)
        case Role.FORWARD:
            mailbox, own = copy.member, stamp
        case _:
            mailbox = str(live.roster.mailbox_for(copy.member, annotation.labels))
            own = replace(annotation, head=copy.head) if copy.head else None
    return NewCopy(copy.member, mailbox, live.routes.destination(mailbox), copy.role, own, copy.held)
