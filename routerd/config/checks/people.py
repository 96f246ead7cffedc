"""Members, teams, deputies, fallbacks and the postmaster: every name is somebody, and every line ends.

A team's fallback chain needs no end of its own: behind it come the inbox's default and then the postmaster. So it
ends in nobody only where it goes in a circle or names somebody who does not exist.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from routerd.config.draft import Draft
from routerd.config.nearest import quoted
from routerd.config.yaml_source import Problem


def check(draft: Draft) -> Iterator[Problem]:
    yield from _two_kinds(draft)
    yield from _teams(draft)
    yield from _deputies(draft)
    yield from _defaults(draft)
    yield from _escalations(draft)


def _two_kinds(draft: Draft) -> Iterator[Problem]:
    members = {name.casefold(): name for name in draft.member_names}
    for team in draft.team_names:
        member = members.get(team.casefold())
        if member is not None:
            same = "both a member and a team" if member == team else f"too like the member {quoted(member)}"
            place = draft.first.key_mark("teams", team)
            yield Problem(place, f"{quoted(team)} is {same}; rename one of them")


def _teams(draft: Draft) -> Iterator[Problem]:
    for name, team in draft.settings.teams.items():
        seen: set[str] = set()
        for index, member in enumerate(team.members):
            place = ("teams", name, "members", index)
            unknown = draft.unknown(*place, name=member, members_only=True)
            if unknown:
                yield unknown
            elif member in seen:
                yield draft.at(*place, message=f"{quoted(member)} is in team {quoted(name)} twice")
            seen.add(member)
        if team.fallback is not None:
            unknown = draft.unknown("teams", name, "fallback", name=team.fallback)
            if unknown:
                yield unknown
        if team.lead is not None:
            unknown = draft.unknown("teams", name, "lead", name=team.lead, members_only=True)
            if unknown:
                yield unknown
    fallbacks = {name: team.fallback for name, team in draft.settings.teams.items()}
    for circle in _circles(fallbacks):
        yield draft.at("teams", circle[0], "fallback", message=f"the fallbacks go in a circle: {_shown(circle)}")


def _deputies(draft: Draft) -> Iterator[Problem]:
    for name, member in draft.settings.members.items():
        if member.deputy is not None:
            unknown = draft.unknown("members", name, "deputy", name=member.deputy, members_only=True)
            if unknown:
                yield unknown
    for circle in _circles({name: member.deputy for name, member in draft.settings.members.items()}):
        yield draft.at("members", circle[0], "deputy", message=f"the deputies go in a circle: {_shown(circle)}")


def _defaults(draft: Draft) -> Iterator[Problem]:
    for inbox in draft.inboxes:
        default = draft.reading.value_at("inboxes", inbox.key, "default")
        unknown = draft.unknown("inboxes", inbox.key, "default", name=str(default))
        if unknown:
            yield unknown
    if draft.settings.postmaster:
        unknown = draft.unknown("postmaster", name=draft.settings.postmaster)
        if unknown:
            yield unknown


def _escalations(draft: Draft) -> Iterator[Problem]:
    by_key = {inbox.address.key: inbox.key for inbox in draft.inboxes}
    for key, inbox in draft.settings.inboxes.items():
        place = ("inboxes", by_key.get(key, key), "escalate")
        before = timedelta()
        for index, step in enumerate(inbox.escalate):
            for part, name in (("watch", step.watch), ("assign", step.assign)):
                unknown = draft.unknown(*place, index, part, name=name) if name is not None else None
                if unknown:
                    yield unknown
            if step.watch is None and step.assign is None:
                yield draft.at(*place, index, message="a step does nothing without 'watch' or 'assign'")
            if step.after < before:
                yield draft.at(
                    *place, index, message="a step stands behind those that come before it: sort them by 'after'"
                )
            before = max(before, step.after)


def _circles(following: Mapping[str, str | None]) -> Iterator[tuple[str, ...]]:
    """Each circle once, from the first of its names in the order of the file."""
    done: set[str] = set()
    for start in following:
        path: dict[str, None] = {}
        at: str | None = start
        while at is not None and at in following and at not in done and at not in path:
            path[at] = None
            at = following[at]
        if at is not None and at in path:
            names = list(path)
            yield tuple(names[names.index(at) :])
        done.update(path)


def _shown(circle: tuple[str, ...]) -> str:
    return " → ".join((*circle, circle[0]))
