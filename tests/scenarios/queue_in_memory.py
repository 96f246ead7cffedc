"""The store's part that delivery asks for, in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from routerd.desk.changes import Role
from routerd.message.annotation import Annotation
from routerd.message.envelope import CopyId, QueueId, Raw
from routerd.store.base import Conclusion, Copy, CopyState, Done, Forgo, Hold, Reroute, RetryAt, StoreError

RAW = b"From: anna@klient.test\r\nX-Labels: forged\r\nSubject: hi\r\n\r\nhello\r\n.dot\r\n"
STATES = {Done: CopyState.DELIVERED, Hold: CopyState.HELD, Forgo: CopyState.FAILED}


class MemoryQueue:
    """Copies by number. `fail_conclude` makes that many conclusions raise StoreError."""

    def __init__(self, raw: bytes = RAW) -> None:
        self.raw = raw
        self.copies: dict[int, Copy] = {}
        self.conclusions: list[tuple[int, Conclusion]] = []
        self.fail_conclude = 0
        self.loads = 0
        self.most_asked = 0
        self._changed = asyncio.Event()

    def add(self, destination: str, mailbox: str = "ewa@example.com", member: str = "ewa", **changes: object) -> Copy:
        number = len(self.copies) + 1
        now = datetime.now(UTC)
        copy = Copy(
            number=number,
            id=CopyId(f"01J{number}-1"),
            queue_id=QueueId(f"01J{number}"),
            message=number,
            member=member,
            mailbox=mailbox,
            destination=destination,
            role=Role.OWNER,
            sender="anna@klient.test",
            to_return_path=False,
            size_bytes=len(self.raw),
            team=None,
            created_at=now,
            state=CopyState.QUEUED,
            attempts=0,
            next_attempt_at=now,
            reason="",
            annotation=Annotation(f"01J{number}", "support@desk.test", mailbox, member, received="from a by b; now"),
        )
        self.copies[number] = copy = replace(copy, **changes)  # type: ignore[arg-type]
        return copy

    def states(self) -> dict[int, CopyState]:
        return {number: copy.state for number, copy in self.copies.items()}

    async def concluded(self, count: int) -> None:
        """Waits until so many conclusions were written."""
        while len(self.conclusions) < count:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 60)

    async def conclude(self, copy: Copy, conclusion: Conclusion, at: datetime) -> tuple[Copy, ...]:
        await asyncio.sleep(0)
        if self.fail_conclude:
            self.fail_conclude -= 1
            raise StoreError("disk I/O error")
        kept = replace(self.copies[copy.number], attempts=copy.attempts + 1)
        new: tuple[Copy, ...] = ()
        match conclusion:
            case RetryAt(moment, reason):
                kept = replace(kept, next_attempt_at=moment, reason=reason)
            case Reroute(reason, line):
                tried = frozenset(other.member for other in self.copies.values() if other.message == copy.message)
                other = line(tried)
                kept = replace(kept, state=CopyState.REROUTED if other else CopyState.HELD, reason=reason)
                if other:
                    added = self.add(other.destination, other.mailbox, other.member, message=copy.message)
                    new = (added,)
            case _:
                kept = replace(kept, state=STATES[type(conclusion)])
        self.copies[copy.number] = kept
        self.conclusions.append((copy.number, conclusion))
        self._changed.set()
        return new

    async def conclude_all(self, attempts: Sequence[tuple[Copy, Conclusion, datetime]]) -> None:
        for copy, conclusion, at in attempts:
            await self.conclude(copy, conclusion, at)

    async def due(self, destination: str, now: datetime, limit: int, skip: frozenset[int]) -> list[Copy]:
        await asyncio.sleep(0)
        self.most_asked = max(self.most_asked, limit)
        found = [
            copy
            for copy in self.copies.values()
            if copy.destination == destination
            and copy.state is CopyState.QUEUED
            and copy.number not in skip
            and (copy.next_attempt_at or now) <= now
        ]
        return found[:limit]

    async def waiting(self) -> Mapping[str, datetime]:
        moments: dict[str, datetime] = {}
        for copy in self.copies.values():
            if copy.state is CopyState.QUEUED and copy.next_attempt_at:
                moments[copy.destination] = min(
                    moments.get(copy.destination, copy.next_attempt_at), copy.next_attempt_at
                )
        return moments

    async def pull_forward(self, now: datetime, latest: datetime) -> int:
        far = [copy for copy in self.copies.values() if copy.next_attempt_at and copy.next_attempt_at > latest]
        for copy in far:
            self.copies[copy.number] = replace(copy, next_attempt_at=now)
        return len(far)

    async def content(self, copy: Copy) -> Raw:
        self.loads += 1
        return self.raw

    def make_due(self) -> None:
        """As `queue retry` does."""
        past = datetime.now(UTC) - timedelta(seconds=1)
        for number, copy in self.copies.items():
            self.copies[number] = replace(copy, next_attempt_at=past)
