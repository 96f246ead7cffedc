"""`limits_of_rules`: file globs, inboxes, names and actions that exist."""

from collections.abc import Iterator

from routerd.config.draft import Draft
from routerd.config.nearest import did_you_mean, quoted
from routerd.config.settings import RULE_ACTIONS, RuleLimit
from routerd.config.yaml_source import Problem
from routerd.message.address import Address


def check(draft: Draft) -> Iterator[Problem]:
    globs: set[str] = set()
    for index, limit in enumerate(draft.settings.limits_of_rules or ()):
        place = ("limits_of_rules", index, "files")
        if "/" in limit.files:
            yield draft.at(*place, message="'files' names files directly in the rules folder, without '/'")
        if limit.files in globs or "*" in globs:
            first = limit.files if limit.files in globs else "*"
            yield draft.at(
                *place, message=f"never applies: an entry above it has {quoted(first)}, and the first counts"
            )
        globs.add(limit.files)
        yield from _names(draft, index, limit)


def _names(draft: Draft, index: int, limit: RuleLimit) -> Iterator[Problem]:
    for position, name in enumerate(limit.assign or ()):
        unknown = draft.unknown("limits_of_rules", index, "assign", position, name=name)
        if unknown:
            yield unknown
    for position, action in enumerate(limit.actions):
        if action not in RULE_ACTIONS:
            wrong = f"no action {quoted(action)}{did_you_mean(action, RULE_ACTIONS)}"
            yield draft.at("limits_of_rules", index, "actions", position, message=wrong)
    for position, address in enumerate(limit.inboxes or ()):
        wrong = _inbox_problem(draft, address)
        if wrong:
            yield draft.at("limits_of_rules", index, "inboxes", position, message=wrong)


def _inbox_problem(draft: Draft, address: Address) -> str:
    written = draft.first.keys_at("inboxes")
    if address.key in draft.settings.inboxes or address.key in (key.lower() for key in written):
        return ""
    for inbox in draft.inboxes:
        if any(alias.key == address.key for alias in inbox.aliases):
            return f"{quoted(str(address))} is an alias; name the inbox itself, {inbox.address.key}"
    return f"no inbox {quoted(str(address))}{did_you_mean(str(address), written)}"
