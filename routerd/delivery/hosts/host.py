"""Where a connection to a next hop leads."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TcpHost:
    """`host` is the name that its certificate must bear. `address`: an IP address of it; "" is looked up to connect."""

    host: str
    port: int
    address: str = ""

    def __str__(self) -> str:
        if self.address and self.address != self.host:
            return f"{self.host}[{self.address}]:{self.port}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixHost:
    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


Host = TcpHost | UnixHost
