"""Calendars: who names one names one that is there, and none has holidays without end."""

from collections.abc import Iterator

from routerd.config.calendar_values import MAX_HOLIDAYS, count_days
from routerd.config.draft import Draft
from routerd.config.nearest import did_you_mean, quoted
from routerd.config.yaml_source import Problem


def check(draft: Draft) -> Iterator[Problem]:
    yield from _references(draft)
    for name, calendar in draft.settings.calendars.items():
        days = count_days(calendar.holidays)
        if days > MAX_HOLIDAYS:
            wrong = f"'holidays' names {days} days; at most {MAX_HOLIDAYS} are taken"
            yield draft.at("calendars", name, "holidays", message=wrong)


def _references(draft: Draft) -> Iterator[Problem]:
    written = draft.first.keys_at("calendars")
    for kind, people in (("members", draft.settings.members), ("teams", draft.settings.teams)):
        for name, person in people.items():
            calendar = person.calendar
            if calendar is not None and calendar not in written:
                wrong = f"no calendar {quoted(calendar)}{did_you_mean(calendar, written)}"
                yield draft.at(kind, name, "calendar", message=wrong)
