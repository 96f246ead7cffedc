"""Two routerds that send on to each other whatever comes."""

from pathlib import Path

from answer_desk import ANNA, AnswerDesk

from routerd.desk.changes import Role


def desk_of(here: str, there: str, folder: Path) -> AnswerDesk:
    rules = f"rules:\n  - {{name: all, when: {{always: true}}, then: {{forward: support@{there}.example}}}}\n"
    return AnswerDesk(
        folder,
        rules,
        hostname=f"mx.{here}.example",
        members={"ewa": {"mailbox": f"ewa@team-{here}.example"}},
        postmaster="ewa",
        inboxes={f"support@{here}.example": {"default": "ewa"}},
    )


async def test_what_comes_back_from_the_other_is_refused(tmp_path: Path) -> None:
    """The first knows its trace again below the other's."""
    desks = {here: desk_of(here, there, tmp_path / here) for here, there in (("a", "b"), ("b", "a"))}
    raw, sender = f"From: {ANNA}\r\nMessage-ID: <1@klient>\r\n\r\nHello\r\n".encode(), ANNA
    codes = []
    for here in ("a", "b", "a"):
        [verdict] = await desks[here].raw(raw, [f"support@{here}.example"], sender=sender)
        codes.append(getattr(verdict, "code", 250))
        for one in await desks[here].out():
            if one.copy.role is Role.FORWARD:
                raw, sender = one.raw, one.sender
    assert codes == [250, 250, 554]
    for desk in desks.values():
        await desk.close()
