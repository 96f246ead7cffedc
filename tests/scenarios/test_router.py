"""The router with a real store: what is answered, and what is kept."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from router_desk import BILLING, NOW, ONE, REJECTING, SUPPORT, Desk
from structlog.testing import capture_logs

from routerd.considering import judge, look
from routerd.desk.refusal import TROUBLE
from routerd.message.address import parse_address
from routerd.message.annotate import annotate
from routerd.message.annotation import Annotation
from routerd.message.envelope import (
    Accepted,
    Client,
    Envelope,
    Protocol,
    Purpose,
    QueueId,
    Received,
    Recipient,
    Refused,
)
from routerd.message.key_ring import KeyRing
from routerd.message.notice import Notice, TroubledCopy, compose_notice
from routerd.message.token import NOTICE, trace_mac
from routerd.rules.conditions.truth import Always
from routerd.rules.facts import Seen
from routerd.store.base import CopyState, Hold, Known, ThreadKeys
from routerd.store.queue_view import QueueView


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path / "state")
    yield made
    await made.store.close()
    made.hands.close()


async def test_many_answers_to_one_conversation_at_once_are_all_taken(desk: Desk) -> None:
    """None is told to come again for the others' sake, and all have the one owner."""
    await desk.send(BILLING, header=ONE)
    answers = [
        desk.send(SUPPORT, header=f"Message-ID: <{number}@a>\r\nReferences: <1@klient.pl>\r\n") for number in range(60)
    ]
    verdicts = await asyncio.gather(*answers)
    assert all(isinstance(verdict, Accepted) for [verdict] in verdicts)
    assert [copy.member for copy in desk.copies] == ["ewa"] * 61


async def test_a_stranger_who_names_a_known_message_starts_a_conversation_of_his_own(desk: Desk) -> None:
    """With the label that says so."""
    await desk.send(BILLING, header=ONE)
    await desk.send(SUPPORT, header="References: <1@klient.pl>\r\n", author="eve@evil.example")
    assert desk.copies[1].member == "jan"
    assert desk.copies[1].annotation.labels == ("thread-suspect",)


async def test_two_inboxes_that_members_redirect_to_each_other_do_not_go_round(desk: Desk) -> None:
    """The trace of the first inbox goes on with the copies of the second."""
    await desk.send(SUPPORT)
    [first] = desk.copies
    trace = f"X-Routerd-Trace: {first.annotation.queue_id} {' '.join(first.annotation.trace)}\r\n"
    await desk.send(BILLING, header=trace)
    second = desk.copies[1]
    trace = f"X-Routerd-Trace: {second.annotation.queue_id} {' '.join(second.annotation.trace)}\r\n"
    for inbox in (SUPPORT, BILLING):
        [verdict] = await desk.send(inbox, header=trace)
        assert isinstance(verdict, Refused)
        assert (verdict.code, verdict.status) == (554, "5.4.6")


async def test_a_bounce_is_told_in_the_history_of_what_bounced(desk: Desk, tmp_path: Path) -> None:
    await desk.send(SUPPORT, header=ONE)
    [copy] = desk.copies
    path = Recipient(parse_address("support+b.x@example.com"), Purpose.RETURN_PATH, SUPPORT, copy_number=copy.number)
    client = Client("192.0.2.1", 1, "client", Protocol.SMTP, "listener")
    bounce = Received(QueueId("01K" + "0" * 23), Envelope("", (path,)), client, b"Subject: failed\r\n\r\nx\r\n", NOW)
    [verdict] = await desk._router.accept(bounce)
    assert isinstance(verdict, Accepted)
    assert desk.copies[1].to_return_path
    with QueueView.open(tmp_path / "state") as view:
        history = view.show(copy.id)
    assert history is not None
    assert "bounce_received" in [event.kind for event in history.events]


@pytest.mark.parametrize(
    ("header", "sender", "told"),
    [
        ("X-Routerd-Trace: of-another\r\nAuto-Submitted: auto-generated\r\n", "", 0),
        ("X-Routerd-Trace: of-another\r\nAuto-Submitted: auto-generated\r\n", "anna@klient.pl", 1),
        ("X-Routerd-Trace: of-another\r\nAuto-Submitted: auto-replied\r\n", "", 1),
        ("Auto-Submitted: auto-generated\r\n", "", 1),
    ],
)
async def test_of_another_routerds_notice_nobody_is_told(desk: Desk, header: str, sender: str, told: int) -> None:
    """Two that are each other's postmaster would tell each other for ever."""
    await desk.send(SUPPORT, header=header, sender=sender)
    (copy,) = desk.copies
    assert copy.to_return_path is not bool(told)  # then it leaves from <>
    await desk.store.conclude(copy, Hold("552 5.3.4 too large"), NOW)
    assert len(await desk.store.untold(NOW, timedelta(hours=1))) == told


