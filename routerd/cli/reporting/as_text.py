"""The report as a table for a terminal."""

import click

from routerd.cli.paragraphs import folded, terminal_width
from routerd.cli.reporting.wording import Told, shown_spread
from routerd.cli.table import print_table
from routerd.message.fold import display
from routerd.store.figures import Figures

_MAX_NAME = 60
_LEFT_OUT = ("FIRST, WORKING", "CLOSED, WORKING", "HELD", "REASSIGNED", "CLOSED AFTER", "OVERDUE")
_EXPLAINED = (
    "Durations: median / 90th percentile; FIRST ANSWER and CLOSED AFTER by the clock, beside them in working hours."
    " WAITING and OVERDUE are of now."
)


def print_report(told: Told) -> None:
    report = told.report
    click.echo(f"{told.heading}, {told.period}")
    click.echo()
    rows = [_row(told, group, told.title(group)) for group in report.groups]
    rows.append(_row(told, report.total, "all"))
    print_table(rows, right=list(rows[0])[1:], left_out=_LEFT_OUT, rule=True)
    click.echo()
    for line in folded(_EXPLAINED, terminal_width()):
        click.echo(line)


def _row(told: Told, group: Figures, title: str) -> dict[str, str]:
    return {
        str(told.report.by).upper(): display(title, _MAX_NAME),
        "RECEIVED": f"{group.received:,}",
        "ANSWERED": f"{group.answered:,}",
        "FIRST ANSWER": shown_spread(group.first_response),
        "FIRST, WORKING": shown_spread(group.first_response_working),
        "CLOSED AFTER": shown_spread(group.resolution),
        "CLOSED, WORKING": shown_spread(group.resolution_working),
        "REASSIGNED": f"{group.reassigned:,}",
        "HELD": f"{group.held:,}",
        "OVERDUE": f"{group.overdue:,}",
        "WAITING": f"{group.waiting:,}",
    }
