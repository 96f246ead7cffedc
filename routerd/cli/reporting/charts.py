"""Charts as HTML with inline SVG. Lengths are per cent of the width, so that texts keep their size at any width.

Names stand in HTML, isolated (`<bdi>`), so that right-to-left ones are set as they should be. No script, nothing from
elsewhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from math import ceil, log

from routerd.cli.reporting.wording import shown_duration
from routerd.store.figures import DayFigures, Spread

PLOT_HEIGHT = 200  # px
_MOST_COLUMNS = 62  # of the chart of days: beyond that they are weeks, and then months
_LABELS = 8  # below it
ROW_HEIGHT = 24
_TICKS = {
    timedelta(minutes=minutes): name
    for minutes, name in {
        1: "1m", 5: "5m", 15: "15m", 60: "1h", 240: "4h", 1_440: "1d", 4_320: "3d", 10_080: "1w", 43_200: "30d",
        129_600: "90d", 525_600: "1y",
    }.items()
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """What came and what was answered in one day, week or month."""

    begin: datetime
    name: str  # in full
    received: int
    answered: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a chart of bars; parts stand beside each other."""

    name: str
    parts: tuple[tuple[str, int], ...]  # class of the style sheet, value
    note: str  # behind the bar


@dataclass(frozen=True, slots=True)
class Span:
    """One row of a chart of durations."""

    name: str
    spread: Spread


def columns_of(days: Sequence[DayFigures]) -> tuple[Column, ...]:
    """Days, or where there are too many of them for the eye weeks (from Monday on), months or years."""
    named = next((named for most, named in _NAMED_COLUMNS if len(days) <= most * _MOST_COLUMNS), _year)
    columns: dict[str, Column] = {}
    for one in days:
        begin, name = named(one.day)
        so_far = columns.get(name) or Column(begin, name, 0, 0)
        columns[name] = Column(begin, name, so_far.received + one.received, so_far.answered + one.answered)
    return tuple(columns.values())


def _day(day: datetime) -> tuple[datetime, str]:
    return day, f"{day:%a %Y-%m-%d}"


def _week(day: datetime) -> tuple[datetime, str]:
    monday = day - timedelta(days=day.weekday())
    return monday, f"week from {monday:%Y-%m-%d}"


def _month(day: datetime) -> tuple[datetime, str]:
    return day.replace(day=1), f"{day:%B %Y}"


def _year(day: datetime) -> tuple[datetime, str]:
    return day.replace(day=1, month=1), f"{day.year}"


_NAMED_COLUMNS = ((1, _day), (7, _week), (30, _month))  # the least days in each