async def test_a_notice_that_came_from_another_routerd_is_known(desk: Desk) -> None:
    """Its bytes as that one sends them."""
    told = TroubledCopy("held", "01J1-1", "01J1", "a@b.c", "owner", "ewa", "ewa@b.c", "552 full", "", NOW, NOW)
    written = compose_notice(Notice("01J2", "mx.b.example", ("jan@example.com",), "ewa@b.c", (told,), 1, NOW))
    trace = (trace_mac(KeyRing.begun(b"k" * 32), "01J2", NOTICE),)
    annotated = annotate(
        written, Annotation(QueueId("01J2"), "postmaster@b.c", "", "", trace=trace), "01J2-1", may_add_priority=False
    )
    raw = annotated.head + written[annotated.body_start :]
    recipient = Recipient(parse_address(SUPPORT), Purpose.INBOX, SUPPORT)
    client = Client("192.0.2.1", 1, "mx.b.example", Protocol.SMTP, "listener")
    await desk.accept(Received(QueueId("01J3"), Envelope("", (recipient,)), client, raw, NOW))
    (copy,) = desk.copies
    await desk.store.conclude(copy, Hold("552 5.3.4 too large"), NOW)
    assert await desk.store.untold(NOW, timedelta(hours=1)) == ()


@pytest.mark.parametrize(
    ("octets", "kind", "looked_on_loop", "judged_on_loop"),
    [
        (1_000, "text/plain", True, True),
        (100_000, "text/plain", True, False),
        (100_000, "application/pdf", True, True),
        (300_000, "application/pdf", False, False),
    ],
)
async def test_nobody_waits_while_a_large_message_is_looked_at(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, octets: int, kind: str, looked_on_loop: bool, judged_on_loop: bool
) -> None:
    """Such as make the most work of their octets come in a row; small ones, and what is only attached, are not worth a
    thread."""
    on_loop: list[bool] = []

    def noting(work: Callable[..., Any]) -> Callable[..., Any]:
        def work_and_note(*about: Any) -> Any:
            on_loop.append(threading.current_thread() is threading.main_thread())
            return work(*about)

        return work_and_note

    monkeypatch.setattr("routerd.router.look", noting(look))
    monkeypatch.setattr("routerd.router.judge", noting(judge))
    await desk.send(SUPPORT, header=f"Content-Type: {kind}\r\n\r\n{'x' * octets}\r\n")
    assert on_loop == [looked_on_loop, judged_on_loop]


async def test_a_message_sees_one_ruleset_from_beginning_to_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reload while it is recalled is for the next one."""
    desk.use("rules:\n  - {name: old, when: {always: true}, then: {label: old}}\n")
    recall = desk.store.recall

    async def recall_and_reload(thread: ThreadKeys) -> Known:
        desk.use("rules:\n  - {name: new, when: {always: true}, then: {label: new}}\n")
        return await recall(thread)

    monkeypatch.setattr(desk.store, "recall", recall_and_reload)
    await desk.send(SUPPORT)
    await desk.send(SUPPORT)
    assert [copy.annotation.labels for copy in desk.copies] == [("old",), ("new",)]


async def test_a_root_and_its_answers_may_come_at_once(desk: Desk) -> None:
    """As after an outage: whichever is first, none is told to come again for the others' sake."""
    messages = [
        desk.send(SUPPORT, header=f"Message-ID: <{number}@klient.pl>\r\nReferences: <root@klient.pl>\r\n")
        for number in range(60)
    ]
    messages.insert(20, desk.send(SUPPORT, header="Message-ID: <root@klient.pl>\r\n"))
    verdicts = await asyncio.gather(*messages)
    assert all(isinstance(verdict, Accepted) for [verdict] in verdicts)
    assert len(desk.copies) == 61


