"""The report for programs: JSON and CSV. Durations are in seconds."""

import csv
import io
from typing import Any

from routerd.cli.reporting.wording import Told
from routerd.store.figures import Figures, Spread

_SPREADS = ("first_response", "first_response_working", "resolution", "resolution_working")
_COUNTS = ("received", "answered", "waiting", "overdue", "reassigned", "held")


def report_to_json(told: Told) -> dict[str, Any]:
    report = told.report
    return {
        "by": str(report.by),
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "zone": told.zone.key,
        "groups": [{"name": group.name, "title": told.title(group), **_figures(group)} for group in report.groups],
        "total": _figures(report.total),
        "days": [
            {"day": f"{day.day:%Y-%m-%d}", "received": day.received, "answered": day.answered} for day in report.days
        ],
    }


def report_to_csv(told: Told) -> str:
    """A line for each group, and none for all: RFC 4180, with a heading."""
    text = io.StringIO()
    columns = [f"{name}_{part}" for name in _SPREADS for part in ("count", "median", "ninetieth_percentile")]
    writer = csv.writer(text)
    writer.writerow([str(told.report.by), "title", *_COUNTS, *columns])
    for group in told.report.groups:
        spreads = [value for name in _SPREADS for value in _values(getattr(group, name))]
        writer.writerow([group.name, told.title(group), *(getattr(group, name) for name in _COUNTS), *spreads])
    return text.getvalue()


def _figures(group: Figures) -> dict[str, Any]:
    counts = {name: getattr(group, name) for name in _COUNTS}
    return {**counts, **{name: _spread(getattr(group, name)) for name in _SPREADS}}


def _spread(spread: Spread | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    return dict(zip(("count", "median_seconds", "ninetieth_percentile_seconds"), _values(spread), strict=True))


def _values(spread: Spread | None) -> tuple[object, ...]:
    """Count, median, 90th percentile; empty cells where there is none."""
    if spread is None:
        return (0, "", "")
    return spread.count, spread.median.total_seconds(), spread.ninetieth.total_seconds()
