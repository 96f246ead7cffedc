"""The words that a member says to the desk: commands on top of a note or draft, names in its text. Pure.

Lines on top that begin with # and a letter are commands, one a line; the first other line that is not empty begins the
text. A line of the text that says nothing but a command was meant as one: it is bad, since its author would wait for
what nobody does. All or nothing: who calls this does none of them where one is bad.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from routerd.config.nearest import did_you_mean, quoted
from routerd.config.values import parse_duration
from routerd.desk.naming import Names
from routerd.desk.said import (
    COMMANDS,
    AssignTo,
    Away,
    BackAgain,
    BadCommand,
    Close,
    Command,
    Drop,
    Help,
    History,
    Label,
    Open,
    Send,
    SetPriority,
    Snooze,
    Spoken,
    Take,
    Unwatch,
    Watch,
    name_of,
)
from routerd.message.quotes import CUT
from routerd.rules.decision import Priority
from routerd.rules.labels import check_label

MAX_COMMANDS = 20
MAX_NAMED = 50
LONGEST = timedelta(days=366)  # of a snooze or an absence

APART = frozenset({"away", "back", "help"})  # what needs no conversation
NO_CONVERSATION = (
    "This mail belongs to no conversation. Write notes, drafts and commands as replies to a mail of one; "
    "without one there are #away, #back and #help"
)

HELP = """\
#take                     it is yours from now on
#assign jan               it is Jan's (a member or a team)
#label +urgent -newsletter
#priority high            high, normal or low
#close, #open             nothing is to be done any more; something is
#snooze 2d                out of sight until then: 4h, 2d, monday, monday 9:00, 2026-12-01
#watch, #unwatch          you get all that comes; you do not
#away until 2026-12-01 deputy jan
#back                     you are there again
#send, #drop              the held answer or draft goes out; it does not
#history                  what happened so far
#help                     this
"""

_COMMAND = re.compile(r"[#\N{FULLWIDTH NUMBER SIGN}]([^\W\d_]\w*)[ ]*(.*)\Z")
# A name of up to three words may be meant, or an address.
_NAMED = re.compile(r"(?<![\w@.#/])@([\w][\w.+-]*[\w](?:@[\w.-]*\w)?|\w)(?=((?: [\w.-]*\w){0,2}))")
_FENCES = ("```", "~~~")
_NOT_ON_TOP = "commands stand on top, above all text; what only speaks of one puts it into a sentence"
_WITHOUT_SPACE = "a command has no space behind its #"
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\Z")
_SPAN = re.compile(r"(\d{1,9}) ?(?:(m)(?:in(?:ute)?s?)?|(h)(?:ours?)?|(d)(?:ays?)?|(w)(?:eeks?)?|(s|y))\Z")
_NO_MOMENT = (
    "{written} is no moment: write 30m, 4h, 2d, 1w, tomorrow, monday, monday 9:00, 2026-12-01 or 2026-12-01 14:30"
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Speaking:
    """What is known when somebody speaks."""

    names: Names
    members: frozenset[str]
    at: datetime
    zone: ZoneInfo  # in which days and hours are meant


def read_spoken(text: str, speaking: Speaking) -> Spoken:
    """`text`: what was newly written, without quotes and signature. Never raises."""
    lines, begins = _apart(text)
    commands: list[tuple[Command, str]] = []
    bad: list[BadCommand] = []
    for line in filter(None, lines[:begins]):
        if len(commands) + len(bad) == MAX_COMMANDS:
            bad.append(BadCommand(line, "unknown", f"there are more than {MAX_COMMANDS} commands"))
            break
        told = _read(line, speaking)
        if isinstance(told, BadCommand):
            bad.append(told)
        else:
            commands.append((told, line))
    bad += _misplaced(lines[begins:], speaking)
    rest = "\n".join(lines[begins:]).strip("\n")
    whole = "\n".join(lines).strip("\n")
    named, unclear = _named(rest, speaking.names)
    read, written = tuple(one for one, _ in commands), tuple(line for _, line in commands)
    return Spoken(read, tuple(bad), rest, named, whole, unclear=unclear, lines=written)


def below_commands(text: str) -> str | None:
    """What `text` says below the commands that it begins with; None where it begins with none."""
    lines, begins = _apart(text)
    return "\n".join(lines[begins:]).strip("\n") if any(lines[:begins]) else None


def _apart(text: str) -> tuple[list[str], int]:
    """Its lines, and how many of them, empty ones and commands, stand above the text."""
    lines = [_cleaned(line) for line in text.splitlines()]
    return lines, next((place for place, line in enumerate(lines) if line and not _COMMAND.match(line)), len(lines))


def _misplaced(text: list[str], speaking: Speaking) -> Iterator[BadCommand]:
    """Whatever would be obeyed on top. Not what is shown as code, nor what may be quoted."""
    is_code, looked_at = False, 0
    for place, line in enumerate(text):
        if line == CUT or looked_at == MAX_COMMANDS:
            return
        is_code ^= line.startswith(_FENCES)
        found = _COMMAND.match(line if place else re.sub(r"\A([#\N{FULLWIDTH NUMBER SIGN}]) ", r"\1", line))
        if is_code or found is None or found[1].lower() not in _READERS:
            continue
        looked_at += 1
        told = _read(found[0], speaking)
        if not isinstance(told, BadCommand):
            yield BadCommand(line, name_of(told), _WITHOUT_SPACE if found[0] != line else _NOT_ON_TOP)


def why_not_apart(spoken: Spoken) -> str:
    """Why a mail that belongs to no conversation is not taken, in ASCII; "" where it is.

    Taken are commands that need none; what else such a mail says is lost, which its author is told.
    """
    names = {*map(name_of, spoken.commands), *(one.name for one in spoken.bad)}
    if not names or not names <= APART:
        return NO_CONVERSATION
    problems = "; ".join(f"#{one.name}: {one.problem}" for one in spoken.bad)
    return problems.encode("ascii", "replace").decode("ascii")[:400]


def _cleaned(line: str) -> str:
    """Without what cannot be seen (byte order marks, marks of direction) and with plain spaces."""
    seen = "".join(char for char in line if unicodedata.category(char) != "Cf")
    return re.sub(r"[\s\xa0]+", " ", seen).strip()


def _with_plain_digits(text: str) -> str:
    """Decimal digits of any script as 0 to 9."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(char, char)) for char in text)


