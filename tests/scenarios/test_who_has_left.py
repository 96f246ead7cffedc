"""Who is not in the config any more owns conversations still, has written what waits, and was promised what comes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from answer_desk import ANNA, SUPPORT, AnswerDesk, settings

from routerd.delivery.routes import Routes
from routerd.desk.changes import Role
from routerd.desk.roster import Roster
from routerd.rules.compile import compile_ruleset
from routerd.settling import Live
from routerd.store.base import Forgo

INBOX = {"default": "ewa", "from": "{member} at Support", "takes": False}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[AnswerDesk]:
    found = AnswerDesk(tmp_path, inboxes={SUPPORT: INBOX})
    yield found
    await found.close()


def goes(desk: AnswerDesk, name: str) -> None:
    """Whose inbox is ewa's, is omar's from now on."""
    members = {one: {"mailbox": f"{one}@team.example"} for one in ("ewa", "jan", "omar") if one != name}
    default = "omar" if name == "ewa" else "ewa"
    found = settings(members=members, postmaster="omar", inboxes={SUPPORT: {**INBOX, "default": default}})
    ruleset = compile_ruleset({}, found).ruleset
    assert ruleset is not None
    desk.settings, desk.live = found, Live(found, Roster(found), ruleset, Routes(found))
    desk.router.adopt(desk.live)


@pytest.mark.parametrize("text", ["Here it is.", "#tkae\nHere it is."])
async def test_an_answer_goes_its_way_where_the_owner_has_left(desk: AnswerDesk, text: str) -> None:
    """Whether it goes out or is held; who follows him gets the conversation."""
    await desk.customer()
    theirs = await desk.of("ewa")
    goes(desk, "ewa")
    await desk.member("jan", theirs.address("Reply-To"), text)
    out = await desk.out()
    assert [one.copy.mailbox for one in out if one.copy.role is Role.ANSWER] == ([] if "#" in text else [ANNA])
    told = [str(one.mail.get_content()) for one in out if one.copy.member == "omar"]
    assert any("Where is it?" in one for one in told)
    assert any("is yours now; it was ewa's." in one for one in told)
    assert b"routerd_undecided_messages_total 0.0" in desk.metrics.exposition()


async def test_who_answered_hears_of_trouble_where_the_owner_has_left(desk: AnswerDesk) -> None:
    await desk.customer()
    theirs = await desk.of("ewa")
    await desk.member("jan", theirs.address("Reply-To"))
    [answer] = await desk.outside()
    goes(desk, "ewa")
    await desk.conclude(answer.copy, Forgo("550 5.1.1 nobody"))
    subjects = {one.copy.member: str(one.mail["Subject"]) for one in await desk.out()}
    assert subjects["jan"] == "[not delivered] Parcel"


async def test_a_draft_is_sent_whose_author_has_left(desk: AnswerDesk) -> None:
    """Under the name of who sends it."""
    await desk.customer()
    theirs = await desk.of("ewa")
    await desk.member("jan", "support+draft@example.com", In_Reply_To=str(theirs.mail["Message-ID"]))
    shown = await desk.of("ewa")
    goes(desk, "jan")
    await desk.member("ewa", shown.address("Reply-To"), "#send")
    [sent] = await desk.outside()
    assert (sent.copy.mailbox, sent.body) == (ANNA, b"Here it is.\r\n")
    assert str(sent.mail["From"]) == "ewa at Support <support@example.com>"
