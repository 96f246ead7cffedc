"""Turns over all workers."""

import asyncio

from routerd.desk.plan import ConversationId
from routerd.workers.turns import TurnsOfAll

ONE, OTHER = ConversationId(1), ConversationId(2)


async def test_turns_come_one_after_the_other() -> None:
    """In the order in which they were asked for; another conversation waits for nobody."""
    turns, came = TurnsOfAll(), []

    async def take(holder: str, conversation: ConversationId) -> None:
        await turns.take(holder, conversation)
        came.append((holder, conversation))

    tasks = [asyncio.create_task(take(*one)) for one in (("a", ONE), ("b", ONE), ("c", ONE), ("b", OTHER))]
    await asyncio.sleep(0)
    assert came == [("a", ONE), ("b", OTHER)]
    turns.end("a", ONE)
    await tasks[1]
    turns.end("b", ONE)
    await tasks[2]
    assert came == [("a", ONE), ("b", OTHER), ("b", ONE), ("c", ONE)]


async def test_dead_holder_gives_way() -> None:
    """What it held, and what it waited for."""
    turns = TurnsOfAll()
    await turns.take("dead", ONE)
    await turns.take("other", OTHER)
    waited = asyncio.create_task(turns.take("dead", OTHER))
    following = asyncio.create_task(turns.take("alive", ONE))
    last = asyncio.create_task(turns.take("last", OTHER))
    await asyncio.sleep(0)
    turns.end_all("dead")
    await following
    turns.end("other", OTHER)
    await asyncio.gather(waited, last)
    assert turns.is_others("dead", OTHER)
    assert not turns.is_others("last", OTHER)


async def test_only_another_ones_turn_stands_in_the_way() -> None:
    """Not one's own, nor one that nobody has."""
    turns = TurnsOfAll()
    assert not turns.is_others("a", ONE)
    await turns.take("a", ONE)
    assert not turns.is_others("a", ONE)
    assert turns.is_others("b", ONE)
    turns.end("b", ONE)  # which it never had
    assert turns.is_others("b", ONE)
    turns.end("a", ONE)
    assert not turns.is_others("b", ONE)


async def test_successor_in_a_seat_waits_for_itself() -> None:
    """It asks for the same as the dead one did, whose wish came first and is nobody's any more."""
    turns = TurnsOfAll()
    await turns.take("other", ONE)
    of_the_dead = asyncio.create_task(turns.take("seat", ONE))
    await asyncio.sleep(0)
    turns.end_all("seat")
    of_the_new = asyncio.create_task(turns.take("seat", ONE))
    await asyncio.sleep(0)
    turns.end("other", ONE)
    await asyncio.gather(of_the_dead, of_the_new)
    assert turns.is_others("other", ONE)
    turns.end("seat", ONE)
    assert not turns.is_others("other", ONE)