def chart_of_columns(columns: Sequence[Column]) -> str:
    """Two columns side by side for each, with an axis of numbers and one of days."""
    top = _round_up(max((max(one.received, one.answered) for one in columns), default=1))
    marks = [top * step // 4 for step in range(5)] if top % 4 == 0 else [0, top]
    width = 100 / max(len(columns), 1)
    rows = [
        '<div class="columns">',
        '<div class="axis">',
        *(f'<span style="top:{_y(mark, top):.1f}px">{mark:,}</span>' for mark in marks),
        "</div>",
        f'<div class="plot"><svg width="100%" height="{PLOT_HEIGHT + 1}" role="img"'
        ' aria-label="received and answered, in order of time">',
        *(f'<line x1="0" x2="100%" y1="{_y(mark, top):.1f}" y2="{_y(mark, top):.1f}"/>' for mark in marks),
    ]
    for number, one in enumerate(columns):
        rows.append(f"<g><title>{escape(one.name)}: {one.received:,} received, {one.answered:,} answered</title>")
        for kind, value, place in (("received", one.received, 0.14), ("answered", one.answered, 0.5)):
            y = _y(value, top)
            rows.append(
                f'<rect class="{kind}" x="{(number + place) * width:.3f}%" width="{0.36 * width:.3f}%"'
                f' y="{y:.1f}" height="{PLOT_HEIGHT - y:.1f}"/>'
            )
        rows.append("</g>")
    rows.append('</svg><div class="days">')
    every = max(ceil(len(columns) / _LABELS), 1)
    for number, one in enumerate(columns[::every]):
        left = (number * every + 0.5) * width
        rows.append(f'<span style="left:{left:.2f}%">{_day_name(one.begin, columns)}</span>')
    rows.append("</div></div></div>")
    return "\n".join(rows)


def chart_of_bars(bars: Sequence[Bar]) -> str:
    longest = max((sum(value for _, value in bar.parts) for bar in bars), default=0) or 1
    return _rows((bar.name, "".join(_bar(bar, longest)), bar.note) for bar in bars)


def _bar(bar: Bar, longest: int) -> Iterator[str]:
    begin = 0
    for kind, value in bar.parts:
        if value:
            yield (
                f'<rect class="{kind}" x="{100 * begin / longest:.3f}%" width="{100 * value / longest:.3f}%"'
                ' y="5" height="14"/>'
            )
            begin += value


def chart_of_spans(spans: Sequence[Span]) -> str:
    """From the median (a dot) to the 90th percentile (a stroke), on a logarithmic axis."""
    axis = _Axis.around(spans)
    lines = ", ".join(f"linear-gradient(var(--line) 0 0) {x:.2f}% 0 / 1px 100% no-repeat" for x, _ in axis.ticks())
    body = _rows(
        (
            span.name,
            _span(span.spread, axis),
            f"{shown_duration(span.spread.median)} / {shown_duration(span.spread.ninetieth)}",
        )
        for span in spans
    )
    labels = "".join(f'<span style="left:{x:.2f}%">{name}</span>' for x, name in axis.ticks())
    scale = f'<tr class="scale"><td></td><td><div class="ticks">{labels}</div></td><td></td></tr>'
    ruled = body.replace('<table class="bars">', f'<table class="bars ruled" style="--lines: {lines}">')
    return ruled.replace("</table>", f"{scale}\n</table>")


@dataclass(frozen=True, slots=True)
class _Axis:
    """Of durations, logarithmic."""

    least: timedelta
    most: timedelta

    @classmethod
    def around(cls, spans: Sequence[Span]) -> "_Axis":
        """From the last tick before all of them to the first one behind."""
        begin, end = min(span.spread.median for span in spans), max(span.spread.ninetieth for span in spans)
        least = max((tick for tick in tuple(_TICKS)[:-1] if tick <= begin), default=next(iter(_TICKS)))
        return cls(least, min((tick for tick in _TICKS if tick >= end and tick > least), default=max(_TICKS)))

    def ticks(self) -> list[tuple[float, str]]:
        """Where they stand, and how they are called."""
        return [(self.x(tick), name) for tick, name in _TICKS.items() if self.least <= tick <= self.most]

    def x(self, span: timedelta) -> float:
        """Per cent of the width, 2 to 98: dots at its ends are whole."""
        part = log(max(span / self.least, 1)) / log(self.most / self.least)
        return 2 + 96 * min(part, 1)


def _span(spread: Spread, axis: _Axis) -> str:
    begin, end = axis.x(spread.median), axis.x(spread.ninetieth)
    return (
        f'<rect class="span" x="{begin:.2f}%" width="{max(end - begin, 0.2):.2f}%" y="10" height="4"/>'
        f'<rect class="ninetieth" x="{end:.2f}%" width="3" y="5" height="14"/>'
        f'<circle class="median" cx="{begin:.2f}%" cy="12" r="5"/>'
    )


def _rows(rows: Iterable[tuple[str, str, str]]) -> str:
    table = ['<table class="bars">']
    for name, drawn, note in rows:
        title = f'<th scope="row"><bdi>{escape(name)}</bdi></th>'
        svg = f'<svg width="100%" height="{ROW_HEIGHT}" aria-hidden="true">{drawn}</svg>'
        table.append(f"<tr>{title}<td>{svg}</td><td>{escape(note)}</td></tr>")
    return "\n".join((*table, "</table>"))


def _y(value: int, top: int) -> float:
    return PLOT_HEIGHT * (1 - value / top)


def _round_up(value: int) -> int:
    """The next of 1, 2, 4, 8, 12, 20, 40, 80, 120, …: where it is over 2, a quarter of it is a whole number."""
    size = 1
    while True:
        for step in (1, 2, 4, 8) if size == 1 else (1.2, 2, 4, 6, 8):
            if value <= step * size:
                return int(step * size)
        size *= 10


def _day_name(day: datetime, columns: Sequence[Column]) -> str:
    years = columns[0].begin.year != columns[-1].begin.year
    return f"{day.day} {day:%b %Y}" if years else f"{day.day} {day:%b}"
