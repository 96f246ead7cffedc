"""A proposal as nothing but tuples of plain values, and back: every message passes so from its worker to the hub.

Packed object by object, a proposal calls Python for each of its twenty: that takes twice as long, on either side. What
few messages have stays as it is, and is packed so.
"""

from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from operator import attrgetter
from typing import Any, TypeVar

from routerd.committing import Proposal
from routerd.desk.matter import MERE_MAIL, Matter
from routerd.desk.plan import Author, Voice
from routerd.message.address import Address
from routerd.message.annotation import Annotation
from routerd.message.envelope import Client, ClientFindings, Envelope, Protocol, Purpose, Received, Recipient
from routerd.rules.decision import Assign, Decision, Evidence, Match, RuleRef, Trace
from routerd.store.base import Known, ThreadKeys

Flat = tuple[Any, ...]

T = TypeVar("T", bound=Enum)

_NOTHING_FOUND = ClientFindings()
_NOTHING_KNOWN = Known()
_NO_TRACE = Trace()


def _values(kind: type[Any], begin: int = 0) -> Callable[[Any], Flat]:
    """All fields from there on, at once; of a member of an enum its value."""
    names = [field.name for field in fields(kind)][begin:]
    return attrgetter(*[f"{name}._value_" if name in {"protocol", "purpose", "voice"} else name for name in names])


def _members(kind: type[T]) -> dict[object, T]:
    """By value. To call the class takes five times as long."""
    return {one.value: one for one in kind}


_PROTOCOLS, _PURPOSES, _VOICES = _members(Protocol), _members(Purpose), _members(Voice)

_of_client = _values(Client)
_of_author = _values(Author)
_of_thread = _values(ThreadKeys)
_of_stamp = _values(Annotation)
_of_envelope = _values(Envelope, 2)
_of_recipient = _values(Recipient, 1)
_of_matter = _values(Matter, 4)
_of_decision = _values(Decision)
_of_trace = _values(Trace, 1)
_of_evidence = _values(Evidence)
_of_rule = _values(RuleRef)
_of_findings = _values(ClientFindings)
_of_known = _values(Known)
_of_proposal = _values(Proposal, 4)


def flat(proposal: Proposal, raw: object) -> Flat:
    """`raw`: what goes for the message's bytes."""
    matter, known = proposal.matter, proposal.known
    received = matter.received
    envelope = received.envelope
    *client, findings = _of_client(received.client)
    return (
        received.id,
        raw,
        received.at,
        envelope.sender,
        tuple([(*_of_address(one.address), *_of_recipient(one)) for one in envelope.recipients]),
        _of_envelope(envelope),
        client,
        None if findings == _NOTHING_FOUND else _of_findings(findings),
        tuple([_flat_decision(one) for one in matter.decisions]),
        _of_author(matter.author),
        None if matter.said is MERE_MAIL else matter.said,
        _of_matter(matter),
        _of_thread(proposal.thread),
        None if known == _NOTHING_KNOWN else _of_known(known),
        _of_stamp(proposal.stamp),
        _of_proposal(proposal),
    )


def proposal_of(values: Flat) -> Proposal:
    """What was made flat, with the bytes that came."""
    id_, raw, at, sender, recipients, envelope, client, findings, decisions, author, said, matter, *rest = values
    thread, known, stamp, proposal = rest
    address, port, helo, protocol, *more = client
    found = _NOTHING_FOUND if findings is None else ClientFindings(*findings)
    of_client: Flat = (address, port, helo, _PROTOCOLS[protocol], *more, found)
    of_envelope: Flat = (sender, tuple([_recipient(*one) for one in recipients]), *envelope)
    voice, *of_author = author
    received = Received(id_, Envelope(*of_envelope), Client(*of_client), raw, at)
    return Proposal(
        Matter(
            received,
            tuple([_decision(*one) for one in decisions]),
            Author(_VOICES[voice], *of_author),
            MERE_MAIL if said is None else said,
            *matter,
        ),
        ThreadKeys(*thread),
        _NOTHING_KNOWN if known is None else Known(*known),
        Annotation(*stamp),
        *proposal,
    )


def _of_address(address: Address) -> Flat:
    return address.local, address.domain


def _recipient(local: str, domain: str, purpose: str, *rest: Any) -> Recipient:
    return Recipient(Address(local, domain), _PURPOSES[purpose], *rest)


def _flat_decision(decision: Decision) -> Flat:
    inbox, assign, *rest, trace, revision = _of_decision(decision)
    matches = tuple([(*_of_rule(match.rule), tuple(map(_of_evidence, match.evidence))) for match in trace.matches])
    return (
        inbox,
        None if assign is None else (assign.target, *_of_rule(assign.rule), assign.pick),
        rest,
        None if trace == _NO_TRACE else (matches, *_of_trace(trace)),
        revision,
    )


def _decision(inbox: str, assign: Flat | None, rest: list[Any], trace: Flat | None, revision: str) -> Decision:
    values: Flat = (
        inbox,
        None if assign is None else _assign(*assign),
        *rest,
        _NO_TRACE if trace is None else _trace(*trace),
        revision,
    )
    return Decision(*values)


def _assign(target: str, file: str, name: str, pick: str | None) -> Assign:
    return Assign(target, RuleRef(file, name), pick)


def _trace(matches: Flat, *rest: Any) -> Trace:
    return Trace(
        tuple([Match(RuleRef(file, name), tuple([Evidence(*one) for one in found])) for file, name, found in matches]),
        *rest,
    )
