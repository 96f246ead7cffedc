#!/usr/bin/env python3
"""Sends mail at an even pace, whatever becomes of it, and says as JSON how long the messages took.

    python tests/bench/steady.py --port 2525 --rate 500 --seconds 20 [--keep] [--automatic]

A process of its own, by plain sockets, so that it takes little of the machine; root's goes before others, as if it
were on another machine, so that it is not late itself. `accept` is from the final dot to its answer; `whole` from the
moment at which the message was due to the same: what waits here because the server does not keep up is in it. What is
due in the first tenth of the time is sent, but not counted in them: a server may have processes to start.
"""

import argparse
import gc
import json
import os
import secrets
import select
import socket
import sys
from array import array
from collections import deque
from collections.abc import Generator
from contextlib import suppress
from time import perf_counter, process_time

PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
_LINE = b"All that is said here is said to fill a message of an ordinary size, order 4711.\r\n"

Talk = Generator[int, None, None]


class Letters:
    """What is sent: each the same but for its number."""

    def __init__(self, client: str, sender: str, recipient: str, size: int, *, automatic: bool) -> None:
        said = "Auto-Submitted: auto-generated\r\n" if automatic else ""
        head = (
            f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: smtp-source, measured\r\n{said}"
            "Date: Mon, 12 Jan 2026 09:00:00 +0000\r\nMessage-ID: <"
        )
        self._head = head.encode()
        self._body = f"@{client}>\r\n\r\n".encode() + _LINE * (size // len(_LINE)) + b".\r\n"

    def letter(self, number: int) -> bytes:
        """With the dot that ends it."""
        return b"%b%d%b" % (self._head, number, self._body)


class Session:
    """One connection, which has one message under way at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(("127.0.0.1", port))
        self.talk: Talk | None = None
        self.wanted = 0  # replies
        self.received = b""
        self.unsent = b""

    def say(self, data: bytes) -> None:
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        self.unsent = data[sent:]

    def has_heard(self, data: bytes) -> bool:
        """Whether all replies that are waited for are there. Raises SystemExit where one refuses."""
        self.received += data
        last_lines = [line for line in self.received.split(b"\r\n")[:-1] if line[3:4] == b" "]
        if not data or any(line[:1] not in b"23" for line in last_lines):
            sys.exit(f"refused: {self.received!r}")
        if len(last_lines) < self.wanted:
            return False
        self.received = b""
        return True


class Sender:
    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._poll = select.epoll()
        self._sessions: dict[int, Session] = {}
        self._rested: deque[Session] = deque()  # kept connections without a message under way
        self._letters = Letters(
            options.client, options.sender, options.recipient, options.size, automatic=options.automatic
        )
        self._envelope = f"MAIL FROM:<{options.sender}>\r\nRCPT TO:<{options.recipient}>\r\nDATA\r\n".encode()
        self.messages = 0  # that were taken
        self._counted_from = 0.0
        self.accept_seconds = array("d")
        self.whole_seconds = array("d")

    def run(self) -> float:
        """The seconds that it took."""
        options = self._options
        total = round(options.rate * options.seconds)
        begun = 0
        began = perf_counter()
        self._counted_from = began + options.seconds / 10
        while self.messages < total:
            due = began + begun / options.rate
            while begun < total and due <= perf_counter() and self._has_room():
                self._begin(begun, due)
                begun += 1
                due = began + begun / options.rate
            may_begin = begun < total and self._has_room()
            self._serve(max(due - perf_counter(), 0.0) if may_begin else 1.0)
        return perf_counter() - began

    def _has_room(self) -> bool:
        return bool(self._rested) or len(self._sessions) < self._options.connections

    def _begin(self, number: int, due: float) -> None:
        if self._rested:
            session = self._rested.popleft()
        else:
            session = Session(self._options.port)
            self._sessions[session.socket.fileno()] = session
            self._poll.register(session.socket, select.EPOLLIN)
        is_new = session.talk is None
        session.talk = self._talk(session, number, due, is_new=is_new)
        self._go_on(session)

    def _talk(self, session: Session, number: int, due: float, *, is_new: bool) -> Talk:
        """Yields how many replies it waits for."""
        if is_new:
            yield 1
            session.say(f"EHLO {self._options.client}\r\n".encode())
            yield 1
        session.say(self._envelope)
        yield 3
        session.say(self._letters.letter(number))
        ended_at = perf_counter()
        yield 1
        now = perf_counter()
        self.messages += 1
        if due >= self._counted_from:
            self.accept_seconds.append(now - ended_at)
            self.whole_seconds.append(now - due)
        if self._options.keep:
            self._rested.append(session)
        else:
            session.say(b"QUIT\r\n")
            yield 1
            self._poll.unregister(session.socket)
            del self._sessions[session.socket.fileno()]
            session.socket.close()

    def _go_on(self, session: Session) -> None:
        assert session.talk is not None
        session.wanted = next(session.talk, 0)
        if session.unsent:
            self._poll.modify(session.socket, select.EPOLLIN | select.EPOLLOUT)

    def _serve(self, seconds: float) -> None:
        for descriptor, event in self._poll.poll(seconds):
            session = self._sessions[descriptor]
            if event & select.EPOLLOUT:
                session.say(session.unsent)
                if not session.unsent:
                    self._poll.modify(session.socket, select.EPOLLIN)
            if event & ~select.EPOLLOUT and session.has_heard(session.socket.recv(65_536)):
                self._go_on(session)


def percentiles(seconds: "array[float]") -> dict[str, float]:
    """In milliseconds."""
    ordered = sorted(seconds)
    return {
        name: ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 for name, share in PERCENTILES.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="messages a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--size", type=int, default=4096, help="bytes of a message (default: 4096)")
    parser.add_argument("--connections", type=int, default=80, help="at most so many at a time (default: 80)")
    parser.add_argument("--keep", action="store_true", help="many messages a connection")
    parser.add_argument("--automatic", action="store_true", help="messages that say that a machine wrote them")
    parser.add_argument("--sender", default="anna@klient.pl")
    parser.add_argument("--recipient", default="support@example.com")
    parser.add_argument("--client", default=f"{secrets.token_hex(4)}.example.net", help="its name (default: any)")
    options = parser.parse_args()
    gc.disable()
    with suppress(OSError):
        os.nice(-10)
    sender = Sender(options)
    before = process_time()
    seconds = sender.run()
    told = {
        "messages": sender.messages,
        "rate": sender.messages / seconds,
        "cpu": (process_time() - before) / seconds,
        "accept": percentiles(sender.accept_seconds),
        "whole": percentiles(sender.whole_seconds),
    }
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
