"""What one key alone cannot show: names, addresses, routes, listeners and files that must fit each other."""

from collections.abc import Iterator

from routerd.config.checks import (
    bounds,
    calendars,
    delivery,
    desk,
    dkim,
    dns_lists,
    files,
    inboxes,
    listeners,
    logins,
    people,
    rule_limits,
)
from routerd.config.draft import Draft
from routerd.config.yaml_source import Problem

_CHECKS = (people, calendars, inboxes, listeners, logins, dns_lists, delivery, desk, bounds, rule_limits, files, dkim)


def check_all(draft: Draft) -> Iterator[Problem]:
    """Every problem across keys, as far as what could be read lets it be seen."""
    for room in _CHECKS:
        yield from room.check(draft)