async def test_the_same_bytes_from_another_sender_are_another_message(desk: Desk) -> None:
    """Rules may decide by MAIL FROM."""
    desk.use("rules:\n  - {name: boss, when: {sender: boss@klient.pl}, then: {assign: omar}}\n")
    await desk.send(SUPPORT, header=ONE)
    await desk.send(SUPPORT, header=ONE, sender="boss@klient.pl")
    assert [copy.member for copy in desk.copies] == ["jan", "omar"]


REJECTING_ALL = "rules:\n  - {name: no, when: {subject: parcel}, then: {reject: no thanks}}\n"


async def test_what_a_trusted_hop_has_taken_is_held_unless_its_listener_rejects_through(desk: Desk) -> None:
    """There the hop tells the sender."""
    desk.use(REJECTING_ALL)
    [held] = await desk.send(SUPPORT, trusted="yes")
    assert isinstance(held, Accepted)
    assert [(copy.state, copy.reason) for copy in desk.copies] == [(CopyState.HELD, "rejected: no thanks")]
    [refused] = await desk.send(SUPPORT, trusted="yes", listener="through")
    assert isinstance(refused, Refused)
    assert (refused.code, refused.status, refused.text) == (550, "5.7.1", "no thanks")


async def test_what_is_refused_is_counted_with_its_reason(desk: Desk) -> None:
    """Once for each message, also where LMTP tells several recipients; what an inbox takes is no refusal."""

    def counted() -> dict[str, float]:
        return {
            reason: value
            for reason in ("rule", "loop", "mime_depth")
            if (value := desk.metrics.registry.get_sample_value("routerd_rejections_total", {"reason": reason}))
        }

    desk.use(REJECTING_ALL)
    await desk.send(SUPPORT)
    await desk.send(SUPPORT, BILLING, protocol=Protocol.LMTP)
    assert counted() == {"rule": 2}
    desk.use(REJECTING)
    await desk.send(SUPPORT, BILLING)
    assert counted() == {"rule": 2}
    [verdict] = await desk.send(SUPPORT, header="Received: x\r\n" * 51, trusted="yes")
    assert isinstance(verdict, Refused)
    assert counted() == {"rule": 2, "loop": 1}


@pytest.mark.parametrize("trusted", ["", "yes"])
async def test_parts_nested_too_deep_are_refused(desk: Desk, trusted: str) -> None:
    """From strangers and hops alike, before any rule is asked; 100 levels are taken."""
    nested = "Content-Type: message/rfc822\r\n\r\n"
    [verdict] = await desk.send(SUPPORT, header=nested * 100, trusted=trusted)
    assert isinstance(verdict, Accepted)
    with capture_logs() as logged:
        [verdict] = await desk.send(SUPPORT, header=nested * 101, trusted=trusted)
    assert isinstance(verdict, Refused)
    assert (verdict.code, verdict.status) == (554, "5.6.0")
    [line] = [line for line in logged if line["event"] == "message_refused"]
    assert line["reason"] == "5.6.0 MIME parts are nested too deep"
    assert (line["sender"], line["recipients"]) == ("anna@klient.pl", [SUPPORT])
    assert line["client"]
    assert line["listener"]
    assert desk.metrics.registry.get_sample_value("routerd_rejections_total", {"reason": "mime_depth"}) == 1


async def test_a_reply_in_a_known_conversation_is_held_not_refused(desk: Desk) -> None:
    """Also where a listener rejects through."""
    await desk.send(SUPPORT, header=ONE)
    desk.use(REJECTING_ALL)
    [verdict] = await desk.send(SUPPORT, header="References: <1@klient.pl>\r\n", listener="through", trusted="yes")
    assert isinstance(verdict, Accepted)
    assert [copy.state for copy in desk.copies] == [CopyState.QUEUED, CopyState.HELD]


async def test_one_of_two_inboxes_that_rejects_has_its_part_held(desk: Desk) -> None:
    desk.use(REJECTING)
    [verdict] = await desk.send(SUPPORT, BILLING)
    assert isinstance(verdict, Accepted)
    assert [(copy.member, copy.state) for copy in desk.copies] == [("jan", CopyState.QUEUED), ("ewa", CopyState.HELD)]