def _read(line: str, speaking: Speaking) -> Command | BadCommand:
    found = _COMMAND.match(line)
    name = found[1].lower() if found else ""
    reader = _READERS.get(name)
    if reader is None or found is None:
        likely = did_you_mean(name, COMMANDS) or "."
        return BadCommand(line, "unknown", f"there is no command {quoted(name)}{likely} #help tells what there is")
    try:
        return reader(found[2].strip(), speaking)
    except ValueError as error:
        return BadCommand(line, name, str(error))


def _alone(command: Command) -> "Reader":
    def read(rest: str, speaking: Speaking) -> Command:
        del speaking
        if rest:
            raise ValueError("nothing may stand behind it; text begins on the next line")
        return command

    return read


def _assign(rest: str, speaking: Speaking) -> Command:
    if not rest:
        raise ValueError("say to whom: #assign jan")
    return AssignTo(_person(rest, speaking))


def _label(rest: str, speaking: Speaking) -> Command:
    del speaking
    words = rest.replace(",", " ").split()
    if not words:
        raise ValueError("say which: #label +urgent -newsletter")
    add: dict[str, None] = {}
    remove: dict[str, None] = {}
    for word in words:
        label, wrong = check_label(word[1:] if word[0] in "+-" else word)
        if wrong:
            raise ValueError(wrong)
        (remove if word[0] == "-" else add)[label] = None
    return Label(tuple(add), tuple(remove))


def _priority(rest: str, speaking: Speaking) -> Command:
    del speaking
    try:
        return SetPriority(Priority(rest.lower()))
    except ValueError:
        raise ValueError("say high, normal or low") from None


