"""What systemd asks of a service: sd_notify(3), the watchdog, and sockets it passes (sd_listen_fds(3)).

Outside systemd each of these is quietly nothing.
"""

import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from datetime import timedelta

FIRST_PASSED_FD = 3  # SD_LISTEN_FDS_START


class PassedSocketsError(Exception):
    """LISTEN_FDS promises what is not there; the unit and the daemon disagree."""


def notify(message: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Sends `message` (lines `KEY=VALUE`) to the service manager; False where there is none or it does not take it."""
    path = environ.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@"):
        return False
    address = "\0" + path[1:] if path[0] == "@" else path  # an abstract socket (unix(7))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)  # a stuck manager must not stop the loop
            channel.sendto(message.encode(), address)
    except OSError:
        return False
    return True


def notify_ready(status: str) -> bool:
    """Start or reload is finished."""
    return notify(f"READY=1\n{_status(status)}")


def notify_reloading() -> bool:
    # MONOTONIC_USEC lets the manager tell this reload from an earlier one (Type=notify-reload)
    return notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def notify_stopping(status: str) -> bool:
    return notify(f"STOPPING=1\n{_status(status)}")


def notify_watchdog() -> bool:
    """Says that the daemon lives; due more often than `watchdog_interval`."""
    return notify("WATCHDOG=1")


def watchdog_interval(environ: Mapping[str, str] = os.environ) -> timedelta | None:
    """How often to call `notify_watchdog`: half of what the unit's WatchdogSec allows. None: not at all."""
    allowed_usec = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    if not allowed_usec.isascii() or not allowed_usec.isdigit() or int(allowed_usec) == 0:
        return None
    return timedelta(microseconds=int(allowed_usec) / 2)


def listen_sockets(environ: MutableMapping[str, str] = os.environ) -> Mapping[str, list[socket.socket]]:
    """The listening sockets passed to this process, by their FileDescriptorName; one name may hold several.

    To be called once: the sockets belong to the caller, and the variables are taken out of `environ`, so that no child
    believes them. Raises PassedSocketsError.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    _, count, names_text = (environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if not count.isascii() or not count.isdigit():
        raise PassedSocketsError(f"LISTEN_FDS is {count!r}, not a number")
    names = names_text.split(":")
    found: dict[str, list[socket.socket]] = {}
    for position in range(int(count)):
        name = names[position] if position < len(names) and names[position] else "unknown"  # as systemd calls it
        found.setdefault(name, []).append(_take_socket(FIRST_PASSED_FD + position, name))
    return found


def _take_socket(fd: int, name: str) -> socket.socket:
    try:
        os.set_inheritable(fd, False)
        passed = socket.socket(fileno=fd)
    except OSError as error:
        raise PassedSocketsError(f"file descriptor {fd} ({name}) is no socket: {error.strerror}") from None
    if passed.type != socket.SOCK_STREAM or not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        passed.detach()
        raise PassedSocketsError(f"file descriptor {fd} ({name}) is no listening stream socket; is Accept=no set?")
    passed.setblocking(False)
    return passed


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())
