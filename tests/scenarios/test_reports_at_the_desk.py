"""What machines send in a member's name to the desk's addresses: receipts, reports, calendars' answers."""

from pathlib import Path

import pytest
from answer_desk import ANNA, SUPPORT, AnswerDesk

from routerd.desk.changes import Role

BOUNDARY = "=_r"
REPORTS = {
    "read receipt (RFC 8098)": (
        "disposition-notification",
        "message/disposition-notification",
        "Final-Recipient: rfc822; ewa@team.example\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n",
    ),
    "abuse report (RFC 5965)": (
        "feedback-report",
        "message/feedback-report",
        "Feedback-Type: abuse\r\nUser-Agent: loop/1\r\nVersion: 1\r\n",
    ),
    "bounce (RFC 3464)": (
        "delivery-status",
        "message/delivery-status",
        "Reporting-MTA: dns; mail.team.example\r\n\r\nFinal-Recipient: rfc822; x@team.example\r\nAction: failed\r\n"
        "Status: 5.1.1\r\n",
    ),
}
CALENDAR = "BEGIN:VCALENDAR\r\nMETHOD:{0}\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


def report(kind: str, to: str) -> bytes:
    name, part, body = REPORTS[kind]
    return (
        f"From: Ewa <ewa@team.example>\r\nTo: {to}\r\nSubject: Read: Parcel\r\nMessage-ID: <r@team>\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={name}; boundary={BOUNDARY}\r\n\r\n"
        f"--{BOUNDARY}\r\n\r\n#close\r\nSecret.\r\n"
        f"--{BOUNDARY}\r\nContent-Type: {part}\r\n\r\n{body}\r\n--{BOUNDARY}--\r\n"
    ).encode()


def calendar(method: str, to: str, member: str = "ewa") -> bytes:
    return (
        f"From: {member}@team.example\r\nTo: {to}\r\nSubject: Accepted: Meeting\r\nMessage-ID: <r@team>\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: text/calendar; method={method}; charset=utf-8\r\n\r\n"
        f"{CALENDAR.format(method)}"
    ).encode()


async def addresses(desk: AnswerDesk) -> dict[str, str]:
    await desk.customer(Message_ID="<1@klient>")
    copy = await desk.of("ewa")
    return {
        "c": copy.address("Reply-To"),
        "n": copy.address("X-Routerd-Note"),
        "d": copy.address("X-Routerd-Draft"),
    }


@pytest.mark.parametrize("sender", ["ewa@team.example", ""])
@pytest.mark.parametrize("word", ["c", "n", "d"])
@pytest.mark.parametrize("kind", REPORTS)
async def test_a_report_says_nothing_to_the_desk(kind: str, word: str, sender: str, tmp_path: Path) -> None:
    """Though a member is logged in whose mailbox sends it, and whatever text stands in it: it is no answer, note,
    draft, command or absence, nobody outside gets it, and the conversation stands as before.
    """
    desk = AnswerDesk(tmp_path)
    to = (await addresses(desk))[word]
    await desk.raw(report(kind, to), (to,), member="ewa", sender=sender)
    left = await desk.out()
    assert [one.copy.mailbox for one in left if one.copy.role in (Role.ANSWER, Role.FORWARD)] == []
    assert [one.copy.member for one in left if one.mail["Subject"].startswith("[")] == []
    assert await desk.store.absences() == ()
    assert not desk.metrics.registry.get_sample_value("routerd_answers_total", {"inbox": SUPPORT})
    assert not desk.metrics.registry.get_sample_value("routerd_notes_total")
    await desk.customer("And?", References="<1@klient>")
    assert [one.copy.member for one in await desk.out()] == ["ewa"]
    await desk.close()


@pytest.mark.parametrize("word", ["n", "d"])
async def test_a_calendars_answer_to_colleagues_stays_among_them(word: str, tmp_path: Path) -> None:
    """It is a note or a draft like any other: no customer's calendar gets it."""
    desk = AnswerDesk(tmp_path)
    to = (await addresses(desk))[word]
    await desk.raw(calendar("REPLY", f"{to}, {ANNA}", "jan"), (to,), member="jan", sender="jan@team.example")
    assert {one.copy.role for one in await desk.out()} == {Role.DESK}
    assert not desk.metrics.registry.get_sample_value("routerd_answers_total", {"inbox": SUPPORT})
    await desk.close()


async def test_a_calendars_answer_to_the_customer_counts_for_nothing(tmp_path: Path) -> None:
    """Who waited goes on waiting; the next answer is the first. An invitation is a person's answer."""
    desk = AnswerDesk(tmp_path)
    to = (await addresses(desk))["c"]
    await desk.raw(calendar("REPLY", to), (to,), member="ewa", sender="ewa@team.example")
    assert [one.copy.mailbox for one in await desk.outside()] == [ANNA]
    assert not desk.metrics.registry.get_sample_value("routerd_answers_total", {"inbox": SUPPORT})
    request = calendar("REQUEST", to).replace(b"<r@team>", b"<q@team>")
    await desk.raw(request, (to,), member="ewa", sender="ewa@team.example")
    assert [one.copy.mailbox for one in await desk.outside()] == [ANNA]
    assert desk.metrics.registry.get_sample_value("routerd_answers_total", {"inbox": SUPPORT}) == 1
    await desk.close()
