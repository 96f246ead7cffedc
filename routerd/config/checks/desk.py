"""How members speak to the desk: what they are told to answer to must hold, and who they are must be provable."""

from collections.abc import Iterator

from routerd.config.draft import Draft
from routerd.config.yaml_source import Problem


def check(draft: Draft) -> Iterator[Problem]:
    yield from _answers(draft)
    yield from _members_alone(draft)


def _answers(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    by_key = {inbox.address.key: inbox.key for inbox in draft.inboxes}
    for key, inbox in settings.inboxes.items():
        place = ("inboxes", by_key.get(key, key))
        if inbox.from_via and inbox.replies != "through":
            yield draft.at_key(*place, "from_via", message="'from_via' has a meaning only with 'replies: through'")
        if inbox.replies == "through" and not inbox.from_via and draft.reading.is_whole("delivery"):
            stranger = _without_trust(draft)
            if stranger is not None:
                wrong = (
                    f"'replies: through' changes Reply-To: the route of {stranger} needs 'trusts_us: true', or the "
                    "inbox 'from_via: true'; without 'replies' each mailbox has what its route allows"
                )
                yield draft.at(*place, "replies", message=wrong)


def _without_trust(draft: Draft) -> str | None:
    """The first mailbox whose server does not accept what we change."""
    for member in draft.settings.members.values():
        route = draft.settings.route_for(member.mailbox)
        if route is not None and not route.trusts_us:
            return str(member.mailbox)
    return None


def _members_alone(draft: Draft) -> Iterator[Problem]:
    for index, listener in enumerate(draft.settings.listen):
        if listener.members and listener.auth == "required":
            wrong = "'members: true' believes any From; with 'auth: required' the login says who writes: remove it"
            yield draft.at_key("listen", index, "members", message=wrong)
