"""What hub and workers say to each other. Tuples: of all values they are packed fastest."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from routerd.committing import Proposal
from routerd.config.settings import Listener, Settings
from routerd.desk.plan import ConversationId
from routerd.intake.tls import Pem
from routerd.message.envelope import Received
from routerd.message.key_ring import KeyRing
from routerd.ops.metric_increments import Growth

IN_HAND = "in-hand.{}"  # the file of a worker's marks, by its seat

# Questions of a worker


class Commit(NamedTuple):
    """Answered with a QueueId."""

    live: int
    proposal: Proposal


class TakeTurn(NamedTuple):
    """Answered when nobody else moves that conversation, until the worker says `EndTurn` or is gone."""

    conversation: ConversationId


class CameBack(NamedTuple):
    """Answered with a bool, as `Counter.came_back`."""

    received: Received


class SendBack(NamedTuple):
    """Answered with a Verdict."""

    received: Received


# News of a worker


class EndTurn(NamedTuple):
    conversation: ConversationId


class LiveLeft(NamedTuple):
    """No message there sees this one any more."""

    live: int


class Cleared(NamedTuple):
    """A message that was suspect is dealt with. Told on to the others."""

    digest: bytes


class StoreTrouble(NamedTuple):
    """What was met in reading: the database is damaged."""

    text: str


class Counted(NamedTuple):
    """What its metrics have grown by."""

    growth: Growth


# Questions of the hub


class NewLive(NamedTuple):
    """Answered when it counts for whatever comes.

    `files`: the rules; None: as the nursery has compiled them. `is_config`: more than the rules is new.
    """

    number: int
    settings: Settings
    files: Mapping[str, bytes] | None
    is_config: bool


class Begin(NamedTuple):
    """Answered when mail is taken. `listeners`: those that are open; `state`: the folder that the hub has locked.

    `tls`: what the hub has in force, whatever the files hold by now.
    """

    live: NewLive
    tls: Pem | None
    listeners: tuple[Listener, ...]
    state: Path
    rings: Mapping[str, KeyRing]
    awaits_probes: bool
    suspects: frozenset[bytes]


class Drain(NamedTuple):
    """Answered with the number of messages that are left."""

    seconds: float


class Hear(NamedTuple):
    """Answered when all news before it has been heard."""


class Count(NamedTuple):
    """Answered behind a `Counted`, which is heard also where nobody waits for the answer any more."""


# News of the hub


class NewRing(NamedTuple):
    purpose: str
    ring: KeyRing


class AwaitsProbes(NamedTuple):
    yes: bool


class Suspects(NamedTuple):
    """Messages over which a process died."""

    digests: frozenset[bytes]
