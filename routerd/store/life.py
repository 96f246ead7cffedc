"""The life of a copy, as tables: what may follow on what. What is not here does not happen."""

from routerd.store.base import Conclusion, CopyState, Done, Forgo, Hold, Reroute, RetryAt

# After an attempt. While one is under way the postmaster may have held or dropped the copy: that it was delivered all
# the same stays true; any other outcome leaves his word standing.
AFTER_ATTEMPT: dict[tuple[CopyState, type[Conclusion]], CopyState] = {
    (CopyState.QUEUED, Done): CopyState.DELIVERED,
    (CopyState.QUEUED, RetryAt): CopyState.QUEUED,
    (CopyState.QUEUED, Hold): CopyState.HELD,
    (CopyState.QUEUED, Forgo): CopyState.FAILED,
    (CopyState.QUEUED, Reroute): CopyState.REROUTED,
    (CopyState.HELD, Done): CopyState.DELIVERED,
    (CopyState.DROPPED, Done): CopyState.DELIVERED,
}

# By the postmaster's hand: now → wanted. Queued to queued is "try it now".
BY_HAND: frozenset[tuple[CopyState, CopyState]] = frozenset(
    {
        (CopyState.QUEUED, CopyState.QUEUED),
        (CopyState.QUEUED, CopyState.HELD),
        (CopyState.QUEUED, CopyState.DROPPED),
        (CopyState.HELD, CopyState.QUEUED),
        (CopyState.HELD, CopyState.REROUTED),  # released, while its member is away
        (CopyState.HELD, CopyState.DROPPED),
    }
)

# By a bounce that came back, an hour or days later. A queued one may have been delivered, too: the crash that came
# before this was written, or a reply that was lost. What is finished otherwise, or held, has had its consequences.
AFTER_BOUNCE: dict[tuple[CopyState, type[Conclusion]], CopyState] = {
    (now, conclusion): then
    for now in (CopyState.DELIVERED, CopyState.QUEUED)
    for conclusion, then in (
        (Reroute, CopyState.REROUTED),
        (Hold, CopyState.HELD),
        (Forgo, CopyState.FAILED),
    )
}

# What the postmaster may have treated as if the next hop had refused the mailbox: it is rerouted then, or held where
# nobody is left, or failed (a watcher's).
REFUSABLE = frozenset({CopyState.QUEUED, CopyState.HELD, CopyState.DELIVERED})

OPEN = frozenset({CopyState.QUEUED, CopyState.HELD})  # to be finished yet
