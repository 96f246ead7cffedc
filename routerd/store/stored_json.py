"""Values as the JSON that is stored.

Reading tolerates fields that it does not know and fields that are not there, so that a newer and an older routerd can
read each other's rows of one schema.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, TypeVar

from routerd.desk.plan import Plan
from routerd.message.annotation import Annotation
from routerd.message.envelope import Purpose, Received
from routerd.rules.decision import Assign, Decision, Evidence, Match, Priority, Reply, RuleRef, Skipped, Trace, Trial

# ASCII only: a lone surrogate in a damaged header cannot be bound as UTF-8, escaped it can.
# `JSONEncoder.encode` makes this encoder anew for each value: made once, small values cost half or less, and each
# message has some seven of them. What is encoded holds no cycles, for which the other would look.
_chunks = json.encoder.c_make_encoder(  # type: ignore[attr-defined]
    None, str, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True
)


def _encode(value: object) -> str:
    return "".join(_chunks(value, 0))


_ANNOTATION_FIELDS = tuple(field.name for field in fields(Annotation) if field.name != "head")  # that one is of bytes
_ANNOTATION_LISTS = frozenset({"labels", "rules", "trace", "cut_authserv_ids", "cut_headers"})
_ANNOTATION_PAIRS = frozenset({"also", "headers"})


_SHOWN_CHARACTERS = 200  # of what cannot be read

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredEnvelope:
    """What is kept of envelope and client."""

    recipients: tuple[str, ...]
    inboxes: tuple[str, ...]
    client: str  # IP address, "" for a unix socket
    helo: str
    protocol: str  # as in Received: ESMTPS
    listener: str
    login: str = ""  # the member who logged in
    name: str = ""  # the client's, confirmed by DNS
    listed_in: tuple[str, ...] = ()  # DNS lists that have the client


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """What is kept of a plan beside the rows that it became."""

    inbox: str
    owner: str
    team: str | None
    why: str
    labels: tuple[str, ...]
    priority: str | None
    also: tuple[tuple[str, str], ...]
    respond_by: str | None = None  # ISO 8601


def read_or_none(read: Callable[[str], T], text: str) -> T | None:
    """None for what is damaged: `read` may raise whatever damaged JSON makes of itself."""
    try:
        return read(text)
    except Exception:
        return None


def data_to_json(data: Mapping[str, object]) -> str:
    """An event's data."""
    return _encode(data)


