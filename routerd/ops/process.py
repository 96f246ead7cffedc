"""The process around a daemon: its event loop, its signals, its garbage collector."""

import asyncio
import gc
import resource
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import structlog

from routerd.ops import systemd

GC_THRESHOLDS = (10_000, 20, 50)  # CPython's 700, 10, 10 look a message over three times, a fortieth of the CPU

NAME_BYTES = 15  # TASK_COMM_LEN without the NUL

OTHER_FILES = 700  # than connections': deliveries (200 attempts, 200 kept connections), the store, rules

log = structlog.get_logger()


class Serving(Protocol):
    """What is run: it serves until it is told to stop, once more to hurry."""

    async def serve(self, sockets: Mapping[str, Sequence[socket.socket]]) -> None: ...

    def stop(self) -> None: ...

    def reload(self) -> None: ...


def run_until_signalled(make: Callable[[], Serving]) -> None:
    """Serves until SIGTERM or SIGINT, reloads at SIGHUP; on uvloop where it is installed. Raises what `serve` raises.

    `make` is called inside the loop.
    """

    async def main() -> None:
        serving = make()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.stop)
        loop.add_signal_handler(signal.SIGHUP, serving.reload)
        await serving.serve(systemd.listen_sockets())

    run_in_new_loop(main)


def run_in_new_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """On uvloop where it is installed."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def name_process(name: str, number: int | None = None) -> None:
    """What `ps`, `top` and the kernel's log call it. Of what is too long the number stays whole."""
    digits = "" if number is None else str(number)
    with suppress(OSError):  # not worth a start that fails
        Path("/proc/self/comm").write_text(name[: NAME_BYTES - len(digits)] + digits)


def allow_connections(number: int) -> None:
    """Lets the process have as many files open as they need: a socket each, and perhaps a large message's file."""
    wanted = 2 * number + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("open_files_few", allowed=allowed, wanted=wanted, reason="limits.connections asks for more")


def spare_collector() -> None:
    """What start has built stays: the garbage collector need not look at it again and again. What a message leaves
    behind is freed by counting references, but for the few cycles that exceptions make.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - only where it is installed
    except ImportError:
        return None
    return uvloop.new_event_loop
