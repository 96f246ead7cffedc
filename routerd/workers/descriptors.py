"""Descriptors that go from one process to another, along with what is said over a unix socket (SCM_RIGHTS, unix(7))."""

import array
import os
import socket
from collections.abc import Iterable, Sequence

SPACE_BYTES = socket.CMSG_SPACE(250 * 4)  # SCM_MAX_FD is 253

Along = tuple[int, int, bytes]


def along_with(descriptors: Sequence[int]) -> list[tuple[int, int, "array.array[int]"]]:
    """For `sendmsg`. They stay open here, too."""
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []


def that_came(along: Iterable[Along]) -> list[int]:
    """Of what `recvmsg` gave. They are ours to close; no program that is begun here has them."""
    found: list[int] = []
    for level, kind, data in along:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            found.extend(array.array("i", data[: len(data) - len(data) % 4]))
    for descriptor in found:
        os.set_inheritable(descriptor, False)
    return found
