"""Takes what `steady.py` has sent and looks at each message: smtp-sink only counts, or writes all to the disk."""

import asyncio
import re
from threading import Thread
from typing import Self

from bench.equal_rules import LABEL
from bench.steady import Letters

_END = b"\r\n.\r\n"
_LABELLED = f"X-Labels: {LABEL}\r\n".encode()
_GREETING = b"220 sink.example.net ESMTP\r\n"
_EHLO = b"250-sink.example.net\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
_REPLIES = {b"EHLO": _EHLO, b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


class ExactSink:
    """Listens on `port` of 127.0.0.1, in a thread of its own."""

    def __init__(self, port: int, letters: Letters) -> None:
        self._port = port
        self._letters = letters
        self._number = re.compile(rb"\nMessage-ID: <(\d+)@")
        self._seen = bytearray()  # by number
        self.arrived = 0  # different ones
        self.doubled = 0
        self.altered = 0
        self.first_altered = b""  # of these
        self.connections = set[asyncio.Transport]()

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        server = self._loop.create_server(lambda: _Session(self), "127.0.0.1", self._port, backlog=1000)
        self._server = self._loop.run_until_complete(server)
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for transport in tuple(self.connections):
            transport.abort()
        while self.connections:
            await asyncio.sleep(0)

    def take(self, data: bytes) -> None:
        """One message as it comes over the wire, with its last line's dot."""
        found = self._number.search(data)
        number = -1 if found is None else int(found[1])
        if not data.endswith(self._letters.letter(number)) or _LABELLED not in data:
            self.altered += 1
            self.first_altered = self.first_altered or data
            return
        if number >= len(self._seen):
            self._seen.extend(bytes(number + 1))
        self.doubled += self._seen[number]
        self.arrived += not self._seen[number]
        self._seen[number] = 1


class _Session(asyncio.Protocol):
    def __init__(self, sink: ExactSink) -> None:
        self._sink = sink
        self._received = bytearray()
        self._is_content = False
        self._looked_until = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink.connections.add(transport)
        transport.write(_GREETING)

    def connection_lost(self, _error: Exception | None) -> None:
        self._sink.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (reply := self._content() if self._is_content else self._command()) is not None:
            self._transport.write(reply)

    def _content(self) -> bytes | None:
        end = self._received.find(_END, self._looked_until)
        if end < 0:
            self._looked_until = max(len(self._received) - len(_END) + 1, 0)
            return None
        end += len(_END)
        self._sink.take(bytes(self._received[:end]))
        del self._received[:end]
        self._looked_until, self._is_content = 0, False
        return b"250 taken\r\n"

    def _command(self) -> bytes | None:
        line, ended, rest = self._received.partition(b"\r\n")
        if not ended:
            return None
        self._received = rest
        verb = bytes(line[:4]).upper()
        self._is_content = verb == b"DATA"
        return _REPLIES.get(verb, b"250 fine\r\n")
