"""Who comes, and whether there is a place for him: the PROXY header and the limits on connections."""

from dataclasses import dataclass
from typing import Any

from routerd.intake.clients.peer import NOBODY, Peer, peer_behind, peer_of
from routerd.intake.clients.proxy_protocol import ProxyDecoder, ProxyError
from routerd.intake.keeping.backlog import Backlog
from routerd.intake.reception import Reception
from routerd.message.envelope import Refused


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """`reason`: the word under which it is counted; `refused`: None where nothing may be said."""

    reason: str
    about: str
    refused: Refused | None = None


Step = Peer | TurnedAway | None
"""Let in; or not; None: more bytes are needed to say."""


class Arrival:
    """One connection's place among all, from `begin` to `end`.

    What comes from a proxy begins with a header (section 2 of the PROXY protocol: it is not guessed whether there is
    one); what stands behind that goes to the backlog.
    """

    __slots__ = ("_counted_as", "_decoder", "_is_counted", "_reception", "peer")

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._decoder: ProxyDecoder | None = None
        self._is_counted = False
        self._counted_as: str | None = None
        self.peer = NOBODY

    def begin(self, peername: Any) -> Step:
        """`peername`: as the transport gives it."""
        peer = self.peer = peer_of(peername, self._reception.trusted)
        if not self._reception.is_proxy(peer.address):
            return self._count(peer)
        refused = self._take_place(None, trusted=True)  # for one whom only the header names
        if refused is None:
            self._decoder = ProxyDecoder()
        return refused

    @property
    def awaits_header(self) -> bool:
        return self._decoder is not None

    def hear(self, data: bytes, backlog: Backlog) -> Step:
        """What came while a header was awaited."""
        decoder = self._decoder
        if decoder is None:
            return None
        try:
            origin = decoder.feed(data)
        except ProxyError as error:
            return self.give_up(str(error))
        if origin is None:
            return None
        self._decoder = None
        if decoder.rest:
            backlog.add(decoder.rest)
        peer = self.peer = peer_behind(self.peer, origin, self._reception.trusted)
        self.end()
        return self._count(peer)

    def give_up(self, why: str) -> TurnedAway:
        """No header will come, or what came is none: nothing is said to who is no mail client."""
        self._decoder = None
        return TurnedAway("proxy_protocol", why)

    def _count(self, peer: Peer) -> Step:
        turned_away = self._reception.pressure.turns_away(trusted=peer.trusted)
        if turned_away is not None:
            return TurnedAway(turned_away.reason, "", turned_away)
        return self._take_place(peer.key, trusted=peer.trusted) or peer

    def _take_place(self, key: str | None, *, trusted: bool) -> TurnedAway | None:
        refused = self._reception.connections.admit(key, trusted=trusted)
        if refused is not None:
            return TurnedAway("connections", "", refused)
        self._is_counted = True
        self._counted_as = key
        return None

    def end(self) -> None:
        """Gives the place back, once."""
        if self._is_counted:
            self._is_counted = False
            self._reception.connections.release(self._counted_as)