def _snooze(rest: str, speaking: Speaking) -> Command:
    if not rest:
        raise ValueError("say until when: #snooze 2d, #snooze monday 9:00")
    return Snooze(_moment(rest, speaking, default=time(9)))


def _away(rest: str, speaking: Speaking) -> Command:
    words = rest.split()
    deputy: str | None = None
    said_at = next((place for place, word in enumerate(words[:-1]) if word.lower() == "deputy"), None)
    if said_at is not None:
        deputy = _person(" ".join(words[said_at + 1 :]), speaking)
        if deputy not in speaking.members:
            raise ValueError(f"{deputy} is a team; a deputy is one member")
        words = words[:said_at]
    if not words:
        return Away(None, deputy)
    if words[0].lower() != "until" or len(words) == 1:
        raise ValueError("write #away until 2026-12-01, or #away until 2026-12-01 deputy jan")
    return Away(_moment(" ".join(words[1:]), speaking, default=time(0)), deputy)


def _person(text: str, speaking: Speaking) -> str:
    return speaking.names.one(text.removeprefix("@"))


def _moment(text: str, speaking: Speaking, default: time) -> datetime:
    """`2d`, `30 minutes`, `monday`, `tomorrow 9:00`, `2026-12-01 14:30`: the next such moment, in UTC."""
    written = _with_plain_digits(text).lower()
    span = _SPAN.match(written)
    if span:
        return _bounded(speaking.at + parse_duration(span[1] + next(filter(None, span.groups()[1:]))), speaking)
    first, _, clock = written.partition(" ")
    at = default
    if clock:
        found = _CLOCK.match(clock)
        if not found:
            raise ValueError(_NO_MOMENT.format(written=repr(text)[:40]))
        at = time(int(found[1]), int(found[2]))
    now = speaking.at.astimezone(speaking.zone)
    day = _day(first, now.date(), text)
    moment = datetime.combine(day, at, speaking.zone).astimezone(UTC)
    if moment <= speaking.at and first in _WEEKDAYS:
        moment = datetime.combine(day + timedelta(days=7), at, speaking.zone).astimezone(UTC)
    return _bounded(moment, speaking)


def _day(word: str, today: date, whole: str) -> date:
    """`whole`: in which it is written, to be told."""
    if word == "today":
        return today
    if word == "tomorrow":
        return today + timedelta(days=1)
    if word in _WEEKDAYS:
        return today + timedelta(days=(_WEEKDAYS.index(word) - today.weekday()) % 7)
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise ValueError(_NO_MOMENT.format(written=repr(whole)[:40])) from None


def _bounded(moment: datetime, speaking: Speaking) -> datetime:
    if moment <= speaking.at:
        raise ValueError("that moment has passed")
    if moment > speaking.at + LONGEST:
        raise ValueError("that is more than a year away")
    return moment


def _named(text: str, names: Names) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Members and teams named as @name; and what is wrong with those that are nobody's."""
    named: dict[str, None] = {}
    unclear: dict[str, None] = {}
    for place, found in enumerate(_NAMED.finditer(text)):
        if place == MAX_NAMED:
            break
        words = (found[1], *found[2].split(" ")[1:])
        longest_first = (" ".join(words[:count]) for count in range(len(words), 0, -1))
        one = next((called[0] for called in map(names.called, longest_first) if len(called) == 1), None)
        if one is not None:
            named[one] = None
        else:
            unclear[names.unclear(found[1])] = None
    return tuple(named), tuple(unclear)


Reader = Callable[[str, Speaking], Command]

_READERS: dict[str, Reader] = {
    "take": _alone(Take()),
    "assign": _assign,
    "label": _label,
    "priority": _priority,
    "close": _alone(Close()),
    "open": _alone(Open()),
    "snooze": _snooze,
    "watch": _alone(Watch()),
    "unwatch": _alone(Unwatch()),
    "away": _away,
    "back": _alone(BackAgain()),
    "send": _alone(Send()),
    "drop": _alone(Drop()),
    "history": _alone(History()),
    "help": _alone(Help()),
}
