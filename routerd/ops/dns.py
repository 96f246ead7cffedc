"""Questions to the DNS, asked of the resolvers that the config or /etc/resolv.conf names: the only door to dnspython.

Answers are values, and so is trouble: nothing that a server says, or does not say, is raised.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import structlog

from routerd.auth.dns_answers import Absent, Answer, RecordKind, Records, Stranger, Trouble
from routerd.config.settings import Dns, HostPort
from routerd.ops.dns_memory import DnsMemory
from routerd.ops.dns_servers import DnsServers
from routerd.ops.metrics import Metrics

MAX_OCTETS = 8_192  # of an answer by TCP: a full one of 64 KiB holds up the loop for a fifth of a second
MAX_VALUES = 100  # of one answer
SHORTEST_SECONDS = 5.0  # an answer is good for at least so long, whatever its TTL
LONGEST_SECONDS = 3600.0
LONGEST_ABSENCE_SECONDS = 900.0  # RFC 2308 5 advises hours at most; what was just published shall soon be seen
TROUBLE_SECONDS = 5.0
MAX_SOCKETS = 256  # one for each question that is being asked
MAX_SOCKETS_OF_ONE = 8  # of these for one stranger: his mail may bear scores of names whose servers are silent
MAX_QUESTIONS = 2_000  # that are being asked, or wait for a socket
ROUNDS = 2  # a server that was silent is asked once more
_SHORTEST_TRY_SECONDS = 0.25
COMPLAIN_SECONDS = 3600.0  # how often the same trouble of this machine is logged

log = structlog.get_logger()


_Question = tuple[str, RecordKind]
_SILENCE = Trouble("no answer in time")
_NO_SERVER = Trouble("no DNS server is known: neither dns.servers nor /etc/resolv.conf names one")
_BUSY = Trouble("too many questions at once")
_CLOSED = Trouble("shutting down")


class Resolver:
    """Asks, and remembers what it was told for as long as it holds.

    A question may take `settings.timeout` over all servers. Those who ask the same at once share one query; it goes on
    when they no longer wait, so that the answer is there the next time. `now_seconds` is monotonic.
    """

    def __init__(
        self,
        settings: Dns,
        metrics: Metrics,
        *,
        now_seconds: Callable[[], float] = monotonic,
        servers: DnsServers | None = None,
    ) -> None:
        self._now = now_seconds
        self._servers = servers or DnsServers(now_seconds=now_seconds)
        self._metrics = metrics
        self._backend: Any = dns.asyncbackend.get_backend("asyncio")
        self._memory: DnsMemory[_Question, Answer] = DnsMemory()
        self._asked: dict[_Question, asyncio.Task[Answer]] = {}
        self._sockets = asyncio.Semaphore(MAX_SOCKETS)
        self._sockets_of_strangers = asyncio.Semaphore(MAX_SOCKETS // 2)
        self._asked_of_strangers = 0
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # by stranger
        self._waiting_for_turns = 0
        self._told_at: dict[str, float] = {}
        self._is_closed = False
        self.adopt(settings)

    def adopt(self, settings: Dns) -> None:
        """From the next question on. What other servers said is forgotten."""
        self._timeout_seconds = settings.timeout.total_seconds()
        if self._servers.adopt(settings.servers):
            self._memory.clear()

    async def look_up(self, name: str, kind: RecordKind, *, stranger: Stranger | None = None) -> Answer:
        """`name`: a domain in A-labels, with or without its last dot. Raises only where the caller is cancelled.

        Strangers have half of the sockets, so that nobody else has to wait for them, and each of them has a few.
        """
        question = (name.lower().removesuffix("."), kind)
        known = self._memory.get(question, self._now())
        if known is not None:
            return known
        if stranger is None or question in self._asked:
            return await self._asked_once(question)
        # Before the question is one that others may join: none of them waits for this one's turn.
        turn = self._turns.setdefault(stranger.key, asyncio.Semaphore(MAX_SOCKETS_OF_ONE))
        has_turn = False
        try:
            has_turn = await self._got(turn)
        finally:  # also where the caller's time is over before
            stranger.went_without |= not has_turn
        if not has_turn:
            return _BUSY
        known = self._memory.get(question, self._now())
        if known is None and question not in self._asked:
            return await self._asked_once(question, turn)
        turn.release()
        return known or await self._asked_once(question)

    async def _got(self, turn: asyncio.Semaphore) -> bool:
        """Whether it came in time; then it is to be released."""
        if not turn.locked():
            return await turn.acquire()
        if self._waiting_for_turns >= MAX_QUESTIONS:
            return False
        self._waiting_for_turns += 1
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await turn.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting_for_turns -= 1

    async def _asked_once(self, question: _Question, turn: asyncio.Semaphore | None = None) -> Answer:
        """By all who ask it meanwhile. `turn`: of the stranger who begins; it is released when the question is over."""
        task = self._asked.get(question)
        if task is None:
            trouble = self._why_not(turn)
            if trouble is not None:
                if turn is not None:
                    turn.release()
                return trouble
            self._asked_of_strangers += turn is not None
            task = self._asked[question] = asyncio.create_task(self._find(*question, turn))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if self._is_closed and task.cancelled():
                return _CLOSED
            raise

    def _why_not(self, turn: asyncio.Semaphore | None) -> Trouble | None:
        """What keeps us from asking anything."""
        if self._is_closed:
            return _CLOSED
        is_full = turn is not None and self._asked_of_strangers >= MAX_QUESTIONS // 2
        return _BUSY if is_full or len(self._asked) >= MAX_QUESTIONS else None

    async def close(self) -> None:
        """Ends all questions: who still waits is told of trouble."""
        self._is_closed = True
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find(self, text: str, kind: RecordKind, turn: asyncio.Semaphore | None) -> Answer:
        try:
            name = _name(text)
            if name is None:
                return Absent(is_nxdomain=True, seconds=LONGEST_ABSENCE_SECONDS)
            began = self._now()
            answer = await self._ask_in_time(name, kind, of_stranger=turn is not None)
            self._metrics.dns_questions.labels(kind.value, _RESULTS[type(answer)]).inc()
            self._metrics.dns_seconds.observe(self._now() - began)
            seconds = TROUBLE_SECONDS if isinstance(answer, Trouble) else answer.seconds
            octets = len(text) + sum(map(len, answer.values)) if isinstance(answer, Records) else len(text)
            self._memory.put((text, kind), answer, self._now() + seconds, octets)
            return answer
        finally:
            self._asked.pop((text, kind), None)
            if turn is not None:
                self._asked_of_strangers -= 1
                turn.release()

    async def _ask_in_time(self, name: dns.name.Name, kind: RecordKind, *, of_stranger: bool) -> Answer:
        of_these = self._sockets_of_strangers if of_stranger else contextlib.nullcontext()
        try:
            async with asyncio.timeout(self._timeout_seconds), of_these, self._sockets:
                return await self._ask_all(name, kind)
        except TimeoutError:
            return _SILENCE
        except Exception as error:  # a fault of ours, or of the library, is nobody's answer
            log.exception("dns_question_failed", name=name.to_text(), kind=kind.value)
            return Trouble(f"a fault: {type(error).__name__}")

    async def _ask_all(self, name: dns.name.Name, kind: RecordKind) -> Answer:
        """The first answer of any server; those that were silent are asked again, those that refused are not."""
        servers = await self._servers.in_turn()
        if not servers:
            return self._told(_NO_SERVER)
        try_seconds = max(self._timeout_seconds / (ROUNDS * len(servers)), _SHORTEST_TRY_SECONDS)
        silent: Sequence[HostPort] = servers
        trouble = _SILENCE
        for _ in range(ROUNDS):
            asked, silent = silent, []
            for server in asked:
                answer = await self._ask(server, name, kind, try_seconds)
                if answer is None:
                    silent.append(server)
                elif isinstance(answer, Trouble):
                    trouble = answer
                else:
                    self._servers.prefer(server)
                    return answer
        return trouble

    async def _ask(self, server: HostPort, name: dns.name.Name, kind: RecordKind, try_seconds: float) -> Answer | None:
        """None: the server said nothing in time."""
        query = dns.message.make_query(name, dns.rdatatype.from_text(kind.value))  # with an id of its own
        try:
            async with asyncio.timeout(try_seconds):
                response = await self._by_udp(server, query)
            if response is None:
                async with asyncio.timeout(try_seconds):
                    response = await _by_tcp(server, query)
        except (TimeoutError, dns.exception.Timeout):
            return None
        except OSError as error:
            return self._told(Trouble(f"{server} cannot be reached: {error.strerror or error}"))
        except (dns.exception.DNSException, ValueError, EOFError) as error:
            return Trouble(f"{server} sent no answer that can be read: {type(error).__name__}")
        return _read(response, kind)

    def _told(self, trouble: Trouble) -> Trouble:
        """The same, logged once in a while: it is this machine's, and not a zone's that anybody may own."""
        now = self._now()
        if now - self._told_at.get(trouble.reason, -COMPLAIN_SECONDS) >= COMPLAIN_SECONDS:
            self._told_at[trouble.reason] = now
            log.warning("dns_unreachable", reason=trouble.reason)
        return trouble

    async def _by_udp(self, server: HostPort, query: dns.message.QueryMessage) -> dns.message.Message | None:
        """None: the answer was truncated. What does not fit the question may be anybody's: it is passed over.

        From a random port, connected: the kernel lets nobody else's datagrams in, and says when nobody listens there.
        """
        family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        there = (server.host, server.port)
        async with await self._backend.make_socket(family, socket.SOCK_DGRAM, 0, None, there) as connected:
            try:
                return await dns.asyncquery.udp(
                    query,
                    server.host,
                    port=server.port,
                    sock=connected,
                    ignore_unexpected=True,
                    raise_on_truncation=True,
                    ignore_errors=True,
                )
            except dns.message.Truncated:
                return None


async def _by_tcp(server: HostPort, query: dns.message.QueryMessage) -> dns.message.Message:
    """Raises ValueError for what is no answer to it, or a longer one than is worth its reading."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(2, "big") + wire)
        size = int.from_bytes(await reader.readexactly(2), "big")
        if size > MAX_OCTETS:
            raise ValueError("too long")
        response = dns.message.from_wire(await reader.readexactly(size))
    finally:
        writer.close()
    if not query.is_response(response):
        raise ValueError("of another question")
    return response


