"""`calendars:` of routerd.yaml: what is written becomes working hours."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from config_texts import SMALL

from routerd.config.calendar_values import parse_hours, parse_weekdays, parse_zone
from routerd.config.load import Loaded, load_settings
from routerd.config.settings import Calendar

CALENDAR = """\
calendars:
  office: {{zone: Europe/Warsaw, hours: ["08:00-12:00", 13:00-17:00], holidays: {}}}
"""


def loaded(folder: Path, holidays: str) -> Loaded:
    (folder / "routerd.yaml").write_text(SMALL + CALENDAR.format(holidays))
    return load_settings(folder / "routerd.yaml", machine_name=lambda: "mx1.example.com")


def office(folder: Path, holidays: str) -> Calendar:
    found = loaded(folder, holidays)
    assert found.settings is not None, found.problems
    return found.settings.calendars["office"]


def test_days_and_hours_become_working_hours(tmp_path: Path) -> None:
    """Monday to Friday where no days are named, both ranges of hours, in the zone's time."""
    working = office(tmp_path, "[]").working_hours
    assert working.includes(datetime(2026, 3, 2, 7, tzinfo=UTC))
    assert not working.includes(datetime(2026, 3, 2, 11, 30, tzinfo=UTC))
    assert not working.includes(datetime(2026, 3, 7, 9, tzinfo=UTC))


def test_holidays_are_read_from_a_file_beside_the_config(tmp_path: Path) -> None:
    """One date or range a line; comments, blank lines, a BOM and CRLF do not matter."""
    (tmp_path / "lists").mkdir()
    lines = b"\xef\xbb\xbf# days off\r\n\r\n2026-05-01  # Labour Day\r\n2026-12-24..2026-12-26\r\n"
    (tmp_path / "lists/holidays.txt").write_bytes(lines)
    assert office(tmp_path, "lists/holidays.txt").working_hours.holidays == {
        date(2026, 5, 1),
        date(2026, 12, 24),
        date(2026, 12, 25),
        date(2026, 12, 26),
    }


@pytest.mark.parametrize("written", ["2026-05-01", "[2026-05-01]"])
def test_holidays_may_stand_in_the_config(tmp_path: Path, written: str) -> None:
    """One day, or a list of days."""
    assert office(tmp_path, written).working_hours.holidays == {date(2026, 5, 1)}


def test_each_wrong_line_of_the_file_is_a_problem_with_its_own_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places name the file of holidays as it would be opened from here, with line and column."""
    (tmp_path / "days.txt").write_text("2026-05-01\n  1 May\n2026-02-30 # no such day\n")
    monkeypatch.chdir(tmp_path)
    assert list(map(str, loaded(Path(), "days.txt").problems)) == [
        "days.txt:2:3: '1 May' is not a date or a range of dates, such as 2026-12-20..2027-01-02",
        "days.txt:3:1: '2026-02-30' names a day that no calendar has",
    ]


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "cannot be read: No such file or directory; name a file with one date a line"),
        (b"2026-01-01\n" * 10_001, "'holidays' names 10001 days; at most 10000 are taken"),
        (b"#" * 1_000_001, "it is larger than 1000000 bytes; name a file with one date a line"),
        (b"2026-05-01\n\xff\n", "days.txt:2:1: not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_taken_is_a_problem(tmp_path: Path, content: bytes | None, wrong: str) -> None:
    """One that is not there, has too much in it, or is no text."""
    if content is not None:
        (tmp_path / "days.txt").write_bytes(content)
    (problem,) = loaded(tmp_path, "days.txt").problems
    assert str(problem).endswith(wrong)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../UTC", "Europe", "europe/warsaw", "Ł", "a\0b", 5, "x" * 5000])
def test_what_is_no_zone_is_refused_in_words(name: object) -> None:
    """Also folders of the database, paths that lead out of it, and what cannot be a file's name."""
    with pytest.raises(ValueError, match="is not a time zone"):
        parse_zone(name)


def test_days_run_on_over_the_end_of_the_week() -> None:
    """`sat-mon` is three days; `sun-sat` is the whole week; one day is one."""
    assert parse_weekdays("Sat-Mon").numbers == {5, 6, 0}
    assert parse_weekdays("sun-sat").numbers == frozenset(range(7))
    assert parse_weekdays("wed").numbers == {2}


@pytest.mark.parametrize("written", ["08:00-17:00", "22:00-06:00", "00:00-24:00"])
def test_hours_are_shown_as_they_are_written(written: str) -> None:
    """What is parsed says the same again."""
    assert str(parse_hours(written)) == written
