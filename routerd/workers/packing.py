"""Words as bytes and back. Only between processes of one daemon, over a socket that nobody else can have: pickled.

The bytes of a large message are no part of it: they go as a file (`pack_apart`).
"""

import copyreg
import mmap
import os
import pickle
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from typing import Any

from routerd.desk.plan import Conversation, Standing
from routerd.desk.said import Spoken
from routerd.intake.limits.capacity import MEMORY_BYTES
from routerd.message.address import Address
from routerd.message.envelope import Client, ClientFindings, Envelope, Raw, Received, Recipient
from routerd.rules.decision import Assign, RuleRef
from routerd.workers.flat import Flat, flat, proposal_of
from routerd.workers.words import Commit

APART_BYTES = 262_144  # from here on a message's bytes go as a file, which is mapped, and not through the socket
_PROTOCOL = 5

# What many words hold, beside what goes flat. Classes with slots say by Python what they hold, and are made anew field
# by field: that takes twice as long as to call them with it.
_OFTEN: tuple[type[Any], ...] = (
    Conversation,
    Standing,
    Assign,
    RuleRef,
    Spoken,
    Address,
    Client,
    ClientFindings,
    Envelope,
    Recipient,
)


def pack(words: object) -> bytes:
    """Raises what pickle raises."""
    written = BytesIO()
    _pickler(written, None).dump(words)
    return written.getvalue()


def pack_apart(words: object, folder: Path) -> tuple[bytes, tuple[int, ...]]:
    """Likewise, and the descriptors of files without a name in `folder`, in which the large messages in it are.

    Raises OSError. Blocks where there are any.
    """
    apart: list[pickle.PickleBuffer] = []
    written = BytesIO()
    _pickler(written, apart.append).dump(words)
    descriptors: list[int] = []
    try:
        for large in apart:
            descriptors.append(_file_of(large, folder))
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return written.getvalue(), tuple(descriptors)


def unpack(content: bytes | memoryview, descriptors: Sequence[int] = ()) -> Any:
    """What was packed. Takes the descriptors and closes them."""
    return pickle.loads(content, buffers=[_raw_of(descriptor) for descriptor in descriptors])  # noqa: S301 - our own


def _pickler(written: BytesIO, apart: "Callable[[pickle.PickleBuffer], object] | None") -> pickle.Pickler:
    pickler = pickle.Pickler(written, _PROTOCOL, buffer_callback=apart)
    pickler.dispatch_table = _REDUCERS
    return pickler


def _reducer(kind: type[Any]) -> "Callable[[Any], tuple[type[Any], tuple[object, ...]]]":
    values_of = attrgetter(*(field.name for field in fields(kind)))  # of two and more: a tuple
    return lambda one: (kind, values_of(one))


def _apart(raw: Raw) -> "Raw | pickle.PickleBuffer":
    return pickle.PickleBuffer(raw) if len(raw) >= APART_BYTES else raw


def _reduce_received(received: Received) -> tuple[type[Received], tuple[object, ...]]:
    return Received, (received.id, received.envelope, received.client, _apart(received.raw), received.at)


def _commit(live: int, values: Flat) -> Commit:
    return Commit(live, proposal_of(values))


def _reduce_commit(words: Commit) -> "tuple[Callable[..., Commit], tuple[object, ...]]":
    return _commit, (words.live, flat(words.proposal, _apart(words.proposal.matter.received.raw)))


_REDUCERS: dict[type, Callable[[Any], Any]] = {
    **copyreg.dispatch_table,
    **{kind: _reducer(kind) for kind in _OFTEN},
    Received: _reduce_received,
    Commit: _reduce_commit,
}


def _file_of(large: pickle.PickleBuffer, folder: Path) -> int:
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file, large.raw() as rest:
        written = 0
        while written < len(rest):
            written += file.write(rest[written:])
        return os.dup(file.fileno())


def _raw_of(descriptor: int) -> Raw:
    """As intake gives it: in memory, or mapped where it is larger than what it keeps there."""
    try:
        size_bytes = os.fstat(descriptor).st_size
        if size_bytes > MEMORY_BYTES:
            return mmap.mmap(descriptor, size_bytes, access=mmap.ACCESS_READ)
        return os.pread(descriptor, size_bytes, 0)
    finally:
        os.close(descriptor)
