from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerd.desk.commands import HELP, NO_CONVERSATION, Speaking, read_spoken, why_not_apart
from routerd.desk.naming import Named, Names
from routerd.desk.said import COMMANDS, AssignTo, Away, Close, Help, Label, Send, SetPriority, Snooze, Spoken, Take
from routerd.rules.decision import Priority

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)  # a Wednesday, 11:00 in Warsaw
SPEAKING = Speaking(
    Names(
        (
            Named("jan", "Jan Wójcik", ("jan.wojcik@example.com",)),
            Named("ewa", "Ewa Nowak"),
            Named("ewa2", "Ewa Lis"),
            Named("finance"),
            Named("żaba"),
            Named("omar", "عمر أحمد"),
        )
    ),
    frozenset({"jan", "ewa", "żaba"}),
    NOW,
    ZoneInfo("Europe/Warsaw"),
)


def spoken(text: str) -> Spoken:
    return read_spoken(text, SPEAKING)


def test_commands_stand_on_top_and_the_rest_is_text() -> None:
    """One a line, empty lines between them count for nothing; what speaks of one further down is text."""
    told = spoken("#take\n\n#label +urgent, -newsletter\n\nPlease look, @Jan and @finance.\n#close it\n")
    assert told.commands == (Take(), Label(("urgent",), ("newsletter",)))
    assert told.text == "Please look, @Jan and @finance.\n#close it"
    assert told.named == ("jan", "finance")
    assert not told.bad


@pytest.mark.parametrize("mark", ["\ufeff", "\u200e", "\u202b", "\u2067", "\xa0 ", "\u200b"])
def test_what_clients_put_before_a_command_does_not_break_it(mark: str) -> None:
    assert spoken(f"{mark}#assign {mark}jan{mark}\r\n").commands == (AssignTo("jan"),)


@pytest.mark.parametrize("text", ["# heading\n", "#1234 is the ticket", "#", "see #close", "@jan #close"])
def test_what_only_looks_like_a_command_is_text(text: str) -> None:
    told = spoken(text)
    assert (told.commands, told.bad) == ((), ())
    assert told.text == text.strip()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Fine by me.\n\n#send", "#send"),
        ("Hi,\n#close\n\nEwa", "#close"),
        ("#take\nHi,\n#assign jan", "#assign jan"),
        ("Hi,\n\u200e＃Drop\n", "＃Drop"),
        ("# take", "# take"),
        ("Look:\n```\n#send\n```\n#snooze 2d", "#snooze 2d"),
    ],
)
def test_a_command_that_does_not_stand_on_top_is_told_of(text: str, line: str) -> None:
    """Its author would take it for done. With it nothing of the mail is."""
    [bad] = spoken(text).bad
    assert bad.line == line
    assert ("on top" if line != "# take" else "no space") in bad.problem


@pytest.mark.parametrize(
    "text",
    [
        "Then say #close in a reply.",
        "I said\n#close it, please",
        "Hi,\n#assign everybody",
        "Hi,\n# close",
        "Say this:\n```\n#send\n```",
        "Hi,\n#invoice\n#2027",
        "#take\n[…]\n#send",
        "Hi,\n- #close",
    ],
)
def test_what_speaks_of_a_command_is_text(text: str) -> None:
    """As what is code is, or stands where a quote was cut: somebody else may have written that."""
    assert spoken(text).bad == ()


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("#CLOSE", Close()),
        ("#priority High", SetPriority(Priority.HIGH)),
        ("#assign @ŻABA", AssignTo("żaba")),
        ("#label pilne", Label(("pilne",), ())),
        ("#snooze 2d", Snooze(NOW + timedelta(days=2))),
        ("#snooze 30 minutes", Snooze(NOW + timedelta(minutes=30))),
        ("#snooze 30m", Snooze(NOW + timedelta(minutes=30))),
        ("#snooze ٣ days", Snooze(NOW + timedelta(days=3))),
        ("#snooze 1 week", Snooze(NOW + timedelta(days=7))),
        ("#snooze monday 9:00", Snooze(datetime(2026, 3, 9, 8, 0, tzinfo=UTC))),
        ("#snooze wednesday 10:30", Snooze(datetime(2026, 3, 11, 9, 30, tzinfo=UTC))),
        ("#snooze wednesday 11:30", Snooze(datetime(2026, 3, 4, 10, 30, tzinfo=UTC))),
        ("#snooze tomorrow", Snooze(datetime(2026, 3, 5, 8, 0, tzinfo=UTC))),
        ("#snooze 2026-04-01 14:30", Snooze(datetime(2026, 4, 1, 12, 30, tzinfo=UTC))),
        ("#away", Away(None, None)),
        ("#away until 2026-03-10", Away(datetime(2026, 3, 9, 23, 0, tzinfo=UTC), None)),
        ("#away until friday deputy Jan", Away(datetime(2026, 3, 5, 23, 0, tzinfo=UTC), "jan")),
        ("#send", Send()),
        ("#help", Help()),
    ],
)
def test_each_command_is_read(line: str, command: object) -> None:
    assert spoken(line).commands == (command,)