def _name(text: str) -> dns.name.Name | None:
    """None for what no domain in A-labels can be."""
    if not text.isascii():
        return None
    try:
        return dns.name.from_text(text)
    except (dns.exception.DNSException, ValueError):
        return None


def _read(response: dns.message.Message, kind: RecordKind) -> Answer:
    code = response.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not isinstance(response, dns.message.QueryMessage):
        return Trouble(f"the DNS server said {dns.rcode.to_text(code)}")
    try:
        chain = response.resolve_chaining()
    except dns.exception.DNSException as error:
        return Trouble(f"the DNS server's answer is broken: {type(error).__name__}")
    if chain.answer is None:
        if code == dns.rcode.NOERROR and _refers_elsewhere(response, bool(chain.cnames)):
            return Trouble("the DNS server names others instead of asking them")
        seconds = min(max(chain.minimum_ttl, SHORTEST_SECONDS), LONGEST_ABSENCE_SECONDS)
        return Absent(is_nxdomain=code == dns.rcode.NXDOMAIN, seconds=seconds)
    form = _FORMS[kind]
    values = tuple(form(record) for record, _ in zip(chain.answer, range(MAX_VALUES), strict=False))
    return Records(values, min(max(chain.minimum_ttl, SHORTEST_SECONDS), LONGEST_SECONDS))


def _refers_elsewhere(response: dns.message.Message, has_alias: bool) -> bool:
    """A referral, or half an alias, by a server that does not recurse: no answer, though it looks like "nothing there".

    RFC 2308 2.2: that would have an SOA, or at least no NS.
    """
    kinds = {records.rdtype for records in response.authority}
    return dns.rdatatype.SOA not in kinds and (has_alias or dns.rdatatype.NS in kinds)


def _domain(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


_FORMS: Mapping[RecordKind, Callable[[Any], str]] = {
    RecordKind.A: lambda record: record.address,
    RecordKind.AAAA: lambda record: record.address,
    RecordKind.PTR: lambda record: _domain(record.target),
    RecordKind.MX: lambda record: f"{record.preference} {_domain(record.exchange)}",
    RecordKind.TXT: lambda record: b"".join(record.strings).decode("latin-1"),
}
_RESULTS = {Records: "found", Absent: "absent", Trouble: "trouble"}
