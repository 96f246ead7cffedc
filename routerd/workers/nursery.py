"""The process that workers are forked from: it has no loop and no thread, and so can be copied at any time.

It is forked before the daemon has either, with all that workers share: what was imported and the rules as compiled
then, in memory that they need not have again. It holds the listening sockets, forks when told to, and says who ended.
Hub gone: it ends at once, and so do its workers.
"""

import asyncio
import ctypes
import gc
import os
import secrets
import select
import signal
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pickle import dumps, loads
from typing import NamedTuple, NoReturn

import structlog

from routerd.config.settings import Settings
from routerd.intake.limits.shared_counts import SharedMap
from routerd.intake.listening import Listening
from routerd.ops.process import name_process
from routerd.ops.rules_folder import compile_safely
from routerd.ops.watching import Seen, look
from routerd.rules.compile import Compiled
from routerd.workers.descriptors import SPACE_BYTES, along_with, that_came

_MESSAGE_BYTES = 65_536
_FIRST_OWN_DESCRIPTOR = 3
_PR_SET_PDEATHSIG = 1
_SURVIVED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # they are the hub's to obey, though a terminal tells all

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Heritage:
    """What all have in common from before the fork: the rules as they were read then and what their folder looked like
    just before that, and the memory in which they count what limits hold for."""

    seen: Seen
    compiled: Compiled
    counts: SharedMap


# What hub and nursery say to each other, in datagrams


class _Listeners(NamedTuple):
    """The sockets that go along, in this order: how many are whose."""

    names: tuple[tuple[str, int], ...]


class _Fork(NamedTuple):
    """A worker for that seat; the socket that goes along is its end of the link."""

    seat: int


class _Close(NamedTuple):
    """No more workers, and no more listening."""


class Forked(NamedTuple):
    seat: int
    pid: int


class Ended(NamedTuple):
    pid: int
    status: int  # as `os.waitstatus_to_exitcode` gives it


class Unforked(NamedTuple):
    seat: int
    reason: str


