"""The report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from routerd.cli.reporting.charts import (
    Bar,
    Span,
    chart_of_bars,
    chart_of_columns,
    chart_of_spans,
    columns_of,
)
from routerd.cli.reporting.wording import NOTHING, Told, share, shown_duration
from routerd.store.figures import By, Figures, Spread

MOST_BARS = 30  # of one chart; the table has all groups

# Nothing is fetched, nothing runs, whatever a name may hold.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_HEADINGS = (
    "received",
    "answered",
    "first answer",
    "in working hours",
    "closed after",
    "in working hours",
    "waiting now",
    "overdue",
    "reassigned",
    "second answers held",
)
_EXPLAINED = (
    ("received", "Messages of customers. What machines send, notes and talk among colleagues do not count."),
    ("answered", "Answers that went out."),
    (
        "first answer",
        "From the customer's message to the first answer in its conversation: the median, and the time within which"
        " 90 % were answered. By the clock, and counted in working hours alone.",
    ),
    ("closed after", "Of conversations closed in this time: from the first message to the last answer."),
    ("waiting now", "Conversations in which somebody waits for an answer at this moment; overdue is past its promise."),
    ("reassigned", "Given to somebody else by hand. A rule whose owners are often changed is most likely wrong."),
    ("second answers held", "Somebody else had answered meanwhile, so the second answer was not sent at once."),
)


def report_to_html(told: Told) -> str:
    title = f"{told.source}: {told.heading}"
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{escape(title)}, {escape(told.period)}</title>",
            f"<style>\n{_style()}</style>\n</head>\n<body>",
            f"<header><h1>How it went, {escape(told.heading)}</h1>",
            f'<p class="soft">{escape(told.source)} · {escape(told.period)}</p></header>',
            *_body(told),
            f"<footer>Made by routerd at {escape(told.moment(told.made_at))}.</footer>\n</body>\n</html>\n",
        )
    )


def _style() -> str:
    return files(__package__).joinpath("report.css").read_text("utf-8")


def _body(told: Told) -> Iterator[str]:
    report = told.report
    yield _tiles(report.total)
    if not report.groups:
        yield "<section><p>Nothing came in, and nothing waits.</p></section>"
        return
    shown = report.groups[:MOST_BARS]
    yield _section(
        "Day by day",
        f"{_key('received')}received{_key('answered')}answered",
        chart_of_columns(columns_of(report.days)),
    )
    yield from _volume(told, shown)
    yield from _speed(told, shown)
    yield from _now(told)
    yield from _reassigned(told)
    yield _section("All figures", "Durations: the median, and below it what 90 % did not exceed.", _table(told))


def _tiles(total: Figures) -> str:
    first, closed = total.first_response, total.resolution
    tiles = (
        ("", f"{total.received:,}", "received"),
        ("", f"{total.answered:,}", "answered"),
        ("", shown_duration(first.median) if first else NOTHING, "median first answer"),
        ("", shown_duration(closed.median) if closed else NOTHING, "median until closed"),
        ("", f"{total.waiting:,}", "waiting now"),
        (' class="late"' if total.overdue else "", f"{total.overdue:,}", "of them overdue"),
    )
    listed = "".join(f"<li{kind}><b>{value}</b><span>{name}</span></li>" for kind, value, name in tiles)
    return f'<ul class="tiles">{listed}</ul>'


def _volume(told: Told, groups: Sequence[Figures]) -> Iterator[str]:
    received = [group for group in groups if group.received]
    if received:
        bars = [
            Bar(
                told.title(group),
                (("received", group.received),),
                f"{group.received:,} · {share(group.received, told.report.total.received)}",
            )
            for group in received
        ]
        more = " A message may stand in several." if told.report.by in (By.LABEL, By.RULE) else ""
        yield _section(f"Received {told.heading}", f"Of all that came.{more}{_left_out(told)}", chart_of_bars(bars))


def _speed(told: Told, groups: Sequence[Figures]) -> Iterator[str]:
    has_hours = any(group.first_response_working != group.first_response for group in groups)
    spreads = [(group, group.first_response_working or group.first_response) for group in groups]
    spans = [Span(told.title(group), spread) for group, spread in spreads if spread is not None]
    if spans:
        counted = "in working hours" if has_hours else "by the clock"
        yield _section(
            "First answer",
            f"Dot: half were answered within this time; stroke: 90 %. Counted {counted}, on a logarithmic scale.",
            chart_of_spans(spans),
        )


def _now(told: Told) -> Iterator[str]:
    waiting = sorted(
        (group for group in told.report.groups if group.waiting), key=lambda group: (-group.overdue, -group.waiting)
    )
    if waiting:
        bars = [
            Bar(
                told.title(group),
                (("late", group.overdue), ("waits", group.waiting - group.overdue)),
                f"{group.waiting:,}" + (f", {group.overdue:,} overdue" if group.overdue else ""),
            )
            for group in waiting[:MOST_BARS]
        ]
        yield _section("Waiting now", f"{_key('late')}overdue{_key('waits')}in time", chart_of_bars(bars))


def _reassigned(told: Told) -> Iterator[str]:
    moved = sorted(
        (group for group in told.report.groups if group.reassigned), key=lambda group: (-group.reassigned, group.name)
    )
    if moved:
        bars = [
            Bar(
                told.title(group),
                (("waits", group.reassigned),),
                f"{group.reassigned:,} · {share(group.reassigned, group.received)}",
            )
            for group in moved[:MOST_BARS]
        ]
        text = "And how much that is of what came. A rule whose owners are often changed is most likely wrong."
        yield _section("Reassigned by hand", text, chart_of_bars(bars))


def _table(told: Told) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", *_HEADINGS))
    body = "\n".join(_row(told.title(group), group) for group in told.report.groups)
    foot = _row("all", told.report.total)
    listed = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in _EXPLAINED)
    return (
        f'<div class="scroll"><table class="figures"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody>\n<tfoot>{foot}</tfoot></table></div>\n<dl>{listed}</dl>"
    )


def _row(title: str, group: Figures) -> str:
    cells = (
        f"{group.received:,}",
        f"{group.answered:,}",
        _two_lines(group.first_response),
        _two_lines(group.first_response_working),
        _two_lines(group.resolution),
        _two_lines(group.resolution_working),
        f"{group.waiting:,}",
        f"{group.overdue:,}",
        f"{group.reassigned:,}",
        f"{group.held:,}",
    )
    late = _HEADINGS.index("overdue")
    shown = "".join(
        f"<td{' class=late' if number == late and group.overdue else ''}>{cell}</td>"
        for number, cell in enumerate(cells)
    )
    return f'<tr><th scope="row"><bdi>{escape(title)}</bdi></th>{shown}</tr>'


def _two_lines(spread: Spread | None) -> str:
    """The median, and below it the 90th percentile."""
    if spread is None:
        return NOTHING
    return f"{shown_duration(spread.median)}<br><small>{shown_duration(spread.ninetieth)}</small>"


def _section(heading: str, text: str, drawn: str) -> str:
    said = f'<p class="soft">{text}</p>' if text else ""
    return f"<section><h2>{escape(heading)}</h2>{said}\n{drawn}\n</section>"


def _key(kind: str) -> str:
    return f'<span class="key {kind}"></span>'


def _left_out(told: Told) -> str:
    more = len(told.report.groups) - MOST_BARS
    return f" The {MOST_BARS} with most; the table has all." if more > 0 else ""
