"""A DNS server on loopback, UDP and TCP, that says what a test tells it to: records, and faults of every kind.

It serves from a thread of its own, so that tests with an event loop, without one, and the real daemon can ask it.
"""

import asyncio
import threading
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

NEGATIVE_SECONDS = 60  # what the SOA of what is absent says


class Fault(Enum):
    SILENT = auto()
    SERVFAIL = auto()
    REFUSED = auto()
    TRUNCATED = auto()  # by UDP nothing but the flag; by TCP as it should be
    TRUNCATED_AND_SILENT = auto()  # by TCP no answer either
    WRONG_ID = auto()
    WRONG_QUESTION = auto()
    GARBAGE = auto()
    CNAME_LOOP = auto()
    NOT_A_RESPONSE = auto()
    REFERRAL = auto()  # no answer, but who is said to have one
    HALF_AN_ALIAS = auto()  # a CNAME, and nothing of where it leads
    HUGE = auto()  # a thousand records, by TCP


class DnsServer:
    """`with DnsServer() as server`. What nobody told it of does not exist (NXDOMAIN, with an SOA)."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._address = address
        self._records: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = {}
        self._faults: dict[str, Fault] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._closing: list[Callable[[], None]] = []
        self.port = 0
        self.asked: list[tuple[str, str, str]] = []  # name, kind, udp or tcp

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def endpoint(self) -> str:
        """As `dns.servers` names it."""
        return f"[{self._address}]:{self.port}" if ":" in self._address else f"{self._address}:{self.port}"

    def has(self, name: str, kind: str, *values: str, ttl: int = 300) -> None:
        """Records as a zone file has them; without values the name is there, and nothing of that kind."""
        self._records[name.lower(), kind] = (ttl, values)

    def fails(self, name: str, fault: Fault | None) -> None:
        """All questions about `name`, `*` for any other; None: no longer."""
        if fault is None:
            self._faults.pop(name.lower(), None)
        else:
            self._faults[name.lower()] = fault

    def count(self, name: str) -> int:
        """How often it was asked about `name`."""
        return sum(asked == name for asked, _, _ in self.asked)

    async def _open(self) -> None:
        """TCP on the port that UDP was given; another pair where somebody has it."""
        for _ in range(20):
            udp, _ = await self._loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=(self._address, 0))
            self.port = udp.get_extra_info("sockname")[1]
            try:
                tcp = await asyncio.start_server(self._serve, self._address, self.port)
            except OSError:
                udp.close()
                continue
            self._closing = [udp.close, tcp.close]
            return
        raise OSError("no port is free for both UDP and TCP")

    async def _close(self) -> None:
        for close in self._closing:
            close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            size = int.from_bytes(await reader.readexactly(2))
            answer = self.answer(await reader.readexactly(size), "tcp")
            if answer is None:
                await reader.read()  # the client's patience ends it
            else:
                writer.write(len(answer).to_bytes(2) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, wire: bytes, transport: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind, transport))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        fault = self._faults.get(name, self._faults.get("*"))
        if fault is not None:
            return self._faulty(fault, response, transport)
        self._fill(response, name, kind)
        return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(8):
            ttl, values = self._records.get((name, kind), (0, ()))
            if values:
                response.answer.append(dns.rrset.from_text(f"{name}.", ttl, "IN", kind, *values))
                return
            ttl, values = self._records.get((name, "CNAME"), (0, ()))
            if not values:
                break
            response.answer.append(dns.rrset.from_text(f"{name}.", ttl, "IN", "CNAME", *values))
            name = values[0].rstrip(".").lower()
        if not any(known == name for known, _ in self._records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        soa = f"ns.test. root.test. 1 3600 600 86400 {NEGATIVE_SECONDS}"
        response.authority.append(dns.rrset.from_text(".", 3600, "IN", "SOA", soa))

    def _faulty(self, fault: Fault, response: dns.message.Message, transport: str) -> bytes | None:
        name = response.question[0].name.to_text()
        kind = dns.rdatatype.to_text(response.question[0].rdtype)
        match fault:
            case Fault.SILENT:
                return None
            case Fault.SERVFAIL:
                response.set_rcode(dns.rcode.SERVFAIL)
            case Fault.REFUSED:
                response.set_rcode(dns.rcode.REFUSED)
            case Fault.TRUNCATED | Fault.TRUNCATED_AND_SILENT | Fault.HUGE if transport == "udp":
                response.flags |= dns.flags.TC
            case Fault.TRUNCATED_AND_SILENT:
                return None
            case Fault.TRUNCATED:
                self._fill(response, name.rstrip(".").lower(), kind)
            case Fault.HUGE:
                values = [f"127.0.{number // 250}.{number % 250 + 2}" for number in range(1000)]
                response.answer.append(dns.rrset.from_text(name, 300, "IN", "A", *values))
            case Fault.WRONG_ID:
                response.id ^= 1
            case Fault.WRONG_QUESTION:
                response.question = [dns.rrset.from_text("other.test.", 0, "IN", kind)]
            case Fault.GARBAGE:
                return b"\xff" * 40
            case Fault.CNAME_LOOP:
                other = f"x.{name}"
                response.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", other))
                response.answer.append(dns.rrset.from_text(other, 300, "IN", "CNAME", name))
            case Fault.REFERRAL:
                response.authority.append(dns.rrset.from_text("test.", 300, "IN", "NS", "ns.test."))
            case Fault.HALF_AN_ALIAS:
                response.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", f"x.{name}"))
            case Fault.NOT_A_RESPONSE:
                response.flags &= ~dns.flags.QR
        return response.to_wire()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        answer = self._server.answer(data, "udp")
        if answer is not None:
            self._transport.sendto(answer, address)
