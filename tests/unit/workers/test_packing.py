"""What hub and workers say to each other comes as it went."""

import copyreg
import mmap
import os
import tempfile
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from routerd.committing import Proposal
from routerd.desk.matter import MERE_MAIL, Matter
from routerd.desk.plan import Author, Conversation, ConversationId, Voice
from routerd.desk.said import AssignTo, Kind, Said, Spoken
from routerd.intake.limits.capacity import MEMORY_BYTES
from routerd.message.address import Address
from routerd.message.annotation import Annotation
from routerd.message.envelope import Client, ClientFindings, Envelope, Protocol, Purpose, QueueId, Received, Recipient
from routerd.rules.decision import Assign, Decision, Evidence, Match, Priority, Reply, RuleRef, Skipped, Trace, Trial
from routerd.store.base import Known, PlanFailedError, StaleError, StoreFullError, ThreadKeys
from routerd.workers.packing import APART_BYTES, pack, pack_apart, unpack
from routerd.workers.words import Commit

RULE = RuleRef("10.yaml", "invoices")
RECEIVED = Received(
    QueueId("01M82K5REH1ZSD03XCZP9XJ8AQ"),
    Envelope("anna@klient.pl", (Recipient(Address("support", "example.com"), Purpose.INBOX, "support@example.com"),)),
    Client("192.0.2.1", 2525, "client.test", Protocol.SMTP, "smtp", findings=ClientFindings("pass", "klient.test")),
    b"Subject: x\r\n\r\n",
    datetime(2026, 1, 1, tzinfo=UTC),
)
DECISION = Decision(
    "support@example.com",
    assign=Assign("finance", RULE),
    labels=("invoice",),
    priority=Priority.HIGH,
    respond_within=timedelta(hours=4),
    reply=Reply("thanks", timedelta(days=1)),
    trace=Trace(matches=(Match(RULE, (Evidence("subject", "x", "contains x"),)),)),
)
SPOKEN = Said(Kind.NOTE, "jan", Spoken(commands=(AssignTo("ewa"),)))
MATTER = Matter(RECEIVED, (DECISION,), Author(Voice.MEMBER, "anna@klient.pl", member="jan"), SPOKEN)
PROPOSAL = Proposal(
    MATTER,
    ThreadKeys("1@x", ("0@x",), ("anna@klient.pl",), "anna@klient.pl", b"hash"),
    Known(Conversation(ConversationId(7), "support@example.com", "jan", None, 3)),
    Annotation("01M82K5REH1ZSD03XCZP9XJ8AQ", "support@example.com", "", "", trace=("mac",)),
)


def test_proposal_is_the_same() -> None:
    """With all that rules and members may have said."""
    assert unpack(pack(Commit(3, PROPOSAL))) == Commit(3, PROPOSAL)


def test_mere_mail_stays_what_it_is() -> None:
    """It is known by being the same, not by being alike."""
    words = Commit(3, replace(PROPOSAL, matter=replace(MATTER, said=MERE_MAIL)))
    assert unpack(pack(words)) == words
    assert unpack(pack(words)).proposal.matter.said is MERE_MAIL


def test_no_field_is_left_behind() -> None:
    """Nor taken for another: each says something of its own."""
    client = Client(
        "192.0.2.1",
        1,
        "a",
        Protocol.LMTP,
        "b",
        False,
        "c",
        True,
        "d",
        ClientFindings("pass", "e", frozenset({"f"}), frozenset({"g"})),
    )
    recipient = Recipient(Address("h", "i"), Purpose.NOTE, "j", "k", 2, Address("l", "m"))
    received = Received(
        QueueId("n"), Envelope("o", (recipient, RECEIVED.envelope.recipients[0]), True, True), client, b"p", RECEIVED.at
    )
    match, skipped = Match(RULE, (Evidence("q", "r", "s"),)), Skipped(RULE, "t")
    trace = Trace((match,), (skipped,), (skipped, skipped), RULE, (Trial(RULE, match.evidence, "u"),), ("v",))
    decision = Decision(
        "w",
        Assign("x", RULE, "y"),
        Assign("z", RULE),
        ("A",),
        Priority.LOW,
        ("B",),
        timedelta(1),
        (("C", "D"),),
        ("E",),
        "F",
        "G",
        ("H",),
        Reply("I", timedelta(2)),
        "J",
        trace,
        "K",
    )
    author = Author(Voice.MEMBER, "L", (("M", "N"),), "O", "P")
    matter = Matter(received, (decision, DECISION), author, SPOKEN, "Q", "R", frozenset({"S"}), True, None, "T")
    thread = ThreadKeys("U", ("V",), ("W",), "X", b"Y", True, True, 3)
    values: list[Any] = [str(number) for number, _ in enumerate(fields(Annotation))]
    stamp = Annotation(*values)
    words = Commit(4, Proposal(matter, thread, replace(PROPOSAL.known, suspect=True), stamp, True, True))
    assert unpack(pack(words)) == words


@pytest.mark.parametrize("error", [StaleError("moved"), PlanFailedError("a fault"), StoreFullError("no room")])
def test_errors_keep_their_words_and_notes(error: Exception) -> None:
    """So that a traceback may go along."""
    error.add_note("where it was")
    came = unpack(pack(error))
    assert (type(came), str(came), came.__notes__) == (type(error), str(error), ["where it was"])


@pytest.mark.parametrize("size_bytes", [APART_BYTES - 1, APART_BYTES, MEMORY_BYTES, MEMORY_BYTES + 1])
def test_large_messages_go_as_files_that_nobody_can_name(size_bytes: int, tmp_path: Path) -> None:
    """In memory again where intake would have them there, mapped where it would not."""
    received = replace(RECEIVED, raw=os.urandom(size_bytes))
    content, descriptors = pack_apart(received, tmp_path)
    assert (len(content) > size_bytes) == (not descriptors) == (size_bytes < APART_BYTES)
    assert not list(tmp_path.iterdir())
    came = unpack(content, descriptors)
    assert bytes(came.raw) == received.raw
    assert isinstance(came.raw, mmap.mmap) == (size_bytes > MEMORY_BYTES)
    for descriptor in descriptors:
        with pytest.raises(OSError):
            os.fstat(descriptor)


def test_mapped_message_goes_as_it_is(tmp_path: Path) -> None:
    """As intake hands over what was too large for memory."""
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        file.write(b"x" * (MEMORY_BYTES + 1))
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    content, descriptors = pack_apart(replace(RECEIVED, raw=mapped), tmp_path)
    assert bytes(unpack(content, descriptors).raw) == bytes(mapped)


def test_no_room_for_the_file_is_raised(tmp_path: Path) -> None:
    """As an error of the system, with nothing left open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError):
        pack_apart(replace(RECEIVED, raw=bytes(APART_BYTES)), tmp_path / "gone")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_others_pickle_stays_as_it_is() -> None:
    """Nothing is registered for the whole process: what it packs for processes of another kind, they could not read."""
    assert not copyreg._extension_registry  # type: ignore[attr-defined]