class Nursery:
    """The hub's end. `seats`: how many workers there are to be; `heritage`: what each has inherited."""

    def __init__(self, ours: socket.socket, seats: int, heritage: Heritage) -> None:
        self._socket = ours
        self.seats = seats
        self.heritage = heritage

    def listen(self, hear: Callable[[Forked | Ended | Unforked], None], end: Callable[[], None]) -> None:
        """Within a running loop: what it says, and once that it is gone."""
        self._socket.setblocking(False)
        loop = asyncio.get_running_loop()

        def read() -> None:
            try:
                said = self._socket.recv(_MESSAGE_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                said = b""
            if said:
                hear(loads(said))  # noqa: S301 - our own
            else:
                self.close()
                end()

        loop.add_reader(self._socket, read)

    def give_listeners(self, listening: Listening) -> None:
        names = tuple((name, len(sockets)) for name, sockets in listening.items())
        self._say(_Listeners(names), [one.fileno() for sockets in listening.values() for one in sockets])

    def fork(self, seat: int, theirs: socket.socket) -> None:
        self._say(_Fork(seat), [theirs.fileno()])

    def no_more(self) -> None:
        self._say(_Close(), [])

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            with suppress(RuntimeError):  # there is no loop yet
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def _say(self, words: object, descriptors: list[int]) -> None:
        """Its socket holds more than can be said at once, and it does nothing but hear."""
        with suppress(OSError):  # it is gone: the loop hears that from the socket
            self._socket.sendmsg([dumps(words)], along_with(descriptors))


Grow = Callable[[int, socket.socket, Listening, Heritage], None]
"""What a worker does from its fork to its end: its seat, its end of the link, where it listens, what it inherited."""


def begin_nursery(settings: Settings, grow: Grow, prepare: Callable[[], None]) -> Nursery | None:
    """None: the config asks for one process. To be called while there is no thread.

    `prepare`: what each new process does first.
    """
    seats = seats_of(settings.workers)
    if not seats:
        return None
    heritage = Heritage(look(settings.rules), compile_safely(settings), SharedMap(seats, secrets.token_bytes))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gc.collect()
    gc.freeze()  # nobody's collector writes into what is shared
    hub = os.getpid()
    pid = os.fork()
    if pid:
        theirs.close()
        return Nursery(ours, seats, heritage)
    status = 1
    try:
        _die_with(hub)
        _leave_all_but(theirs.fileno())
        for number in _SURVIVED:
            signal.signal(number, signal.SIG_IGN)
        name_process("routerd-forker")
        prepare()
        _InNursery(theirs, grow, prepare, heritage).run()
        status = 0
    except BaseException:
        log.exception("nursery_failed")
    finally:
        exit_at_once(status)


def seats_of(workers: int | str) -> int:
    """How many take mail in beside the hub; 0: there is none. Of the cores of `auto` the hub has one."""
    if isinstance(workers, int):
        return workers if workers > 1 else 0
    return len(os.sched_getaffinity(0)) - 1


class _InNursery:
    def __init__(self, theirs: socket.socket, grow: Grow, prepare: Callable[[], None], heritage: Heritage) -> None:
        self._hub = theirs
        self._grow = grow
        self._prepare = prepare
        self._heritage = heritage
        self._listening: dict[str, list[socket.socket]] = {}
        self._children: set[int] = set()
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Until the hub is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        ready = select.poll()
        ready.register(self._hub, select.POLLIN)
        ready.register(self._woken, select.POLLIN)
        while True:
            for descriptor, _ in ready.poll():
                if descriptor == self._woken:
                    os.read(self._woken, 4096)
                    self._reap()
                elif not self._obey():
                    return

    def _obey(self) -> bool:
        said, descriptors = _receive(self._hub)
        match loads(said) if said else None:  # noqa: S301 - our own
            case None:
                return False
            case _Listeners(names):
                for name, count in names:
                    self._listening[name] = [socket.socket(fileno=descriptors.popleft()) for _ in range(count)]
            case _Fork(seat):
                self._fork(seat, socket.socket(fileno=descriptors.popleft()))
            case _Close():
                for sockets in self._listening.values():
                    for one in sockets:
                        one.close()
                self._listening.clear()
        return True

    def _fork(self, seat: int, link: socket.socket) -> None:
        nursery = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no room for another process
            link.close()
            self._say(Unforked(seat, os.strerror(error.errno or 0)))
            return
        if pid == 0:
            _die_with(nursery)
            self._become_worker(seat, link)
        link.close()
        self._children.add(pid)
        self._say(Forked(seat, pid))

    def _become_worker(self, seat: int, link: socket.socket) -> NoReturn:
        status = 1
        try:
            name_process("routerd-worker", seat)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._woken, self._wake):
                os.close(descriptor)
            self._hub.close()
            self._prepare()
            self._grow(seat, link, self._listening, self._heritage)
            status = 0
        except BaseException:
            log.exception("worker_failed", worker=seat)
        finally:
            exit_at_once(status)

    def _reap(self) -> None:
        for pid in tuple(self._children):
            try:
                found, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                found, status = pid, 0
            if found:
                self._children.discard(pid)
                self._say(Ended(pid, os.waitstatus_to_exitcode(status)))

    def _say(self, words: object) -> None:
        with suppress(OSError):  # the hub is gone, which the next look shows
            self._hub.send(dumps(words))


def _receive(channel: socket.socket) -> tuple[bytes, deque[int]]:
    try:
        said, along, _, _ = channel.recvmsg(_MESSAGE_BYTES, SPACE_BYTES)
    except OSError:
        return b"", deque()
    return said, deque(that_came(along))


def _leave_all_but(descriptor: int) -> None:
    """What systemd passed to the daemon is the hub's: here it would go on listening when that has stopped."""
    os.closerange(_FIRST_OWN_DESCRIPTOR, descriptor)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))


def _die_with(parent: int) -> None:
    """A process that was stopped, or hangs, hears of no end: it would go on listening, and no other could begin."""
    with suppress(OSError, AttributeError):  # no Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def exit_at_once(status: int) -> NoReturn:
    """Without what the daemon has registered for its own end."""
    with suppress(Exception):
        structlog.get_config()["logger_factory"].close()
    os._exit(status)