@pytest.mark.parametrize(
    ("line", "name", "said"),
    [
        ("#clsoe", "unknown", "#help"),
        ("#close it please", "close", "next line"),
        ("#assign", "assign", "to whom"),
        ("#assign nobody", "assign", "'nobody'"),
        ("#label", "label", "which"),
        ("#label <b>", "label", "contains '<'"),
        ("#priority urgent", "priority", "high, normal or low"),
        ("#snooze", "snooze", "until when"),
        ("#snooze soon", "snooze", "no moment"),
        ("#snooze monday 25:00", "snooze", "'monday 25:00' is no moment: write 30m, 4h"),
        ("#snooze next week", "snooze", "'next week' is no moment: write 30m, 4h, 2d, 1w, tomorrow"),
        ("#snooze 30 apples", "snooze", "'30 apples' is no moment: write"),
        ("#snooze 30", "snooze", "'30' is no moment: write"),
        ("#away until 1 december", "away", "'1 december' is no moment: write 30m"),
        ("#snooze 2026-03-01", "snooze", "has passed"),
        ("#snooze 9999d", "snooze", "more than a year"),
        ("#away from today", "away", "until"),
        ("#away until 2026-03-10 deputy finance", "away", "team"),
    ],
)
def test_a_bad_command_says_what_would_be_right(line: str, name: str, said: str) -> None:
    told = spoken(line)
    assert told.commands == ()
    assert [(one.line, one.name) for one in told.bad] == [(line, name)]
    assert said in told.bad[0].problem


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("JAN", "jan"),
        ("@jan", "jan"),
        ("Jan Wójcik", "jan"),
        ("jan wojcik", "jan"),
        ("Wójcik", "jan"),
        ("Jan.Wojcik", "jan"),
        ("Jan.Wojcik@Example.com", "jan"),
        ("ewa", "ewa"),
        ("Ewa Nowak", "ewa"),
        ("lis", "ewa2"),
        ("zaba", "żaba"),
        ("أحمد", "omar"),
        ("احمد", "omar"),
        ("Finance", "finance"),
    ],
)
def test_people_are_called_as_people_call_them(written: str, name: str) -> None:
    """The name in the config goes before all else; accents and what stands between the parts count for nothing."""
    assert spoken(f"#assign {written}").commands == (AssignTo(name),)
    assert spoken(f"Look, @{written.removeprefix('@')}, please.").named == (name,)


def test_who_is_not_clear_is_asked_for_by_name() -> None:
    names = Names((Named("ewan", "Ewa Nowak"), Named("ewal", "Ewa Lis"), Named("duty")))
    told = read_spoken("#assign ewa", replace(SPEAKING, names=names))
    assert told.bad[0].problem == "'ewa' may be ewan (Ewa Nowak) or ewal (Ewa Lis); write which, by the name in front"
    told = read_spoken("#assign Novak", replace(SPEAKING, names=names))
    assert "'Novak'; did you mean 'Nowak'? There are: ewan" in told.bad[0].problem
    told = read_spoken("#assign bob", replace(SPEAKING, names=names))
    assert told.bad[0].problem == (
        "there is no member or team 'bob'. There are: ewan (Ewa Nowak), ewal (Ewa Lis), duty"
    )


def test_a_name_that_is_nobodys_is_told_of_and_a_longer_one_may_be_somebodys() -> None:
    told = spoken("@ewa Lis knows, @bob does not, @jan Kowalski neither")
    assert told.named == ("ewa2", "jan")
    assert len(told.unclear) == 1
    assert told.unclear[0].startswith("there is no member or team 'bob'")


def test_a_deputy_is_called_by_his_whole_name() -> None:
    told = spoken("#away until friday deputy Jan Wójcik")
    assert told.commands == (Away(datetime(2026, 3, 5, 23, 0, tzinfo=UTC), "jan"),)


def test_help_tells_of_every_command() -> None:
    assert all(f"#{name}" in HELP for name in COMMANDS)


def test_addresses_are_no_names() -> None:
    assert spoken("write to anna@jan.example or foo.@ewa, https://x/@jan").named == ()


@given(st.text(max_size=300))
def test_nothing_that_is_written_raises(text: str) -> None:
    told = spoken(text)
    assert len(told.commands) + len(told.bad) <= 21


@pytest.mark.parametrize("text", ["#away", "#back\n\nBest, Jan", "#help\n#away until 2026-12-01"])
def test_what_concerns_the_speaker_alone_needs_no_conversation(text: str) -> None:
    assert why_not_apart(spoken(text)) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", NO_CONVERSATION),
        ("Hello", NO_CONVERSATION),
        ("#take", NO_CONVERSATION),
        ("#away\n#close", NO_CONVERSATION),
        ("#awya", NO_CONVERSATION),
        ("#away until soon", "#away: 'soon' is no moment"),
        ("#away deputy żaba2", "#away: there is no member or team '?aba2'"),
    ],
)
def test_what_needs_a_conversation_is_not_taken_without_one(text: str, why: str) -> None:
    """The reason is said in an SMTP reply, so in ASCII."""
    said = why_not_apart(spoken(text))
    assert said.startswith(why)
    assert said.isascii()
    assert len(said) <= 400
