"""The report's page as a browser shows it: on a desk's screen, on a telephone's, on paper."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from desk_at_work import DeskAtWork
from peers.chromium import Chromium
from peers.many_conversations import write_conversations

NOW = datetime(2026, 3, 13, 15, 0, tzinfo=UTC)
SPAN = ("--since", "2026-02-12", "--until", "2026-03-14")
HEADINGS = ["Day by day", "Received by member", "First answer", "Waiting now", "Reassigned by hand", "All figures"]

# Boxes in pixels: [left, top, right, bottom].
BOX = "(e => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })"


def all_boxes(selector: str) -> str:
    return f"[...document.querySelectorAll({selector!r})].map({BOX})"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """By member; two of them write from right to left."""
    desk = DeskAtWork(tmp_path)
    named = desk.config.read_text().replace("  amal:", "  noa: {mailbox: noa@example.com, name: נועה כהן}\n  amal:")
    desk.config.write_text(named)
    write_conversations(desk.state, 800, NOW, timedelta(days=29))
    page = tmp_path / "report.html"
    page.write_text(desk.run("report", *SPAN, "--by", "member", "--format", "html").stdout)
    return page


@pytest.mark.peer("chromium-headless-shell")
@pytest.mark.parametrize("width", [1200, 390])
def test_charts_are_there_and_as_long_as_their_numbers(
    page: Path, chromium: Callable[[], Chromium], width: int
) -> None:
    """Each section has its chart inside the window; nothing lies over anything else."""
    browser = chromium()
    browser.open(page, width)
    assert browser.evaluate("[...document.querySelectorAll('h2')].map(e => e.textContent)") == HEADINGS
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    for left, top, right, bottom in browser.evaluate(all_boxes("section svg rect, section svg circle")):
        assert 0 <= left < right <= width + 1
        assert bottom > top or bottom == top  # a column of nothing has no height
    _, received, *_ = browser.evaluate("[...document.querySelectorAll('section')].map((e, n) => (e.id = 's' + n))")
    bars = browser.evaluate(all_boxes(f"#{received} rect"))
    numbers = browser.evaluate(f"[...document.querySelectorAll('#{received} td:last-child')].map(e => e.textContent)")
    counts = [int(text.split(" ")[0].replace(",", "")) for text in numbers]
    longest = bars[0][2] - bars[0][0]
    assert longest > width / 4
    for (left, _, right, _), count in zip(bars, counts, strict=True):
        assert right - left == pytest.approx(longest * count / counts[0], abs=1)
    rows = browser.evaluate(all_boxes(f"#{received} tr"))
    assert all(above[3] <= below[1] + 1 for above, below in pairwise(rows))
    columns = browser.evaluate(all_boxes(".days span"))
    shown = [box for box in columns if box[2] > box[0]]
    assert len(shown) >= 3
    assert all(first[2] < second[0] for first, second in pairwise(shown))


@pytest.mark.peer("chromium-headless-shell")
def test_right_to_left_names_are_set_so(page: Path, chromium: Callable[[], Chromium]) -> None:
    """The first letter stands right of the last; the numbers beside them stay where they are."""
    browser = chromium()
    browser.open(page, 1200)
    letters = """
      (name => {
        const bdi = [...document.querySelectorAll('bdi')].find(e => e.textContent === name);
        const place = n => {
          const range = document.createRange();
          range.setStart(bdi.firstChild, n); range.setEnd(bdi.firstChild, n + 1);
          return range.getBoundingClientRect().left;
        };
        return [place(0), place(name.length - 1), bdi.getBoundingClientRect().left];
      })
    """
    names = {"أمل حداد": True, "נועה כהן": True, "Ewa Nowak": False}
    begins: list[Any] = []
    for name, is_rtl in names.items():
        first, last, begin = browser.evaluate(f"{letters}({name!r})")
        assert (first > last) == is_rtl
        begins.append(begin)
    assert max(begins) - min(begins) < 1


@pytest.mark.peer("chromium-headless-shell")
def test_long_names_break_no_line_of_the_scale(page: Path, chromium: Callable[[], Chromium]) -> None:
    """A name of two lines makes its row higher; what rules the scale goes through the whole of it."""
    page.write_text(page.read_text().replace("Ewa Nowak", "Ewa Nowak-Wiśniewska, Dział Obsługi Klienta i Reklamacji"))
    browser = chromium()
    browser.open(page, 1200)
    rows = [box[3] - box[1] for box in browser.evaluate(all_boxes(".ruled tr:not(.scale)"))]
    ruled = [box[3] - box[1] for box in browser.evaluate(all_boxes(".ruled tr:not(.scale) td:nth-child(2)"))]
    assert max(rows) > min(rows) + 10
    assert ruled == pytest.approx(rows, abs=1)
    drawn = browser.evaluate("getComputedStyle(document.querySelector('.ruled td')).backgroundImage")
    assert drawn.count("linear-gradient") >= 3


@pytest.mark.peer("chromium-headless-shell")
def test_it_asks_for_nothing_and_fits_on_paper(page: Path, chromium: Callable[[], Chromium], tmp_path: Path) -> None:
    """Beside the file itself. Printed in a team's room it takes three sheets at most."""
    browser = chromium()
    browser.open(page, 1200)
    assert browser.requests == [page.as_uri()]
    assert browser.pages_on_paper() in (2, 3)
    browser.picture(tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 20_000
    assert (
        browser.evaluate("getComputedStyle(document.querySelector('section')).backgroundColor") == "rgb(255, 255, 255)"
    )
