"""The daemon forgets a person on the postmaster's word, also when he does not wait for it."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pytest

from routerd.delivery import forgetting
from routerd.delivery.forgetting import Forgetting
from routerd.store.base import StoreError
from routerd.store.forgetting import Forgotten

NOW = datetime(2026, 3, 4, tzinfo=UTC)
COMMAND = {"do": "forget", "address": "Anna@klient.pl"}


class Desk:
    """A store that forgets when it may, and a worker."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.may = asyncio.Event()
        self.asked: list[str] = []
        self.let_go: list[int] = []
        self.fault = fault

    async def forget(self, address: str, at: datetime) -> Forgotten:
        self.asked.append(address)
        await self.may.wait()
        if self.fault:
            raise self.fault
        return Forgotten(3, 1, (7, 9))

    @property
    def worker(self) -> "Worker":
        return Worker(self.let_go)


class Worker:
    def __init__(self, let_go: list[int]) -> None:
        self._let_go = let_go

    def forget(self, numbers: Collection[int]) -> None:
        self._let_go.extend(numbers)


async def other(command: dict[str, Any]) -> dict[str, Any]:
    return {"other": command}


async def test_what_waited_is_not_sent_any_more() -> None:
    """The worker lets go of it; other commands go on to who knows them."""
    desk = Desk()
    desk.may.set()
    answer = Forgetting(desk, desk.worker, lambda: NOW).before(other)
    assert await answer(COMMAND) == {"messages": 3, "conversations": 1, "dropped": [7, 9], "waiting": []}
    assert (desk.asked, desk.let_go) == (["anna@klient.pl"], [7, 9])
    assert await answer({"do": "drop"}) == {"other": {"do": "drop"}}


async def test_who_does_not_wait_and_asks_again_hears_of_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not begun twice, and ends without anybody who waits."""
    monkeypatch.setattr(forgetting, "PATIENCE_SECONDS", 0.01)
    desk = Desk()
    answer = Forgetting(desk, desk.worker, lambda: NOW).before(other)
    assert await answer(COMMAND) == {"goes_on": True}
    monkeypatch.setattr(forgetting, "PATIENCE_SECONDS", 60)
    again = asyncio.create_task(answer(COMMAND))
    await asyncio.sleep(0)
    desk.may.set()
    assert (await again)["messages"] == 3
    assert desk.asked == ["anna@klient.pl"]
    assert (await answer(COMMAND))["messages"] == 3
    assert len(desk.asked) == 2


async def test_what_it_cannot_do_it_says() -> None:
    desk = Desk(StoreError("somebody reads in it"))
    desk.may.set()
    answer = Forgetting(desk, desk.worker, lambda: NOW).before(other)
    assert await answer(COMMAND) == {"error": "somebody reads in it"}
    for address in ("anna", 7, None):
        assert await answer({"do": "forget", "address": address}) == {"error": "`address` is no address"}
    assert desk.let_go == []
