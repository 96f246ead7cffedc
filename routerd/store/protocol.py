"""What the rest of routerd asks of the store, whatever keeps it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from routerd.desk.changes import Absence
from routerd.desk.plan import ConversationState
from routerd.message.envelope import QueueId, Raw
from routerd.message.key_ring import Keys
from routerd.store.base import (
    Bounced,
    Committed,
    Conclusion,
    Copy,
    CopyState,
    Deed,
    DueTimer,
    Entry,
    Known,
    Line,
    QueueCounts,
    Retention,
    SavedRuleset,
    StandIn,
    ThreadKeys,
    Untold,
)
from routerd.store.forgetting import Forgotten


class Store(Protocol):
    """Everything a running daemon asks. What is asynchronous may wait for the disk, off the loop, and raises StoreError
    where that fails. What writes is durable on return; a caller that is cancelled while it waits does not know whether
    it was.
    """

    async def recall(self, thread: ThreadKeys) -> Known:
        """The conversation of the newest of the references that is known here. Without references: at once, nothing."""

    async def commit(self, entry: Entry) -> Committed:
        """Durable on return. Raises StaleError, PlanFailedError, StoreFullError, StoreError; then nothing was written.

        Stale is what `recall` would not answer any more with `entry.known`: so an entry without a recall has a `thread`
        without references. A plan without copies (a twin that brings nothing new) keeps no bytes.
        """

    async def act(self, deed: Deed) -> tuple[Copy, ...]:
        """Durable on return; gives the new copies. Raises PlanFailedError, StoreFullError, StoreError: then nothing was
        written, and the timer is due still."""

    async def due_timers(self, now: datetime, limit: int) -> tuple[DueTimer, ...]:
        """Those whose time has come, the longest due first."""

    async def next_timer(self) -> datetime | None:
        """When the earliest is due."""

    async def conversation_counts(self) -> Mapping[tuple[str, ConversationState], int]:
        """How many there are of each inbox and state."""

    async def absences(self) -> tuple[Absence, ...]:
        """Those that are not in the config, of all members, whether over or not."""

    async def conclude(self, copy: Copy, conclusion: Conclusion, at: datetime) -> tuple[Copy, ...]:
        """Writes what became of an attempt; gives the copies that took its place.

        What `store/life.py` does not allow (the copy was finished meanwhile) changes nothing and is noted as an event.
        `Reroute.line` is given who got the message in the same role already, this copy's member among them; it runs
        inside the transaction, may run again, and if it raises, PlanFailedError is raised and the copy is as it was.
        """

    async def conclude_all(self, attempts: Sequence[tuple[Copy, Conclusion, datetime]]) -> None:
        """`conclude` for many at once, none of them a Reroute: all of it is written, or nothing."""

    async def bounce(
        self, copy: Copy, conclusion: Conclusion | None, told: Mapping[str, object], at: datetime
    ) -> tuple[Bounced, tuple[Copy, ...]]:
        """Writes that a report about this copy came back, and what follows: one transaction. Gives the copies that took
        its place.

        `conclusion`: a Reroute, Hold or Forgo; None: nothing follows. Where the copy is in no state for it, the report
        is only noted; where the message's bytes are not kept any more, nothing is. `told` stands in the event (JSON
        values). Raises as `conclude` does.
        """

    async def untold(self, now: datetime, apart: timedelta) -> tuple[Untold, ...]:
        """What the postmaster is to hear of now: the last notice about the same is as long ago as `apart`, or from a
        time to come. At most some at once."""

    async def tell_nobody(self, untold: Untold) -> None:
        """There is nothing to say of it any more, or nobody to say it to."""

    async def due(self, destination: str, now: datetime, limit: int, skip: frozenset[int]) -> list[Copy]:
        """Queued copies whose time has come, the longest due first, none of the numbers in `skip`."""

    async def waiting(self) -> Mapping[str, datetime]:
        """Each destination with queued copies, and the moment of its earliest next attempt."""

    async def pull_forward(self, now: datetime, latest: datetime) -> int:
        """After the clock was set: queued copies whose next attempt lies behind `latest` are due now; gives how many.

        What waits has not come later than `now` either (`Copy.created_at`): what came while the clock was ahead grows
        old from here, or it would wait for years before it is late. All else keeps its age. And timers that were made
        while the clock was ahead are due as long from now as they were from then.
        """

    async def content(self, copy: Copy) -> Raw:
        """The message's bytes as received: a read-only map where they are large."""

    async def readdress(self, mailboxes: Mapping[str, tuple[str, str]]) -> None:
        """After a change of config: member → (mailbox, destination) for all queued and held copies."""

    async def counts(self) -> QueueCounts:
        """How much waits. States without copies are left out. Raises StoreError where the state is not in its place."""

    async def save_ruleset(self, ruleset: SavedRuleset) -> None:
        """Keeps it as the last good one, in the place of the one before."""

    async def last_ruleset(self) -> SavedRuleset | None: ...

    async def sweep(self, now: datetime, retention: Retention) -> None:
        """Forgets what need not be kept any longer, in small steps; never what a queued or held copy needs."""

    async def forget(self, address: str, at: datetime) -> Forgotten:
        """Of that person: all mail of conversations with him, and of others what he wrote, or was sent.

        What waits of it is dropped; but what others wrote, and waits for others, is left until it is asked for again.

        History stays, and names a pseudonym; what is deleted is overwritten. Raises StoreError; what is done by then is
        done, and the rest is when it is asked for again. Mail of others that names him stays as it is.
        """

    async def copy_by_number(self, number: int) -> Copy | None: ...

    async def find_copies(self, ids: Sequence[str]) -> tuple[Copy, ...]:
        """The copies of these ids; a message's queue id stands for all of its copies. Unknown ones are left out."""

    async def note(self, queue_id: QueueId, kind: str, data: Mapping[str, object], at: datetime) -> None:
        """Adds an event to a message's history (JSON values); to one that is forgotten, nothing."""

    async def change_copies(
        self, numbers: Sequence[int], state: CopyState, reason: str, at: datetime, stand_in: StandIn | None = None
    ) -> tuple[Copy, ...]:
        """The postmaster's hand: moves copies to `state` where the table of lives allows it; gives the moved ones.

        To QUEUED (release, retry): due at `at`. `reason` "" keeps the one that is there. `stand_in` is asked of each
        held copy that is to be queued; one that another takes the place of becomes REROUTED, and the other is given
        behind it. It runs inside the transaction, and may run again.
        """

    async def refuse_copies(
        self, numbers: Sequence[int], reason: str, at: datetime, line: Line, by: str = "postmaster"
    ) -> tuple[Copy, ...]:
        """As if the next hop had refused these mailboxes for good: queued, held or delivered copies, as long as the
        message's bytes are kept; gives those that moved, and behind them those that took the place of one.

        An owner's copy goes to the next in line, or is held where nobody is left; another's is given up. `by`: who says
        so. `line` runs inside the transaction, and may run again; if it raises, PlanFailedError is raised.
        """

    def keys(self, purpose: str) -> Keys:
        """What signs for `purpose`, day by day, made at first use (which waits for the disk), kept with the state.

        A key that comes or goes later is seen by whoever has them.
        """

    async def renew_keys(self, at: datetime, *, revoke: bool) -> None:
        """Makes new keys for all that has such; `revoke`: no address that was given out before holds any more."""

    def key(self, purpose: str) -> bytes:
        """A secret of 32 bytes for `purpose`, made at first use (which waits for the disk), kept with the state."""

    @property
    def trouble(self) -> str:
        """Why nothing is written until a restart, or until the postmaster has mended it; "" where all is well."""

    def free_bytes(self) -> int:
        """Room left where the state lives. Raises OSError."""

    def oldest_commit_seconds(self) -> float:
        """How long the oldest `commit` that is under way has taken by now; 0.0 without one."""

    async def close(self) -> None:
        """Finishes what is waiting, then lets go of the lock."""
