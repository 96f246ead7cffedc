"""Messages, settlements and moments for the store's tests."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from routerd.desk.changes import PlannedCopy, Role
from routerd.desk.plan import ConversationId, ConversationState, Event, FullDeskState, Plan, Standing
from routerd.message.address import parse_address
from routerd.message.annotation import Annotation
from routerd.message.envelope import Client, Envelope, Protocol, Purpose, QueueId, Raw, Received, Recipient
from routerd.rules.decision import Assign, Decision, Evidence, Match, Priority, RuleRef, Skipped, Trace
from routerd.store.base import Entry, Known, NewCopy, Retention, Settled, ThreadKeys

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
INBOX = "support@example.com"
RETENTION = Retention(timedelta(days=7), timedelta(days=730), timedelta(0))
RAW = b"From: anna@klient.pl\r\nSubject: faktura\r\n\r\nCze\xc5\x9b\xc4\x87\r\n"

_numbers = count(1)

Settle = Callable[[FullDeskState], Settled]


def new_id() -> QueueId:
    return QueueId(f"01JQ{next(_numbers):022d}")


def received(
    raw: Raw = RAW, *, at: datetime = NOW, inbox: str = INBOX, purpose: Purpose = Purpose.INBOX, id: str | None = None
) -> Received:
    return Received(
        id=QueueId(id) if id else new_id(),
        envelope=Envelope("anna@klient.pl", (Recipient(parse_address(inbox), purpose, inbox),)),
        client=Client("192.0.2.7", 40000, "mx.klient.pl", Protocol.SMTP, "0.0.0.0:25"),
        raw=raw,
        at=at,
    )


def thread(
    message_id: str | None = None,
    *references: str,
    author: str | None = "anna@klient.pl",
    participants: tuple[str, ...] = ("anna@klient.pl", INBOX),
    content_hash: bytes = b"c" * 32,
) -> ThreadKeys:
    return ThreadKeys(message_id, references, participants, author, content_hash)


def annotation(queue_id: str, member: str = "ewa", inbox: str = INBOX) -> Annotation:
    return Annotation(
        queue_id=queue_id,
        inbox=inbox,
        assigned_to=f"{member}@example.com",
        assigned_name=member.title(),
        labels=("invoice", "skarga"),
        rules=("20-finance.yaml/invoices",),
        why=f'invoices: subject has "fakturę" (stem faktura); owner by {member}',
        also=(("billing@example.com", "jan"),),
        priority="high",
        trace=("abc", "def"),
        received="from x by y",
        cut_authserv_ids=("mx.example.com",),
    )


def copy_for(member: str, role: Role = Role.OWNER, *, held: str | None = None, at: str = "example.com") -> NewCopy:
    return NewCopy(member, f"{member}@{at}", f"smtp:mail.{at}:25", role, held=held)


def settle_for(
    queue_id: str,
    *copies: NewCopy,
    team: str | None = "finance",
    turns: tuple[tuple[str, str], ...] = (),
    joins: bool = True,
    closed: bool = False,
) -> Settle:
    """Always the same copies (default: Ewa's), joining whatever conversation and twin there is."""

    def settle(state: FullDeskState) -> Settled:
        new = copies or (copy_for("ewa"),)
        return settled(queue_id, state, new, team=team, turns=turns, joins=joins, closed=closed)

    return settle


def settled(
    queue_id: str,
    state: FullDeskState,
    copies: tuple[NewCopy, ...],
    *,
    team: str | None = "finance",
    turns: tuple[tuple[str, str], ...] = (),
    joins: bool = True,
    closed: bool = False,
) -> Settled:
    owner = next((copy.member for copy in copies if copy.role is Role.OWNER), "ewa")
    conversation: ConversationId | None = state.conversation.id if joins and state.conversation else None
    plan = Plan(
        inbox=INBOX,
        owner=owner,
        team=team,
        why="owner by finance/first",
        labels=("invoice",),
        priority=Priority.HIGH,
        copies=tuple(PlannedCopy(copy.member, copy.role, copy.held) for copy in copies),
        turns=turns,
        joins=conversation,
        twin=state.twin,
        standing=Standing(state=ConversationState.CLOSED) if closed else Standing(),
        events=(Event("message_assigned", {"member": owner}),),
    )
    return Settled(plan, annotation(queue_id, owner), copies)


def decision() -> Decision:
    rule = RuleRef("20-finance.yaml", "invoices")
    return Decision(
        inbox=INBOX,
        assign=Assign("finance", rule),
        labels=("invoice",),
        priority=Priority.HIGH,
        watch=("jan",),
        hold="look at it",
        trace=Trace(
            matches=(Match(rule, (Evidence("subject", "fakturę \udcff", "stem faktura"),)),),
            unknown=(Skipped(RuleRef("a.yaml", "b"), "DNS"),),
            failed=(Skipped(RuleRef("a.yaml", "c"), "ZeroDivisionError"),),
            stopped_by=rule,
            notes=("body cut",),
        ),
        revision="0123abcd",
    )


def entry(
    *copies: NewCopy,
    got: Received | None = None,
    keys: ThreadKeys | None = None,
    known: Known | None = None,
    settle: Settle | None = None,
    turns: tuple[tuple[str, str], ...] = (),
    team: str | None = "finance",
    joins: bool = True,
    closed: bool = False,
) -> Entry:
    got = got or received()
    return Entry(
        received=got,
        thread=keys or thread(f"{got.id}@klient.pl"),
        known=known or Known(),
        decisions=(decision(),),
        settle=settle or settle_for(got.id, *copies, turns=turns, team=team, joins=joins, closed=closed),
    )
