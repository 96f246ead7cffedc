"""Notes that reach an inbox by another way than their own address, where answers do not come through us."""

from pathlib import Path

import pytest
from answer_desk import ANNA, SUPPORT, AnswerDesk

from routerd.desk.changes import Role
from routerd.message.envelope import Accepted

BILLING = "billing@example.com"
FORWARDING = "rules:\n  - {name: all, when: {always: true}, then: {forward: ledger@out.example, watch: omar}}\n"


@pytest.mark.parametrize("inbox", [SUPPORT, BILLING])
@pytest.mark.parametrize("subject", ["Re: Parcel", "Fwd: Parcel"])
@pytest.mark.parametrize("word", ["n", "d"])
async def test_no_rule_sends_a_note_outside_that_comes_to_an_inbox(
    tmp_path: Path, inbox: str, subject: str, word: str
) -> None:
    """A hop takes mail apart: the inbox in Cc gets it in a transaction of its own. It is no answer either."""
    inboxes = {SUPPORT: {"default": "ewa", "replies": "observe"}, BILLING: {"default": "omar", "replies": "observe"}}
    desk = AnswerDesk(tmp_path, FORWARDING, inboxes=inboxes)
    await desk.customer(Message_ID="<1@klient>")
    note = (await desk.of("ewa")).address("X-Routerd-Note" if word == "n" else "X-Routerd-Draft")
    header = {
        "From": "ewa <ewa@team.example>",
        "To": f"{note}, {ANNA}",
        "Cc": inbox,
        "Subject": subject,
        "Message-ID": "<n@team>",
        "References": "<1@klient>",
    }
    for recipient in (inbox, note):
        [verdict] = await desk.send(header, "Do not tell her.", [recipient], member="ewa")
        assert isinstance(verdict, Accepted)
    left = await desk.out()
    assert {one.copy.role for one in left} == {Role.DESK}
    assert {one.copy.mailbox for one in left} <= {"omar@team.example", "ewa@team.example"}
    assert not desk.metrics.registry.get_sample_value("routerd_answers_total", {"inbox": SUPPORT})
    await desk.close()


@pytest.mark.parametrize("replies", ["observe", "through"])
async def test_a_note_of_which_the_conversation_is_lost_begins_none(tmp_path: Path, replies: str) -> None:
    """Its client left References out, and it comes to the inbox alone."""
    desk = AnswerDesk(tmp_path, FORWARDING, inboxes={SUPPORT: {"default": "ewa", "replies": replies}})
    header = {"From": "ewa <ewa@team.example>", "To": f"support+note@example.com, {SUPPORT}", "Subject": "Parcel"}
    [verdict] = await desk.send(header, "Do not tell her.", [SUPPORT], member="ewa")
    assert not isinstance(verdict, Accepted)
    assert await desk.out() == []
    await desk.close()
