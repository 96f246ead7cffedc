"""Times and sizes that must fit each other."""

from collections.abc import Iterator
from datetime import timedelta

from routerd.config.draft import Draft
from routerd.config.values import format_duration, format_size
from routerd.config.yaml_source import Problem

RETURN_PATH_LIFE = timedelta(days=14)  # a bounce that comes later is not believed, so its bytes serve nothing


def check(draft: Draft) -> Iterator[Problem]:
    retry = draft.settings.retry
    yield from _not_longer(draft, ("first", retry.first), ("max", retry.max))
    for early in (("first", retry.first), ("warn", retry.warn), ("reroute_after", retry.reroute_after)):
        yield from _not_longer(draft, early, ("give_up", retry.give_up))
    if draft.settings.bounce_window > RETURN_PATH_LIFE:
        wrong = f"'bounce_window' is longer than {format_duration(RETURN_PATH_LIFE)}, after which no bounce is believed"
        yield draft.at("bounce_window", message=wrong)
    yield from _memory(draft)
    yield from _never_reached(draft)


def _not_longer(draft: Draft, short: tuple[str, timedelta], long: tuple[str, timedelta]) -> Iterator[Problem]:
    (key, value), (bound, most) = short, long
    if value > most and draft.is_said("retry", key) and draft.is_said("retry", bound):
        wrong = f"'{key}' ({format_duration(value)}) is longer than '{bound}' ({format_duration(most)})"
        place = key if key in draft.settings.retry.model_fields_set else bound
        yield draft.at("retry", place, message=wrong)


def _memory(draft: Draft) -> Iterator[Problem]:
    limits = draft.settings.limits
    said = draft.is_said("limits", "memory") and draft.is_said("limits", "message_size")
    if said and limits.memory < limits.message_size:
        sizes = format_size(limits.memory), format_size(limits.message_size)
        place = "memory" if "memory" in limits.model_fields_set else "message_size"
        yield draft.at("limits", place, message=f"'memory' ({sizes[0]}) is less than 'message_size' ({sizes[1]})")


def _never_reached(draft: Draft) -> Iterator[Problem]:
    """Bounds above others that hold anyway. Only of what stands in the file: defaults mean no harm."""
    limits = draft.settings.limits
    for key in ("header_size", "line_size"):
        bound = getattr(limits, key)
        if key in limits.model_fields_set and bound > limits.message_size and draft.is_said("limits", "message_size"):
            yield _above(draft, (key, format_size(bound)), ("message_size", format_size(limits.message_size)))
    for at, given in (((), limits), (("trusted",), limits.trusted)):
        each, idle, session = given.connections_per_client, given.idle, given.session
        is_own = "connections_per_client" in given.model_fields_set and draft.is_said("limits", "connections")
        if is_own and each is not None and each > limits.connections:
            yield _above(draft, ("connections_per_client", str(each)), ("connections", str(limits.connections)), *at)
        are_own = {"idle", "session"} <= given.model_fields_set
        if are_own and idle is not None and session is not None and idle > session:
            yield _above(draft, ("idle", format_duration(idle)), ("session", format_duration(session)), *at)


def _above(draft: Draft, bound: tuple[str, str], most: tuple[str, str], *at: str) -> Problem:
    wrong = f"'{bound[0]}' ({bound[1]}) is more than '{most[0]}' ({most[1]}), so it is never reached"
    return draft.at("limits", *at, bound[0], message=wrong)
