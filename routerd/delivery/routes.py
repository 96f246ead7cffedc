"""Which way a mailbox's copies go: the first route whose domain fits."""

from dataclasses import dataclass, replace

from routerd.config.settings import Route, Settings

UNROUTED = "unrouted"
MAILDIR = "maildir"  # the key of the first route to Maildirs; others may be on another disk


@dataclass(frozen=True, slots=True)
class Way:
    """A route and the key of its destination, by which delivery groups. `domain` is the mailbox's."""

    route: Route
    destination: str
    domain: str = ""


class Routes:
    """The routes of one config. The keys of destinations are the same from one config to the next."""

    def __init__(self, settings: Settings) -> None:
        self._ways: dict[str, Way] = {}
        known: dict[str, Route] = {}
        for route in settings.delivery:
            self._ways.setdefault(route.domain.lower(), Way(route, _destination(route, known)))
            if route.domain == "*":
                break  # nothing comes past it

    def way_for(self, mailbox: str) -> Way | None:
        """`mailbox` is local@domain. None: no route fits."""
        domain = mailbox.rpartition("@")[2].lower()
        way = self._ways.get(domain) or self._ways.get("*")
        if way is None or way.route.transport != "mx":
            return way
        return replace(way, destination=f"mx:{domain}", domain=domain)

    def route_for(self, mailbox: str) -> Route | None:
        """`way_for` without the key."""
        way = self.way_for(mailbox)
        return way.route if way else None

    def keys_of_maildirs(self) -> tuple[str, ...]:
        """Each of the destinations that are Maildirs."""
        return tuple(dict.fromkeys(way.destination for way in self._ways.values() if is_of_maildirs(way.destination)))

    def destination(self, mailbox: str) -> str:
        """Such as `smtp:mail.example.com:25`, `lmtp:unix:/run/x`, `mx:example.com`, `maildir`.

        `unrouted` where no route fits.
        """
        way = self.way_for(mailbox)
        return way.destination if way else UNROUTED


def is_of_maildirs(destination: str) -> bool:
    """Whether this is a key of Maildirs."""
    return destination == MAILDIR or destination.startswith(f"{MAILDIR}#")


def _destination(route: Route, known: dict[str, Route]) -> str:
    """Routes to the same hosts that differ in TLS or AUTH are destinations of their own."""
    if route.transport == "mx":  # each domain is a destination of its own
        return route.transport
    if route.transport == MAILDIR:
        first = known.setdefault(MAILDIR, route)
        return MAILDIR if first.maildir == route.maildir else f"{MAILDIR}#{route.domain}"
    hosts = route.lmtp if route.lmtp else ",".join(str(endpoint) for endpoint in route.smtp or ())
    key = f"{route.transport}:{hosts}"
    first = known.setdefault(key, route)
    return key if (first.tls, first.auth) == (route.tls, route.auth) else f"{key}#{route.domain}"
