"""`routerd report`: how it goes, for who leads a team."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from routerd.cli.options import config_option, load_or_exit
from routerd.cli.reporting.as_data import report_to_csv, report_to_json
from routerd.cli.reporting.as_html import report_to_html
from routerd.cli.reporting.as_text import print_report
from routerd.cli.reporting.wording import Told
from routerd.cli.reporting.working import WorkingTimes
from routerd.cli.state import fail_by, reading_state
from routerd.config.nearest import quoted
from routerd.config.settings import Settings, parse_duration
from routerd.desk.roster import Roster
from routerd.ops.collector import collector_at_rest
from routerd.store.base import StoreError
from routerd.store.figures import By

_UTC = ZoneInfo("UTC")


def _day_or_duration(_ctx: click.Context, _option: click.Parameter, value: str | None) -> date | timedelta | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value) if "-" in value else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(
            f"{quoted(value)} is neither a day, such as 2026-03-01, nor a duration, such as 30d"
        ) from error


@click.command("report")
@config_option
@click.option(
    "--since", callback=_day_or_duration, default="30d", metavar="WHEN", help="From then on: 30d ago, or from a day on."
)
@click.option(
    "--until",
    callback=_day_or_duration,
    metavar="WHEN",
    help="Up to then, likewise; the day is excluded [default: now].",
)
@click.option("--by", type=click.Choice([str(by) for by in By]), default=str(By.INBOX), help="What the rows are.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "html"]),
    default="table",
    help="html: one file with charts that needs nothing else.",
)
def command(config: Path | None, since: date | timedelta, until: date | timedelta | None, by: str, form: str) -> None:
    """Tell how it went since some day: what was received and answered, how quickly, what waits, what was reassigned.

    Days are those of the calendars' time zone, where they have only one, else UTC.
    """
    settings = load_or_exit(config)
    if by == By.MEMBER and not settings.reports.per_member:
        raise click.BadParameter("'reports: {per_member: false}' leaves persons out", param_hint="--by")
    told = _told(settings, By(by), since, until)
    match form:
        case "json":
            click.echo(json.dumps(report_to_json(told), indent=2))
        case "csv":
            click.echo(report_to_csv(told), nl=False)
        case "html":
            click.echo(report_to_html(told), nl=False)
        case _:
            print_report(told)


def _told(settings: Settings, by: By, since: date | timedelta, until: date | timedelta | None) -> Told:
    now = datetime.now(UTC)
    zone = _zone_of(settings)
    begin, end = _moment(since, now, zone), now if until is None else _moment(until, now, zone)
    if end <= begin:
        raise click.BadParameter("there is nothing between --since and --until", param_hint="--since")
    try:
        with reading_state(settings.state) as view, collector_at_rest():
            report = view.report(by, begin, end, zone=zone, working=WorkingTimes(Roster(settings)))
    except StoreError as error:
        fail_by(error)
    names = {key: member.name for key, member in settings.members.items() if member.name} if by is By.MEMBER else {}
    return Told(report, zone, names, settings.hostname, now)


def _zone_of(settings: Settings) -> ZoneInfo:
    zones = {calendar.zone.key: calendar.zone for calendar in settings.calendars.values()}
    return next(iter(zones.values())) if len(zones) == 1 else _UTC


def _moment(given: date | timedelta, now: datetime, zone: ZoneInfo) -> datetime:
    if isinstance(given, timedelta):
        return now - given
    return datetime(given.year, given.month, given.day, tzinfo=zone)
