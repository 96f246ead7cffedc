"""Routes: each mailbox has one, each can be reached, and none leads back to us or into a neighbour's folder."""

from collections.abc import Iterator
from pathlib import Path

from routerd.config.checks.listeners import overlap
from routerd.config.draft import Draft
from routerd.config.nearest import quoted
from routerd.config.settings import HostPort, Member, Route, TlsPolicy
from routerd.config.values import parse_next_hop
from routerd.config.yaml_source import Problem

_TRANSPORTS = ("smtp", "lmtp", "maildir", "mx")


def check(draft: Draft) -> Iterator[Problem]:
    for index, route in enumerate(draft.settings.delivery):
        yield from _transport(draft, index, route)
        yield from _auth(draft, index, route)
        yield from _back_to_us(draft, index, route)
    yield from _never_reached(draft)
    yield from _mailboxes(draft)
    yield from _way_back(draft)


def _transport(draft: Draft, index: int, route: Route) -> Iterator[Problem]:
    given = [name for name in _TRANSPORTS if getattr(route, name) not in (None, False)]
    if not given and draft.reading.is_whole("delivery", index):
        yield draft.at("delivery", index, message="a route needs one of 'smtp', 'lmtp', 'maildir' and 'mx: true'")
    if len(given) > 1:
        both = " and ".join(quoted(name) for name in given)
        yield draft.at_key("delivery", index, given[1], message=f"a route has one way to deliver, not {both}")
    if route.smtp is not None and not route.smtp:
        yield draft.at(
            "delivery", index, "smtp", message="'smtp' is empty; name a next hop, such as mail.example.com:25"
        )


def _auth(draft: Draft, index: int, route: Route) -> Iterator[Problem]:
    if not draft.reading.is_whole("delivery", index):
        return
    over_tcp = route.smtp is not None or route.mx or (route.lmtp is not None and not route.lmtp.startswith("unix:"))
    if "tls" in route.model_fields_set and not over_tcp:
        yield draft.at_key("delivery", index, "tls", message="'tls' has a meaning only with a server reached over TCP")
    if route.auth is not None and route.smtp is None:
        yield draft.at_key("delivery", index, "auth", message="'auth' has a meaning only with 'smtp'")
    elif route.auth is not None and route.tls is not TlsPolicy.REQUIRED:
        wrong = "'auth' needs 'tls: required', or the password could be read on the way"
        yield draft.at_key("delivery", index, "auth", message=wrong)


def _back_to_us(draft: Draft, index: int, route: Route) -> Iterator[Problem]:
    ours = [listener.address for listener in draft.settings.listen if listener.address is not None]
    hops = [("smtp", hop) for hop in route.smtp or ()]
    if route.lmtp is not None and not route.lmtp.startswith("unix:"):
        hops.append(("lmtp", parse_next_hop(route.lmtp)))
    for key, hop in hops:
        host = "127.0.0.1" if hop.host == "localhost" else hop.host
        if any(_reaches(HostPort(host, hop.port), listener) for listener in ours):
            wrong = f"{hop} is a listener of this routerd: copies would come back (a loop)"
            yield draft.at("delivery", index, key, message=wrong)


def _reaches(hop: HostPort, listener: HostPort) -> bool:
    """Whether a connection to `hop` ends at `listener`, as far as the addresses alone tell."""
    ip, own = hop.ip, listener.ip
    if ip is None or own is None or not overlap(hop, listener):
        return False
    return ip == own or ip.is_loopback or ip.is_unspecified


def _never_reached(draft: Draft) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, route in enumerate(draft.settings.delivery):
        if "*" in seen:
            wrong = "this route is never reached: the '*' above it takes every mailbox; move it up"
            yield draft.at("delivery", index, message=wrong)
        elif route.domain in seen:
            wrong = f"this route is never reached: one above it has the domain {quoted(route.domain)} too"
            yield draft.at("delivery", index, message=wrong)
        seen.add(route.domain)


def _mailboxes(draft: Draft) -> Iterator[Problem]:
    if not draft.reading.is_whole("delivery") or not draft.settings.delivery:
        return
    folders: dict[Path, str] = {}
    for name, member in draft.settings.members.items():
        place = ("members", name, "mailbox")
        route = draft.settings.route_for(member.mailbox)
        if route is None:
            wrong = f"no route under 'delivery' fits {member.mailbox}; add one for {member.mailbox.domain}"
            yield draft.at(*place, message=wrong)
        elif route.maildir is not None:
            yield from _folder(draft, name, route, folders)
        yield from _sorted_mailbox(draft, name, member)


def _sorted_mailbox(draft: Draft, name: str, member: Member) -> Iterator[Problem]:
    """Where copies with labels go: a server must know the address by its detail, for a Maildir it is another one."""
    shown = member.show.mailbox_for("label")
    if shown is None:
        return
    place, route = ("members", name, "show", "mailbox"), draft.settings.route_for(shown)
    if route is None:
        yield draft.at(*place, message=f"no route under 'delivery' fits {shown.domain}; add one")
    elif route.maildir is not None:
        wrong = "each label would be a Maildir of its own, which nobody reads; 'show: {mailbox: …}' needs a mail server"
        yield draft.at(*place, message=wrong)


def _way_back(draft: Draft) -> Iterator[Problem]:
    """With SRS a bounce is taken on to whoever wrote, wherever that is."""
    settings = draft.settings
    if settings.return_path != "srs" or not draft.is_said("delivery"):
        return
    anywhere = next((route for route in settings.delivery if route.domain == "*"), None)
    if anywhere is None or anywhere.transport not in ("mx", "smtp"):
        wrong = "'return_path: srs' takes bounces to any sender: 'delivery' needs a route for '*' by 'mx' or 'smtp'"
        yield draft.at("return_path", message=wrong)


def _folder(draft: Draft, name: str, route: Route, folders: dict[Path, str]) -> Iterator[Problem]:
    mailbox = draft.settings.members[name].mailbox
    if "/" in mailbox.local or mailbox.local.startswith("."):
        wrong = f"{mailbox} cannot name a Maildir: its part before the @ has a '/' or begins with a '.'"
        yield draft.at("members", name, "mailbox", message=wrong)
        return
    folder = route.maildir_of(mailbox)
    first = folders.setdefault(folder, name)
    if draft.settings.members[first].mailbox.key != mailbox.key:
        wrong = f"the Maildir {folder} would be that of {quoted(first)} too; put {{mailbox}} into the route's 'maildir'"
        yield draft.at("members", name, "mailbox", message=wrong)