async def test_given_headers_are_cut_also_from_what_could_not_be_decided(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.use("rules:\n  - {name: class, when: {always: true}, then: {header: {X-Class: B2B}}}\n")
    await desk.send(SUPPORT)
    monkeypatch.setattr("routerd.considering.decide", None)
    await desk.send(SUPPORT, header="X-Other: 1\r\n")
    decided, undecided = desk.copies
    assert (decided.annotation.headers, decided.annotation.cut_headers) == ((("X-Class", "B2B"),), ("x-class",))
    assert undecided.annotation.labels == ("routerd-error",)
    assert (undecided.annotation.headers, undecided.annotation.cut_headers) == ((), ("x-class",))


@pytest.mark.parametrize("decided", [True, False])
async def test_what_could_not_be_decided_the_second_time_is_known_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, decided: bool
) -> None:
    """Its client never heard that it was taken: nobody gets it twice."""
    if decided:
        await desk.send(SUPPORT, header=ONE)
    monkeypatch.setattr("routerd.considering.decide", None)
    if not decided:
        await desk.send(SUPPORT, header=ONE)
    [verdict] = await desk.send(SUPPORT, header=ONE)
    assert isinstance(verdict, Accepted)
    assert len(desk.copies) == 1
    await desk.send(SUPPORT, BILLING, header=ONE)
    assert len(desk.copies) > 1  # to others it is another


async def test_a_message_over_which_the_process_died_is_suspect_until_it_is_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a second death, after it was committed and before its client heard so, would deliver it twice."""
    suspects: list[bytes] = []
    monkeypatch.setattr(desk.hands, "is_suspect", lambda digest: suspects.append(digest) or True)
    monkeypatch.setattr(desk.hands, "clear", suspects.remove)
    whole = desk.store.commit
    monkeypatch.setattr(desk.store, "commit", None)
    with pytest.raises(TypeError):
        await desk.send(SUPPORT, header=ONE)
    assert len(suspects) == 1
    monkeypatch.setattr(desk.store, "commit", whole)
    await desk.send(SUPPORT, header=ONE)
    assert len(suspects) == 1
    assert len(desk.copies) == 1


async def test_rules_see_the_conversation_as_it_was_before_the_message(desk: Desk) -> None:
    """Its labels, how many messages, and how long the customer waits; an answer of ours ends the wait."""
    desk.use(
        "rules:\n"
        "  - {name: first, when: {not: {conversation: {known: true}}}, then: {label: new}}\n"
        "  - {name: third, when: {conversation: {label: new, messages: {over: 1}}}, then: {label: third}}\n"
        "  - {name: late, when: {conversation: {waiting: {over: 2d}}}, then: {label: late}}\n"
    )
    answer = "References: <1@klient.pl>\r\n"
    await desk.send(SUPPORT, header=ONE)
    await desk.send(SUPPORT, header=answer, at=NOW + timedelta(days=1))
    await desk.send(SUPPORT, header=answer, at=NOW + timedelta(days=3))
    assert [copy.annotation.labels for copy in desk.copies] == [("new",), (), ("third", "late")]


async def test_a_rule_that_fails_is_logged_and_counted_and_the_message_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name; the other rules count as ever."""

    def fail(self: Always, seen: Seen) -> None:
        raise ZeroDivisionError("of all things")

    desk.use(
        "rules:\n"
        "  - {name: bad, when: {always: true}, then: {assign: omar}}\n"
        "  - {name: good, when: {subject: parcel}, then: {assign: ewa, label: sent}}\n"
    )
    monkeypatch.setattr(Always, "truth", fail)
    with capture_logs() as logged:
        [verdict] = await desk.send(SUPPORT)
    assert isinstance(verdict, Accepted)
    assert [(copy.member, copy.annotation.labels) for copy in desk.copies] == [("ewa", ("sent",))]
    [line] = [line for line in logged if line["event"] == "rule_failed"]
    assert (line["rule"], line["reason"]) == ("10.yaml/bad", "ZeroDivisionError: of all things")
    assert desk.metrics.registry.get_sample_value("routerd_rule_errors_total", {"rule": "10.yaml/bad"}) == 1


async def test_a_message_that_nothing_can_be_written_on_stays_with_its_client(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even as undecided mail: better that he sends it again than that it is lost."""

    def fail(*_: object) -> str:
        raise ValueError("no")

    monkeypatch.setattr("routerd.router.received_value", fail)
    assert await desk.send(SUPPORT) == (TROUBLE,)
    assert desk.copies == []
