"""How the report names its groups, and writes durations and days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from routerd.config.calendar_values import rounded
from routerd.store.figures import By, Figures, Report, Spread

NOTHING = "–"
_WITHOUT = {
    By.MEMBER: "nobody",
    By.TEAM: "without a team",
    By.INBOX: "no inbox",
    By.LABEL: "without a label",
    By.RULE: "no rule matched",
}
_JOINED = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Told:
    """A report, and what is needed to tell it."""

    report: Report
    zone: ZoneInfo  # of days and moments
    names: Mapping[str, str]  # key → how people call it, where that differs
    source: str  # whose report it is
    made_at: datetime

    def title(self, group: Figures) -> str:
        """What people call the group."""
        return self.names.get(group.name, group.name) or _WITHOUT[self.report.by]

    @property
    def heading(self) -> str:
        return f"by {self.report.by}"

    @property
    def period(self) -> str:
        """`2026-03-01 00:00 – 2026-03-31 00:00, Europe/Warsaw`."""
        return f"{self.moment(self.report.since)} – {self.moment(self.report.until)}, {self.zone.key}"

    def moment(self, at: datetime) -> str:
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"


def shown_duration(span: timedelta) -> str:
    """On one line."""
    return rounded(span).replace(" ", _JOINED)


def shown_spread(spread: Spread | None) -> str:
    """`median / 90th percentile`."""
    if spread is None:
        return NOTHING
    return f"{shown_duration(spread.median)} / {shown_duration(spread.ninetieth)}"


def share(part: int, whole: int) -> str:
    """`12 %`; of nothing, nothing, and what is there is not 0 %."""
    if not whole:
        return NOTHING
    rounded_share = round(100 * part / whole)
    return f"<{_JOINED}1{_JOINED}%" if part and not rounded_share else f"{rounded_share}{_JOINED}%"
