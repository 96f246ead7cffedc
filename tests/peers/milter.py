"""A mail server's side of the milter protocol, which filters such as opendkim and rspamd speak."""

import re
import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from peers.machine import PeerError

_VERSION = 6
_MAY_ADD_HEADERS = 0x01
_MAY_CHANGE_HEADERS = 0x10
_LEADING_SPACE = 0x100000  # a value is what follows the colon, its first space too: `simple` signatures need that
_STEPS = {  # what a filter may not want to see, and what it may not answer to
    b"C": (0x01, 0x1000),  # who connects
    b"H": (0x02, 0x2000),  # HELO
    b"M": (0x04, 0x4000),
    b"R": (0x08, 0x8000),
    b"T": (0x200, 0x10000),  # DATA
    b"L": (0x20, 0x80),  # a header field
    b"N": (0x40, 0x40000),  # the header's end
    b"B": (0x10, 0x80000),  # a piece of the body
}
_OFFERED = sum(unwanted | silent for unwanted, silent in _STEPS.values()) | _LEADING_SPACE
_CONTINUE, _ACCEPT, _SEEN_ENOUGH, _IN_PROGRESS, _INSERT_FIELD = b"c", b"a", b"s", b"p", b"i"
_CHUNK = 65_000
_FIELD = re.compile(rb"([!-9;-~]+)([ \t]*:)((?:[^\r\n]|\r\n[ \t])*+)(?:\r\n|\Z)")
_COMMENT = re.compile(rb"\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who hands a message over."""

    address: str = "192.0.2.7"
    name: str = "mail.klient.pl"
    mail_from: str = "anna@klient.pl"
    rcpt_to: str = "support@example.com"


class UnfitMessageError(Exception):
    """It has a line in its header that is no field: a mail server would change it before a filter saw it."""


class Milter:
    """One connection to a filter on 127.0.0.1, for one message after the other."""

    def __init__(self, port: int, sender: Sender) -> None:
        self._sender = sender
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._waiting = bytearray()  # what goes out when an answer is waited for
        self._steps = 0
        self._has_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._socket:
            self._write(b"Q")
            self._socket.sendall(self._waiting)

    def filter(self, raw: bytes) -> bytes:
        """`raw`, lines ending with CRLF, under what the filter puts on top.

        Raises UnfitMessageError, and PeerError where the filter refuses it or would change what is there.
        """
        fields, body = _split(raw)
        if not self._has_begun:
            self._negotiate()
            self._greet()
            self._has_begun = True
        self._envelope()
        has_space = bool(self._steps & _LEADING_SPACE)
        for name, value in fields:
            text = value.replace(b"\r\n", b"\n")
            self._tell(b"L", _strings(name, text if has_space else text.removeprefix(b" ")))
        self._tell(b"N")
        for start in range(0, len(body), _CHUNK):
            if self._tell(b"B", body[start : start + _CHUNK]) == _SEEN_ENOUGH:
                break
        self._write(b"E")
        return b"".join((*self._changes(has_space), raw))

    def _negotiate(self) -> None:
        self._write(b"O" + struct.pack("!III", _VERSION, _MAY_ADD_HEADERS | _MAY_CHANGE_HEADERS, _OFFERED))
        kind, data = self._read()
        if kind != b"O":
            raise PeerError(f"the filter began with {kind!r}")
        _, _, self._steps = struct.unpack("!III", data[:12])

    def _greet(self) -> None:
        sender = self._sender
        family = b"6" if ip_address(sender.address).version == 6 else b"4"
        name = sender.name.encode()
        self._write(b"DC" + _strings(b"j", b"mx.example.test", b"{daemon_name}", b"mx.example.test"))
        self._tell(b"C", name + b"\0" + family + struct.pack("!H", 4711) + _strings(sender.address.encode()))
        self._tell(b"H", _strings(name))

    def _envelope(self) -> None:
        self._write(b"DM" + _strings(b"i", b"TESTQUEUE"))
        self._tell(b"M", _strings(f"<{self._sender.mail_from}>".encode()))
        self._tell(b"R", _strings(f"<{self._sender.rcpt_to}>".encode()))
        self._tell(b"T")

    def _tell(self, kind: bytes, data: bytes = b"") -> bytes:
        """What the filter says to it; CONTINUE where it does not want to see it, or answers to no such thing."""
        unwanted, silent = _STEPS[kind]
        if self._steps & unwanted:
            return _CONTINUE
        self._write(kind + data)
        if self._steps & silent:
            return _CONTINUE
        answer, text = self._read()
        if answer not in (_CONTINUE, _SEEN_ENOUGH):
            raise PeerError(f"the filter said {answer!r} {text!r}")
        return answer

    def _changes(self, has_space: bool) -> list[bytes]:
        """The fields for the top, the first one first."""
        added: list[bytes] = []
        while True:
            kind, data = self._read()
            if kind == _INSERT_FIELD:
                place = max(struct.unpack("!I", data[:4])[0] - 1, 0)  # 1 is the top, and so is 0
                if place > len(added):
                    raise PeerError(f"the filter put {data!r} among what was there")
                name, value, _ = data[4:].split(b"\0", 2)
                folded = value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
                added.insert(place, b"%b:%b%b\r\n" % (name, b"" if has_space else b" ", folded))
            elif kind in (_CONTINUE, _ACCEPT):
                return added
            elif kind != _IN_PROGRESS:
                raise PeerError(f"the filter said {kind!r} {data!r}")

    def _write(self, packet: bytes) -> None:
        self._waiting += struct.pack("!I", len(packet)) + packet

    def _read(self) -> tuple[bytes, bytes]:
        self._socket.sendall(self._waiting)
        self._waiting.clear()
        size = struct.unpack("!I", self._exactly(4))[0]
        packet = self._exactly(size)
        return packet[:1], packet[1:]

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # filters answer in small pieces
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise PeerError("the filter hung up")
            data += piece
        return bytes(data)


def _strings(*values: bytes) -> bytes:
    return b"".join(value + b"\0" for value in values)


def _split(raw: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The fields' names and values, and the body."""
    fields = []
    at = 0
    while at < len(raw) and not raw.startswith(b"\r\n", at):
        found = _FIELD.match(raw, at)
        if not found or found[2] != b":":
            raise UnfitMessageError(f"{raw[at : at + 60]!r} is no field")
        fields.append((found[1], found[3]))
        at = found.end()
    return fields, raw[at + 2 :]


def dkim_results(filtered: bytes, raw: bytes, domain: str) -> list[str]:
    """What an Authentication-Results that a filter put above `raw` says of each signature of `domain`."""
    said = _COMMENT.sub(b"", filtered.removesuffix(raw))
    return [
        found[1].decode() for found in re.finditer(rb"dkim=(\w+)[^;]*\bheader\.d=" + re.escape(domain.encode()), said)
    ]
