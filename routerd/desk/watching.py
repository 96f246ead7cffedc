"""Who gets what comes in a conversation, beside its owner. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from routerd.desk.plan import Standing


def watching(standing: Standing) -> tuple[str, ...]:
    """All who get what comes, but for the owner: also those who watch for another inbox."""
    return tuple(dict.fromkeys((*standing.watchers, *(name for _, name in standing.also))))


def watched_by(standing: Standing, members: Iterable[str]) -> Standing:
    """The same standing where they all watch already."""
    watchers = tuple(dict.fromkeys((*standing.watchers, *members)))
    return standing if watchers == standing.watchers else replace(standing, watchers=watchers)
