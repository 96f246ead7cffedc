"""How much at once: connections in all and per client, memory in flight. Pure.

The last tenth of either is for clients in `trusted_networks`, where there are any: no flood of strangers shuts them
out.
"""

from routerd.config.intake_settings import Limits
from routerd.message.envelope import Refused

MEMORY_BYTES = 1 << 20  # of one message; what is larger goes to a file

CROWDED = 0.8  # of all places that strangers may have

TOO_MANY = Refused(421, "4.3.2", "Too many connections; try again later")
TOO_MANY_OF_CLIENT = Refused(421, "4.7.0", "Too many connections from your address; try again later")


class Connections:
    """Open connections of all listeners, counted in all and by client. None is admitted before `adopt`."""

    def __init__(self, in_all: int = 0, per_client: int = 0) -> None:
        self.in_all = in_all
        self.per_client = per_client
        self.per_trusted_client: int | None = None
        self.kept = 0  # for trusted clients
        self.open_here = 0  # in this process
        self._by_client: dict[str, int] = {}

    def adopt(self, limits: Limits, *, has_trusted: bool) -> None:
        """For connections that come from now on."""
        self.in_all = limits.connections
        self.per_client = limits.connections_per_client
        self.per_trusted_client = limits.trusted.connections_per_client
        self.kept = _kept(limits.connections, has_trusted=has_trusted)

    @property
    def open(self) -> int:
        return self.open_here

    @property
    def is_crowded(self) -> bool:
        """Few places are left to strangers."""
        return self.open >= (self.in_all - self.kept) * CROWDED

    def most(self, *, trusted: bool) -> int:
        return self.in_all - (0 if trusted else self.kept)

    def most_of_client(self, *, trusted: bool) -> int | None:
        return self.per_trusted_client if trusted else self.per_client

    def admit(self, client: str | None, *, trusted: bool = False) -> Refused | None:
        """`client`: of `client_key`, None where it is counted in all only. None is a yes, to be undone by `release`."""
        if self.open_here >= self.most(trusted=trusted):
            return TOO_MANY
        if client is not None:
            most = self.most_of_client(trusted=trusted)
            count = self._by_client.get(client, 0)
            if most is not None and count >= most:
                return TOO_MANY_OF_CLIENT
            self._by_client[client] = count + 1
        self.open_here += 1
        return None

    def release(self, client: str | None) -> None:
        self.open_here -= 1
        if client is not None:
            count = self._by_client[client] - 1
            if count:
                self._by_client[client] = count
            else:
                del self._by_client[client]


class Memory:
    """Bytes of messages that are in memory between the first byte of DATA and the answer."""

    def __init__(self, limit_bytes: int = 0) -> None:
        self.limit_bytes = limit_bytes
        self.kept_bytes = 0  # for trusted clients
        self.used_bytes_here = 0  # in this process

    @property
    def used_bytes(self) -> int:
        return self.used_bytes_here

    def adopt(self, limits: Limits, *, has_trusted: bool) -> None:
        self.limit_bytes = limits.memory * 5 // 6  # the rest is what the allocator leaves between pieces
        self.kept_bytes = _kept(self.limit_bytes, has_trusted=has_trusted)

    def has_room(self, size_bytes: int, *, trusted: bool = False) -> bool:
        return self.used_bytes + size_bytes <= self.most_bytes(trusted=trusted)

    def most_bytes(self, *, trusted: bool) -> int:
        return self.limit_bytes - (0 if trusted else self.kept_bytes)

    def share(self) -> float:
        """How much is used of what strangers may have; 1.0 is all."""
        return self.used_bytes / (self.limit_bytes - self.kept_bytes)

    def take(self, size_bytes: int, *, trusted: bool = False) -> bool:
        """Counts them; False, and not counted, where they are too many."""
        if not self.has_room(size_bytes, trusted=trusted):
            return False
        self.used_bytes_here += size_bytes
        return True

    def hold(self, size_bytes: int) -> None:
        """Counts what is here already and cannot be refused."""
        self.used_bytes_here += size_bytes

    def give_back(self, size_bytes: int) -> None:
        self.used_bytes_here -= size_bytes


def _kept(limit: int, *, has_trusted: bool) -> int:
    return limit // 10 if has_trusted else 0
