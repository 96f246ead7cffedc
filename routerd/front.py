"""Where mail comes in and is decided about: the listeners and the router behind them, in one process or in several."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from routerd.committing import Counter
from routerd.config.settings import Listener, Settings
from routerd.credentials import Credentials
from routerd.intake.clients.findings import ClientLookUp
from routerd.intake.keeping.spool import spool_folder
from routerd.intake.limits.counts import Counts
from routerd.intake.limits.pressure import StoreSigns
from routerd.intake.listening import Listening
from routerd.intake.reception import World
from routerd.intake.server import Intake, Unserved
from routerd.message.key_ring import Keys
from routerd.message.token import BOUNCE, TRACE
from routerd.ops.dns import Resolver
from routerd.ops.metrics import Metrics
from routerd.ops.verifier import Verifier
from routerd.router import Router
from routerd.settling import Live
from routerd.store.marks import InHand


class Front(Protocol):
    """Steps 1 to 5, as the daemon has them done."""

    async def start(self) -> None:
        """Opens all listeners, or none. Raises ListenError."""

    def addresses(self) -> dict[str, list[tuple[str, int]]]:
        """As `Intake.addresses`."""

    async def take_over(self, live: Live) -> None:
        """From the next message on; those under way keep what they began with."""

    def adopt(self, settings: Settings, credentials: Credentials) -> Unserved:
        """All else that a new config changes; its rules were taken over before."""

    async def drain(self, deadline_seconds: float) -> int:
        """As `Intake.drain`."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a front works with. `keys`: of traces and of return paths. `state`: the folder."""

    counter: Counter
    keys: Callable[[str], Keys]
    hands: InHand
    metrics: Metrics
    resolver: Resolver
    state: Path
    signs: StoreSigns
    counts: Counts | None = None  # shared with others of the same daemon, who also watch the certificate


class OwnFront:
    """In this process. To be made within a running loop; raises OSError where the state takes no large messages."""

    def __init__(
        self,
        live: Live,
        credentials: Credentials,
        listening: Listening,
        equipment: Equipment,
        listeners: tuple[Listener, ...] | None = None,
    ) -> None:
        """`listening`: sockets that are open already; `listeners`: which there are (None: those of the config)."""
        settings = live.settings if listeners is None else live.settings.model_copy(update={"listen": listeners})
        resolver, metrics, keys = equipment.resolver, equipment.metrics, equipment.keys
        verify = Verifier(resolver, metrics).verify
        self._router = Router(live, equipment.counter, keys(TRACE), equipment.hands, metrics, verify)
        self._intake = Intake(
            settings,
            accept=self._router.accept,
            metrics=metrics,
            keys=keys(BOUNCE),
            tls=credentials.tls,
            sockets=listening,
            world=World(
                chance=secrets.token_bytes,
                spool_folder=spool_folder(equipment.state),
                signs=equipment.signs,
                look_up=ClientLookUp(live.settings, resolver, metrics),
                counts=equipment.counts,
                watches_certificate=equipment.counts is None,
            ),
        )
        self.start = self._intake.start
        self.addresses = self._intake.addresses
        self.drain = self._intake.drain

    async def take_over(self, live: Live) -> None:
        self._router.adopt(live)

    def adopt(self, settings: Settings, credentials: Credentials) -> Unserved:
        return self._intake.adopt(settings, credentials.tls)
