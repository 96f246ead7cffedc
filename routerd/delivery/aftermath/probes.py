"""Messages that `routerd check --live` sends to return paths of ours by the way that bounces come, to see them arrive.

Their tokens name copies that no store ever has. What arrives is told to who asked for it, and is nothing else.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from routerd.config.settings import Settings
from routerd.message.address import parse_address
from routerd.message.envelope import Received
from routerd.message.token import issue_return_path

LIFE = timedelta(minutes=10)
MAX_PROBES = 1_000  # under way at once
_CHANCE_BYTES = 3
_FIRST = (1 << 48) - (1 << 8 * _CHANCE_BYTES)  # the last numbers that a token can name

log = structlog.get_logger()

Do = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(slots=True)
class _Probe:
    until: datetime
    came_from: str | None = None  # the client's address


class Probes:
    """Those under way, in memory: whoever asks does not outlive the daemon by much.

    `settings` gives those in force, `chance` random bytes; `key` is the secret of return paths.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        key: bytes,
        chance: Callable[[int], bytes],
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._key = key
        self._chance = chance
        self._clock = clock
        self._under_way: OrderedDict[int, _Probe] = OrderedDict()

    def before(self, do: Do) -> Do:
        """Answers `probe` with an address of each inbox, and `probed` with where those that arrived came from; `do` is
        asked for the rest.
        """

        async def answer(command: dict[str, Any]) -> dict[str, Any]:
            return self._answer(command) or await do(command)

        return answer

    def _answer(self, command: dict[str, Any]) -> dict[str, Any] | None:
        match command:
            case {"do": "probe"}:
                return {"addresses": [self._issue(inbox) for inbox in self._settings().inboxes]}
            case {"do": "probed"}:
                came = {str(number): probe.came_from for number, probe in self._under_way.items() if probe.came_from}
                return {"came": came}
            case _:
                return None

    def take(self, received: Received) -> bool:
        """Whether it is one of them. `received` is for one return path alone."""
        probe = self._under_way.get(received.envelope.recipients[0].copy_number or 0)
        if probe is None or probe.until < self._clock():
            return False
        probe.came_from = received.client.address or "a unix socket"
        log.info("probe_arrived", id=received.id, inbox=received.envelope.recipients[0].inbox, client=probe.came_from)
        return True

    def _issue(self, inbox: str) -> dict[str, Any]:
        now = self._clock()
        while self._under_way and (len(self._under_way) >= MAX_PROBES or self._oldest.until < now):
            self._under_way.popitem(last=False)
        number = self._new_number()
        self._under_way[number] = _Probe(now + LIFE)
        address = issue_return_path(parse_address(inbox), number, now, self._settings().addresses, self._key)
        return {"number": number, "inbox": inbox, "address": address}

    def _new_number(self) -> int:
        while True:
            number = _FIRST + int.from_bytes(self._chance(_CHANCE_BYTES), "big")
            if number not in self._under_way:
                return number

    @property
    def _oldest(self) -> _Probe:
        return next(iter(self._under_way.values()))
