"""Messages that `routerd check --live` sends to addresses of ours by the way that all mail comes, to see them arrive.

Their tokens name copies that no store ever has. What arrives is told to who asked for it, and is nothing else.
"""

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from routerd.config.settings import Settings
from routerd.message.address import parse_address
from routerd.message.envelope import Purpose, Received
from routerd.message.key_ring import Keys
from routerd.message.srs import issue_srs
from routerd.message.token import ANSWER, BOUNCE, DRAFT, NOTE, issue_address

LIFE = timedelta(minutes=10)
MAX_PROBES = 4_000  # under way at once
MAX_HEADER_BYTES = 20_000  # in which one names itself
KINDS = {  # what each is for, in words
    "bounces": (BOUNCE, Purpose.RETURN_PATH),
    "answers": (ANSWER, Purpose.ANSWER),
    "notes": (NOTE, Purpose.NOTE),
    "drafts": (DRAFT, Purpose.DRAFT),
}
WRAPPED = "wrapped"  # bounces for strangers, with `return_path: srs`
_STRANGER = "probe@probe.invalid"  # a sender that nobody has (RFC 2606 2); an address of ours holds him
_NAMES_ITSELF = re.compile(rb"^X-Routerd-Probe: <([^>\r\n]{1,254})>", re.MULTILINE)
_CHANCE_BYTES = 3
_FIRST = (1 << 48) - (1 << 8 * _CHANCE_BYTES)  # the last numbers that a token can name

log = structlog.get_logger()

Do = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(slots=True)
class _Probe:
    until: datetime
    address: str
    purpose: Purpose
    came_from: str | None = None  # the client's address
    lost_detail: bool = False  # it came to the inbox itself


class Probes:
    """Those under way, in memory: whoever asks does not outlive the daemon by much.

    `settings` gives those in force, `chance` random bytes; `keys` are those of our own addresses.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        keys: Keys,
        chance: Callable[[int], bytes],
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._chance = chance
        self._clock = clock
        self._under_way: OrderedDict[int, _Probe] = OrderedDict()

    def before(self, do: Do) -> Do:
        """Answers `probe` with an address of each inbox and kind, and `probed` with where those that arrived came from
        and which of them came to the inbox itself; `do` is asked for the rest.
        """

        async def answer(command: dict[str, Any]) -> dict[str, Any]:
            return self._answer(command) or await do(command)

        return answer

    def _answer(self, command: dict[str, Any]) -> dict[str, Any] | None:
        match command:
            case {"do": "probe"}:
                return {"addresses": list(self._issue_all(self._settings()))}
            case {"do": "probed"}:
                came = {str(number): probe.came_from for number, probe in self._under_way.items() if probe.came_from}
                lost = [str(number) for number, probe in self._under_way.items() if probe.lost_detail]
                return {"came": came, "lost_detail": lost}
            case _:
                return None

    @property
    def under_way(self) -> bool:
        return bool(self._under_way)

    def take(self, received: Received) -> bool:
        """Whether it is one of them, by its token; or by its name, where it has none or it was lost with the `+`."""
        self._forget_old()
        if not self._under_way or len(received.envelope.recipients) != 1:
            return False
        recipient = received.envelope.recipients[0]
        is_at_inbox = recipient.purpose is Purpose.INBOX
        has_number = not is_at_inbox and recipient.purpose is not Purpose.WRAPPED
        probe = self._under_way.get(recipient.copy_number or 0) if has_number else self._named_in(received)
        if probe is None or not (is_at_inbox or probe.purpose is recipient.purpose):
            return False
        probe.came_from, probe.lost_detail = received.client.address or "a unix socket", is_at_inbox
        log.info("probe_arrived", id=received.id, inbox=recipient.inbox, client=probe.came_from)
        return True

    def _named_in(self, received: Received) -> _Probe | None:
        """Nobody guesses an address with a token of ours."""
        found = _NAMES_ITSELF.search(received.raw[:MAX_HEADER_BYTES])
        address = found[1].decode("ascii", "replace") if found else None
        return next((probe for probe in self._under_way.values() if probe.address == address), None)

    def _issue_all(self, settings: Settings) -> Iterator[dict[str, Any]]:
        now = self._clock()
        for inbox in settings.inboxes:
            base = parse_address(inbox)
            for kind, (letter, purpose) in KINDS.items():
                number = self._new_number()
                address = issue_address(letter, base, number, now, settings.addresses, self._keys)
                yield self._begin(_Probe(now + LIFE, address, purpose), number, inbox, kind)
            if settings.return_path == "srs":
                number = self._new_number()
                wrapped = issue_srs(f"{number}.{_STRANGER}", base, now, settings.addresses, self._keys)
                if wrapped is not None:
                    yield self._begin(_Probe(now + LIFE, wrapped, Purpose.WRAPPED), number, inbox, WRAPPED)

    def _begin(self, probe: _Probe, number: int, inbox: str, kind: str) -> dict[str, Any]:
        self._forget_old(room_for=1)
        self._under_way[number] = probe
        return {"number": number, "inbox": inbox, "kind": kind, "address": probe.address}

    def _forget_old(self, room_for: int = 0) -> None:
        while self._under_way and (len(self._under_way) > MAX_PROBES - room_for or self._oldest.until < self._clock()):
            self._under_way.popitem(last=False)

    def _new_number(self) -> int:
        while True:
            number = _FIRST + int.from_bytes(self._chance(_CHANCE_BYTES), "big")
            if number not in self._under_way:
                return number

    @property
    def _oldest(self) -> _Probe:
        return next(iter(self._under_way.values()))
