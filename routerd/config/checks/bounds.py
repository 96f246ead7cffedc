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
