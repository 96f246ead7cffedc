"""Run as a program: leads conversations in the state in argv[1], argv[3] at once, until it is killed, and prints each
step that was answered. Each conversation takes the same steps; `STANDS` says how it stands after each."""

import asyncio
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import store_entries
from desk_entries import an_entry, told
from store_entries import INBOX, NOW, annotation, copy_for, thread

from routerd.desk.changes import Answered, HeldEnd, HeldEnded, HeldKind, NewHeld, Part, Role, Timer, TimerKind
from routerd.desk.plan import ConversationState, Event, FullDeskState, Plan, Standing
from routerd.ops.crash_points import reach
from routerd.store.base import Deed, DueTimer, NewCopy, Settled
from routerd.store.conversations import WholeConversation
from routerd.store.sqlite import SqliteStore, open_store

REMIND, OVERDUE = Timer(TimerKind.REMIND, NOW + timedelta(days=1)), Timer(TimerKind.OVERDUE, NOW + timedelta(days=2))
CLOSE = Timer(TimerKind.CLOSE, NOW - timedelta(days=1))
CUSTOMER = NewCopy("anna@klient.pl", "anna@klient.pl", "mx:klient.pl", Role.ANSWER)


@dataclass(frozen=True)
class Stand:
    owner: str
    state: ConversationState
    timers: tuple[TimerKind, ...]
    held: tuple[HeldEnd | None, ...] = ()
    answers: int = 0  # copies to the customer
    mails: int = 0  # of routerd


STANDS = (
    None,
    Stand("ewa", ConversationState.OPEN, (TimerKind.REMIND, TimerKind.OVERDUE)),
    Stand("ewa", ConversationState.OPEN, (TimerKind.REMIND, TimerKind.OVERDUE), (None,), mails=1),
    Stand("jan", ConversationState.ANSWERED, (TimerKind.CLOSE,), (HeldEnd.SENT,), 1, 1),
    Stand("jan", ConversationState.CLOSED, (), (HeldEnd.SENT,), 1, 2),
)


def stand_of(whole: WholeConversation | None) -> Stand | None:
    if whole is None:
        return None
    conversation = whole.listed.conversation
    roles = [copy.role for message in whole.messages for copy in message.copies]
    return Stand(
        conversation.owner,
        conversation.standing.state,
        tuple(timer.kind for timer in whole.timers),
        tuple(one.end for one in whole.held),
        roles.count(Role.ANSWER),
        roles.count(Role.DESK),
    )


async def lead(store: SqliteStore, name: str) -> None:
    def say(step: int) -> None:
        os.write(1, f"{name} {step}\n".encode())

    first, second, third = (f"{number}.{name}@x" for number in (1, 2, 3))
    await store.commit(an_entry(keys=thread(first), timers=(REMIND, OVERDUE)))
    say(1)
    keys = thread(second, first)
    held = an_entry(
        await store.recall(keys), keys, copies=(copy_for("ola", Role.WATCHER),), mails=(told(shows_new=True),),
        part=Part.ANSWER, member="jan", owner="ewa", new_held=NewHeld(HeldKind.CONFLICT),
    )  # fmt: skip
    await store.commit(held)
    say(2)
    keys = thread(third, second)
    known = await store.recall(keys)
    assert known.conversation is not None

    def send(state: FullDeskState) -> Settled:
        (waiting,) = state.held()
        made = an_entry(
            known, keys, copies=(copy_for("ola", Role.WATCHER),), resent=((waiting.message, CUSTOMER),),
            part=Part.NOTE, member="jan", owner="jan", held_ended=(HeldEnded(waiting.id, HeldEnd.SENT),),
            answered=Answered("jan", None, None, is_first=True), timers=(CLOSE,),
            standing=Standing(state=ConversationState.ANSWERED, messages=3, answers=1),
        )  # fmt: skip
        return made.settle(state)

    entry: Any = an_entry(known, keys)
    await store.commit(type(entry)(entry.received, keys, known, entry.decisions, send))
    say(3)
    number = known.conversation.id
    (due,) = [one for one in await store.due_timers(NOW, 100) if one.conversation == number]
    await asyncio.gather(*(close(store, due) for _ in range(2)))
    say(4)


async def close(store: SqliteStore, due: DueTimer) -> None:
    def settle(state: FullDeskState) -> Settled:
        assert state.conversation is not None
        standing = Standing(state=ConversationState.CLOSED, messages=3, answers=1)
        plan = Plan(
            INBOX, "jan", None, "", joins=state.conversation.id, standing=standing, timers=(), events=(Event("closed"),)
        )
        return Settled(plan, annotation("x"), (), mails=(told(),))

    await store.act(Deed(due.conversation, NOW, settle, due))


async def lead_forever(state: Path, prefix: str, clients: int) -> None:
    store_entries._numbers = count(ord(prefix) * 1_000_000)  # no queue id again in the same state
    store = open_store(state, reach=reach)
    numbers = iter(range(1_000_000))

    async def client() -> None:
        for number in numbers:
            name = f"{prefix}{number}"
            await lead(store, name)

    await asyncio.gather(*(client() for _ in range(clients)))


if __name__ == "__main__":
    asyncio.run(lead_forever(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
