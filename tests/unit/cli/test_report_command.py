"""`routerd report`: how it went, as a table, as CSV, as JSON and as a page."""

import csv
import io
import json
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from desk_at_work import HOUR, MONDAY, DeskAtWork

from routerd.cli.reporting.wording import share
from routerd.desk.changes import Answered, HeldKind, NewHeld, Part
from routerd.desk.plan import ConversationState, Standing

SPAN = ("--since", "2026-03-02", "--until", "2026-03-05")
MINUTE = timedelta(minutes=1)
EVIL = "<script>alert(1)</script>&\"'"


@pytest.fixture
def desk(tmp_path: Path) -> DeskAtWork:
    """Anna and Jan's answer at 10:30 by the clock of Warsaw; a second answer held; one more that waits, overdue."""
    desk = DeskAtWork(tmp_path)
    desk.came(labels=("skarga",), standing=Standing(("skarga",), waiting_since=MONDAY))
    answered = Answered("jan", 30 * MINUTE, 20 * MINUTE, is_first=True)
    closed = Standing(("skarga",), 2, ConversationState.CLOSED, answers=1, answered_at=MONDAY + 30 * MINUTE)
    desk.came(
        MONDAY + 30 * MINUTE,
        1,
        sender="jan@example.com",
        part=Part.ANSWER,
        member="jan",
        sent=True,
        answered=answered,
        standing=closed,
    )
    second = NewHeld(HeldKind.CONFLICT)
    desk.came(MONDAY + HOUR, 1, sender="ewa@example.com", part=Part.ANSWER, member="ewa", new_held=second)
    waits = Standing((EVIL,), overdue=True, waiting_since=MONDAY + 24 * HOUR)
    desk.came(MONDAY + 24 * HOUR, owner="amal", team=None, standing=waits, inbox="sales@example.com")
    return desk


def reported(desk: DeskAtWork, *options: str) -> str:
    result = desk.run("report", *SPAN, *options)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_table_has_a_row_for_each_and_one_for_all(desk: DeskAtWork) -> None:
    """Durations are the median and the 90th percentile, by the clock and in working hours."""
    lines = reported(desk).splitlines()
    assert lines[0] == "by inbox, 2026-03-02 00:00 – 2026-03-05 00:00, Europe/Warsaw"
    heading, support, sales, rule, everything = lines[2:7]
    assert heading.split()[:3] == ["INBOX", "RECEIVED", "ANSWERED"]
    spaced = [" ".join(line.replace("\N{NO-BREAK SPACE}", " ").split()) for line in (support, sales, everything)]
    assert spaced == [
        "support@example.com 1 1 30m / 30m 20m / 20m 30m / 30m 30m / 30m 0 1 0 0",
        "sales@example.com 1 0 – – – – 0 0 1 1",
        "all 2 1 30m / 30m 20m / 20m 30m / 30m 30m / 30m 0 1 1 1",
    ]
    assert set(rule) == {"─"}


