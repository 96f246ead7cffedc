"""The commands of one mail obeyed, all or none, and what its author is told. Pure.

Whoever writes a command is told of it by mail where there is something to tell: what he asked for, and why nothing was
done. What was obeyed without a word stands in the conversation's timeline.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from routerd.desk.changes import Authored, HeldId, Resent
from routerd.desk.matter import House, Matter
from routerd.desk.obeying import obey
from routerd.desk.plan import Event, FullDeskState, Plan
from routerd.desk.said import BadCommand, Command, name_of
from routerd.desk.scene import ForbiddenError, Scene, Work
from routerd.desk.telling import Told, tell
from routerd.message.subject import cut_prefixes

MAX_QUOTED = 20_000  # characters of what is given back
NOT_DONE = "Nothing of your mail was done, and nobody got it:"


@dataclass(frozen=True, slots=True)
class Obeyed:
    """What the commands came to. `was_done` False: the plan does nothing but say so to the speaker."""

    plan: Plan
    was_done: bool


def obey_all(plan: Plan, matter: Matter, state: FullDeskState, house: House, more: tuple[str, ...] = ()) -> Obeyed:
    """`plan`: of the mail that says it, as if it said nothing. `more`: what its author is told as well."""
    spoken, member = matter.said.spoken, plan.member or ""
    scene = Scene(member, matter.at, state, house)
    work, bad, shows = Work(plan, state.conversation), list(spoken.bad), None
    brings: tuple[Resent, ...] = ()
    for command, line in zip(spoken.commands, spoken.lines, strict=True):
        try:
            work = obey(command, work, scene)
        except ForbiddenError as error:
            bad.append(BadCommand(line, name_of(command), str(error)))
            shows = shows or error.shows
            brings = brings or error.brings
    if bad:
        no = _refused(plan, bad, shows, matter, house)
        return Obeyed(replace(no, resent=(*no.resent, *brings)), was_done=False)
    done = work.but(*(_obeyed(command, member) for command in spoken.commands)).plan
    return Obeyed(with_word(done, (*work.told, *more), matter, house), was_done=True)


def with_word(plan: Plan, paragraphs: Sequence[str], matter: Matter, house: House) -> Plan:
    """`plan`, of which its author is told something."""
    if not paragraphs:
        return plan
    told = _answer(matter, plan, f"Re: {_about(matter)}", "\n\n".join(paragraphs), house)
    return replace(plan, authored=(*plan.authored, told))


def refuse(plan: Plan, problem: str, matter: Matter, house: House) -> Plan:
    """Nothing is done of a mail that is no good as a whole."""
    return _refused(plan, [BadCommand("", "unknown", problem)], None, matter, house)


def _obeyed(command: Command, member: str) -> Event:
    return Event("command_obeyed", {"member": member, "command": name_of(command)})


def _refused(plan: Plan, bad: Sequence[BadCommand], shows: HeldId | None, matter: Matter, house: House) -> Plan:
    member = plan.member or ""
    events = tuple(
        Event("command_refused", {"member": member, "command": one.name, "line": one.line[:200], "why": one.problem})
        for one in bad
    )
    text = "\n".join(_why_not(bad, matter.said.spoken.whole))
    told = _answer(matter, plan, f"Not done: {_about(matter)}", text, house, shows)
    return replace(plan, events=(*plan.events, *events), authored=(*plan.authored, told))


def _about(matter: Matter) -> str:
    return cut_prefixes(matter.subject).text


def _why_not(bad: Sequence[BadCommand], written: str) -> Iterator[str]:
    yield NOT_DONE
    for one in bad:
        yield ""
        if one.line:
            yield f"  {one.line[:200]}"
        yield f"  {one.problem}"
    yield ""
    yield "Your mail was:"
    yield ""
    yield from (f"> {line}" for line in written[:MAX_QUOTED].splitlines())


def _answer(matter: Matter, plan: Plan, subject: str, text: str, house: House, shows: HeldId | None = None) -> Authored:
    told = Told(
        inbox=plan.inbox,
        members=(plan.member or "",),
        subject=subject,
        text=text.rstrip("\n") + "\n",
        why="answer to a command",
        in_reply_to=matter.message_id,
        shows=shows,
    )
    return tell(told, house, matter.at)