def data_from_json(text: str) -> dict[str, object]:
    """What cannot be read is shown as it stands."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    return data if isinstance(data, dict) else {"damaged": text[:_SHOWN_CHARACTERS]}


def texts_to_json(texts: Iterable[str]) -> str:
    return _encode(list(texts)) if texts != () else "[]"  # as most are


def texts_from_json(text: str) -> tuple[str, ...]:
    """Of a damaged list nothing: a conversation whose participants are lost lets nobody in, and stops no mail."""
    if text == "[]":  # as most are
        return ()
    try:
        return tuple(one for one in json.loads(text) if isinstance(one, str))
    except (TypeError, ValueError, RecursionError):
        return ()


def pairs_to_json(pairs: Iterable[tuple[str, str]]) -> str:
    return _encode(list(pairs)) if pairs != () else "[]"


def pairs_from_json(text: str) -> tuple[tuple[str, str], ...]:
    """Raises TypeError, ValueError and their kin for what nobody stored."""
    if text == "[]":
        return ()
    return tuple((_text(first), _text(second)) for first, second in json.loads(text))


def annotation_to_json(annotation: Annotation) -> str:
    """Fields that say nothing are left out."""
    said = {name: value for name in _ANNOTATION_FIELDS if (value := getattr(annotation, name))}
    return _encode({**said, "head": annotation.head.decode("latin-1")} if annotation.head else said)


def annotation_from_json(text: str) -> Annotation:
    """Raises TypeError, ValueError for what nobody stored: a copy must not leave with half of what it should say."""
    kept: dict[str, Any] = {"assigned_to": "", "assigned_name": ""}
    for name, value in json.loads(text).items():
        if name in _ANNOTATION_LISTS:
            kept[name] = tuple(_text(one) for one in value)
        elif name in _ANNOTATION_PAIRS:
            kept[name] = tuple((_text(first), _text(second)) for first, second in value)
        elif name == "head":
            kept[name] = _text(value).encode("latin-1")
        elif name in _ANNOTATION_FIELDS:
            kept[name] = _text(value)
    return Annotation(**kept)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def envelope_to_json(received: Received) -> str:
    recipients = received.envelope.recipients
    client = received.client
    known = {"login": client.member, "name": client.findings.name, "listed_in": sorted(client.findings.listed_in)}
    return _encode(
        {
            "recipients": [str(recipient.address) for recipient in recipients],
            "inboxes": list(dict.fromkeys(r.inbox for r in recipients if r.purpose is Purpose.INBOX)),
            "client": received.client.address,
            "helo": received.client.helo,
            "protocol": received.with_protocol,
            "listener": received.client.listener,
            **{name: value for name, value in known.items() if value},
        }
    )


def envelope_from_json(text: str) -> StoredEnvelope:
    kept = json.loads(text)
    return StoredEnvelope(
        recipients=tuple(kept.get("recipients", ())),
        inboxes=tuple(kept.get("inboxes", ())),
        client=kept.get("client", ""),
        helo=kept.get("helo", ""),
        protocol=kept.get("protocol", ""),
        listener=kept.get("listener", ""),
        login=kept.get("login", ""),
        name=kept.get("name", ""),
        listed_in=tuple(kept.get("listed_in", ())),
    )


def plan_to_json(plan: Plan) -> str:
    return _encode(
        {
            "inbox": plan.inbox,
            "owner": plan.owner,
            "team": plan.team,
            "why": plan.why,
            "labels": plan.labels,
            "priority": plan.priority,
            "also": plan.also,
            "respond_by": plan.respond_by.isoformat() if plan.respond_by else None,
        }
    )


def plan_from_json(text: str) -> StoredPlan:
    kept = json.loads(text)
    return StoredPlan(
        inbox=kept.get("inbox", ""),
        owner=kept.get("owner", ""),
        team=kept.get("team"),
        why=kept.get("why", ""),
        labels=tuple(kept.get("labels", ())),
        priority=kept.get("priority"),
        also=_pairs(kept.get("also", ())),
        respond_by=kept.get("respond_by"),
    )


def decisions_to_json(decisions: Sequence[Decision]) -> str:
    return _encode([_decision(decision) for decision in decisions])


def decisions_from_json(text: str) -> tuple[Decision, ...]:
    return tuple(_read_decision(kept) for kept in json.loads(text))


def files_to_json(files: Mapping[str, bytes]) -> bytes:
    return _encode({path: base64.b64encode(content).decode("ascii") for path, content in files.items()}).encode("ascii")


def files_from_json(stored: bytes) -> dict[str, bytes]:
    """Raises ValueError for what it did not write."""
    try:
        return {path: base64.b64decode(content, validate=True) for path, content in json.loads(stored).items()}
    except (AttributeError, TypeError, binascii.Error) as error:
        raise ValueError(f"not a stored set of files: {error}") from error


def _decision(decision: Decision) -> dict[str, object]:
    kept: dict[str, object] = {"inbox": decision.inbox, "revision": decision.revision, **_times(decision)}
    for name, given in (("assign", decision.assign), ("reassign", decision.reassign)):
        if given:
            kept[name] = [given.target, *_rule(given.rule), given.pick]
    for name in ("labels", "priority", "watch", "headers", "forward", "hold", "reject", "approve"):
        if (value := getattr(decision, name)) not in (None, ()):
            kept[name] = value
    trace = decision.trace
    if trace.matches:
        kept["matches"] = [[*_rule(match.rule), _evidence(match.evidence)] for match in trace.matches]
    if trace.trials:
        kept["trials"] = [[*_rule(trial.rule), _evidence(trial.evidence), trial.would] for trial in trace.trials]
    for name, skipped in (("unknown", trace.unknown), ("failed", trace.failed)):
        if skipped:
            kept[name] = [[*_rule(one.rule), one.reason] for one in skipped]
    if trace.stopped_by:
        kept["stopped_by"] = _rule(trace.stopped_by)
    if trace.notes:
        kept["notes"] = trace.notes
    return kept


def _times(decision: Decision) -> dict[str, object]:
    kept: dict[str, object] = {}
    if decision.respond_within is not None:
        kept["respond_within"] = decision.respond_within.total_seconds()
    if decision.reply is not None:
        kept["reply"] = [decision.reply.template, decision.reply.once_per.total_seconds()]
    return kept


def _read_decision(kept: Mapping[str, Any]) -> Decision:
    stopped_by, priority, within = kept.get("stopped_by"), kept.get("priority"), kept.get("respond_within")
    return Decision(
        inbox=kept.get("inbox", ""),
        assign=_read_assign(kept.get("assign")),
        reassign=_read_assign(kept.get("reassign")),
        labels=tuple(kept.get("labels", ())),
        priority=Priority(priority) if priority else None,
        watch=tuple(kept.get("watch", ())),
        respond_within=None if within is None else timedelta(seconds=within),
        headers=_pairs(kept.get("headers", ())),
        forward=tuple(kept.get("forward", ())),
        hold=kept.get("hold"),
        reject=kept.get("reject"),
        approve=tuple(kept.get("approve", ())),
        reply=_read_reply(kept.get("reply")),
        trace=Trace(
            matches=tuple(
                Match(RuleRef(file, name), _read_evidence(evidence))
                for file, name, evidence, *_ in kept.get("matches", ())
            ),
            trials=tuple(
                Trial(RuleRef(file, name), _read_evidence(evidence), would)
                for file, name, evidence, would, *_ in kept.get("trials", ())
            ),
            unknown=_read_skipped(kept.get("unknown", ())),
            failed=_read_skipped(kept.get("failed", ())),
            stopped_by=RuleRef(*stopped_by[:2]) if stopped_by else None,
            notes=tuple(kept.get("notes", ())),
        ),
        revision=kept.get("revision", ""),
    )


def _read_reply(kept: Sequence[Any] | None) -> Reply | None:
    return Reply(kept[0], timedelta(seconds=kept[1])) if kept else None


def _read_assign(kept: Sequence[Any] | None) -> Assign | None:
    if not kept:
        return None
    return Assign(kept[0], RuleRef(*kept[1:3]), kept[3] if len(kept) > 3 else None)


def _evidence(evidence: Iterable[Evidence]) -> list[list[str]]:
    return [[found.field, found.found, found.term] for found in evidence]


def _read_evidence(kept: Iterable[Sequence[str]]) -> tuple[Evidence, ...]:
    return tuple(Evidence(*found[:3]) for found in kept)


def _read_skipped(kept: Iterable[Sequence[str]]) -> tuple[Skipped, ...]:
    return tuple(Skipped(RuleRef(one[0], one[1]), one[2]) for one in kept)


def _rule(rule: RuleRef) -> list[str]:
    return [rule.file, rule.name]


def _pairs(kept: Iterable[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((pair[0], pair[1]) for pair in kept)
