"""A client at any address, of which a proxy that routerd believes tells (`proxies: [127.0.0.1/32]`)."""

import smtplib
import socket


class Stranger(smtplib.SMTP):
    """A session, greeted; `address` is IPv4 or IPv6."""

    def __init__(self, address: str, port: int, name: str = "client.far.test") -> None:
        self._address = address
        super().__init__("127.0.0.1", port, name, timeout=60)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        opened = socket.create_connection((host, port), timeout)
        family, there = ("TCP6", "::1") if ":" in self._address else ("TCP4", "127.0.0.1")
        opened.sendall(f"PROXY {family} {self._address} {there} 4711 25\r\n".encode())
        return opened
