"""A router with all that it asks, of which nothing is verified and nothing is left to chance."""

from collections.abc import Callable, Sequence
from datetime import datetime

from not_verified import not_verified

from routerd.committing import Chance, Committer
from routerd.delivery.aftermath.bounces import Bounces
from routerd.delivery.aftermath.notifier import Bureau
from routerd.delivery.aftermath.sending_back import SendingBack
from routerd.message.envelope import QueueId
from routerd.message.token import TRACE
from routerd.ops.metrics import Metrics
from routerd.router import Router
from routerd.settling import Live
from routerd.store.base import Copy
from routerd.store.marks import InHand
from routerd.store.sqlite import SqliteStore


def whole_router(
    live: Live,
    store: SqliteStore,
    hands: InHand,
    take: Callable[[Sequence[Copy], object], None],
    bounces: Bounces,
    bureau: Callable[[], Bureau],
    metrics: Metrics,
    new_id: Callable[[datetime], QueueId],
) -> Router:
    """`take`: what is committed, instead of delivery. Of several members the first is picked."""
    chance = Chance(lambda names: names[0], new_id)
    counter = Committer(store, hands, take, bounces, SendingBack(store, bureau, take, metrics), metrics, chance)
    return Router(live, counter, store.keys(TRACE), hands, metrics, not_verified)
