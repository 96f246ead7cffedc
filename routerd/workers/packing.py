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
from datetime import datetime
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from typing import Any

from routerd.committing import Proposal
from routerd.desk.matter import MERE_MAIL, Matter
from routerd.desk.plan import Author, Voice
from routerd.desk.said import Kind, Said, Spoken
from routerd.intake.limits.capacity import MEMORY_BYTES
from routerd.message.address import Address
from routerd.message.annotation import Annotation
from routerd.message.envelope import Client, ClientFindings, Envelope, Protocol, Purpose, Raw, Received, Recipient
from routerd.rules.decision import Assign, Decision, Evidence, Match, Priority, RuleRef, Trace
from routerd.store.base import Known, ThreadKeys

APART_BYTES = 262_144  # from here on a message's bytes go as a file, which is mapped, and not through the socket
_PROTOCOL = 5

# What nearly every proposal is made of. Classes with slots say by Python what they hold, and are made anew field by
# field: that takes twice as long as to call them with it.
_OFTEN: tuple[type[Any], ...] = (
    Proposal,
    Matter,
    Author,
    Said,
    Spoken,
    Address,
    Annotation,
    Client,
    ClientFindings,
    Envelope,
    Recipient,
    Assign,
    Decision,
    Evidence,
    Match,
    RuleRef,
    Trace,
    Known,
    ThreadKeys,
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
    pickler.dispatch_table = _REDUCERS if apart is None else _REDUCERS_APART
    return pickler


def _reducer(kind: type[Any]) -> "Callable[[Any], tuple[type[Any], tuple[object, ...]]]":
    values_of = attrgetter(*(field.name for field in fields(kind)))  # of two and more: a tuple
    return lambda one: (kind, values_of(one))


def _mere_mail() -> Said:
    return MERE_MAIL


def _reduce_said(said: Said) -> "tuple[Callable[..., Said], tuple[object, ...]]":
    """Of most mail it is the same."""
    return (_mere_mail, ()) if said is MERE_MAIL else _REDUCE_OTHER(said)


def _reduce_received(received: Received) -> tuple[type[Received], tuple[object, ...]]:
    raw = received.raw
    apart = pickle.PickleBuffer(raw) if len(raw) >= APART_BYTES else raw
    return Received, (received.id, received.envelope, received.client, apart, received.at)


_REDUCE_OTHER = _reducer(Said)

# By a number instead of by its name, which would be looked up for each message: half of what it takes to unpack one.
_BY_NUMBER: tuple[Any, ...] = (*_OFTEN, Received, datetime, Kind, Priority, Protocol, Purpose, Voice, _mere_mail)
_FIRST_NUMBER = 0xF000
for _number, _kind in enumerate(_BY_NUMBER, _FIRST_NUMBER):
    copyreg.add_extension(_kind.__module__, _kind.__qualname__, _number)

_REDUCERS = copyreg.dispatch_table | {kind: _reducer(kind) for kind in _OFTEN} | {Said: _reduce_said}
_REDUCERS_APART = _REDUCERS | {Received: _reduce_received}


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