def test_programs_get_seconds(desk: DeskAtWork) -> None:
    """In JSON and in CSV the same; members under their key and their name."""
    told = json.loads(reported(desk, "--by", "member", "--format", "json"))
    assert (told["by"], told["zone"], told["since"]) == ("member", "Europe/Warsaw", "2026-03-02T00:00:00+01:00")
    groups = {group["name"]: group for group in told["groups"]}
    assert {name: group["title"] for name, group in groups.items()} == {
        "amal": "أمل حداد",
        "ewa": "Ewa Nowak",
        "jan": "jan",
    }
    spread = {"count": 1, "median_seconds": 1800.0, "ninetieth_percentile_seconds": 1800.0}
    assert groups["jan"]["first_response"] == spread
    assert groups["amal"] == {**groups["amal"], "received": 1, "answered": 0, "waiting": 1, "overdue": 1}
    assert (groups["ewa"]["held"], groups["amal"]["first_response"]) == (1, None)
    assert told["days"] == [
        {"day": "2026-03-02", "received": 1, "answered": 1},
        {"day": "2026-03-03", "received": 1, "answered": 0},
        {"day": "2026-03-04", "received": 0, "answered": 0},
    ]
    text = reported(desk, "--by", "member", "--format", "csv")
    rows = {row["member"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert rows["amal"]["title"] == "أمل حداد"
    assert rows["jan"]["first_response_median"] == "1800.0"
    assert (rows["amal"]["first_response_count"], rows["amal"]["first_response_median"]) == ("0", "")
    assert {name: int(row["held"]) for name, row in rows.items()} == {"amal": 0, "ewa": 1, "jan": 0}


@pytest.mark.parametrize(
    ("by", "titles"),
    [
        ("team", {"duty", "without a team"}),
        ("label", {"skarga", EVIL}),
        ("rule", {"20-finance.yaml/invoices"}),
        ("inbox", {"support@example.com", "sales@example.com"}),
    ],
)
def test_rows_may_be_of_many_kinds(desk: DeskAtWork, by: str, titles: set[str]) -> None:
    told = json.loads(reported(desk, "--by", by, "--format", "json"))
    assert {group["title"] for group in told["groups"]} == titles


def test_persons_are_left_out_where_the_config_says_so(desk: DeskAtWork) -> None:
    """Of all else there are figures still."""
    desk.configure("reports: {per_member: false}\n")
    result = desk.run("report", "--by", "member")
    assert result.exit_code == 2
    assert "'reports: {per_member: false}' leaves persons out" in result.stderr
    for by in ("team", "inbox", "label", "rule"):
        for form in ("table", "csv", "json", "html"):
            told = reported(desk, "--by", by, "--format", form)
            assert not [name for name in ("Ewa", "أمل", "jan") if name in told]


@pytest.mark.parametrize("when", ["yesterday", "30", "2026-13-01", "", "-1d"])
def test_a_span_of_time_is_a_day_or_a_duration(desk: DeskAtWork, when: str) -> None:
    result = desk.run("report", f"--since={when}")
    assert result.exit_code == 2
    assert "neither a day, such as 2026-03-01, nor a duration, such as 30d" in result.stderr


def test_nothing_lies_between_a_day_and_itself(desk: DeskAtWork) -> None:
    result = desk.run("report", "--since", "2026-03-02", "--until", "2026-03-02")
    assert result.exit_code == 2
    assert "nothing between" in result.stderr


class _Page(HTMLParser):
    """What stands on a page; every tag must be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_is_one_file_that_needs_nothing_else(desk: DeskAtWork) -> None:
    """No script, no link; names are text, whatever they hold, and isolated from what surrounds them."""
    text = reported(desk, "--by", "label", "--format", "html")
    page = _Page(text)
    assert not {"script", "link", "img", "iframe", "object", "a"} & set(page.tags)
    assert "http" not in text.replace("http-equiv", "")
    assert EVIL in page.words
    assert page.tags.count("svg") >= 4
    assert "<bdi>skarga</bdi>" in text


def test_a_page_about_nothing_says_so(tmp_path: Path) -> None:
    desk = DeskAtWork(tmp_path)
    desk.came(MONDAY, part=Part.ASIDE, standing=Standing(state=ConversationState.CLOSED))
    assert "Nothing came in, and nothing waits." in reported(desk, "--format", "html")
    assert reported(desk).splitlines()[-3].split()[:3] == ["all", "0", "0"]


@pytest.mark.parametrize(
    ("since", "columns", "name"),
    [
        ("2026-02-20", 13, "Mon 2026-03-02: 1 received, 1 answered"),
        ("2025-03-05", 53, "week from 2026-03-02: 2 received, 1 answered"),
        ("2023-03-05", 37, "March 2026: 2 received, 1 answered"),
        ("2016-03-05", 11, "2026: 2 received, 1 answered"),
    ],
)
def test_a_long_time_is_shown_by_weeks_months_or_years(desk: DeskAtWork, since: str, columns: int, name: str) -> None:
    """More columns than these no eye tells apart."""
    page = desk.run("report", "--since", since, "--until", "2026-03-05", "--format", "html").stdout
    assert page.count("<g><title>") == columns
    assert f"<g><title>{name}</title>" in page


def test_a_share_of_what_is_there_is_not_nothing() -> None:
    shares = [
        share(part, whole).replace("\N{NO-BREAK SPACE}", " ") for part, whole in ((1, 8), (1, 999), (0, 9), (0, 0))
    ]
    assert shares == ["12 %", "< 1 %", "0 %", "–"]
