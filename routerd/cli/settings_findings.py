"""What is most likely not meant in routerd.yaml, and is no reason not to start."""

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from routerd.config.certificate import good_until, trouble_ahead
from routerd.config.dkim_key_file import read_key
from routerd.config.settings import Listener, Settings
from routerd.config.yaml_source import Mark
from routerd.message.address import parse_address
from routerd.message.rsa_sizes import ADVISED_RSA_BITS
from routerd.rules.finding import Finding


def settings_findings(settings: Settings, config: Path) -> Iterator[Finding]:
    """`config`: the file that the settings are of."""
    yield from _certificate(settings)
    yield from _unused_keys(settings)
    yield from _small_keys(settings)
    yield from _unsigned_notices(settings, config)
    yield from _unsigned_copies(settings, config)
    yield from _lost_answers(settings, config)


def _certificate(settings: Settings) -> Iterator[Finding]:
    """One that has ended, or soon will."""
    try:
        until = good_until(settings.tls.certificate.read_bytes()) if settings.tls else None
    except OSError:  # what systemd hands over is not there yet
        until = None
    said = trouble_ahead(until, datetime.now(UTC)) if until else None
    if settings.tls is not None and said is not None:
        yield Finding("certificate", Mark(str(settings.tls.certificate), 0, 0), said)


def _unused_keys(settings: Settings) -> Iterator[Finding]:
    ours = {settings.hostname, *(parse_address(address).domain for address in settings.own_addresses)}
    for key in settings.dkim:
        if key.domain != settings.arc_seal and not any(_is_at_or_below(domain, key.domain) for domain in ours):
            wrong = (
                f"{key.domain} is the domain of no inbox and not of 'hostname', nor above one: this key signs nothing"
            )
            yield Finding("dkim", Mark(str(key.key), 0, 0), wrong)


def _small_keys(settings: Settings) -> Iterator[Finding]:
    for key in settings.dkim:
        try:
            read = read_key(key.key)
        except (OSError, ValueError):  # what systemd hands over is not there yet
            continue
        if read.kind == "rsa" and read.bits < ADVISED_RSA_BITS:
            wrong = f"this key has {read.bits} bits; {ADVISED_RSA_BITS} are usual, and some servers believe no less"
            yield Finding("dkim", Mark(str(key.key), 0, 0), wrong)


def _unsigned_notices(settings: Settings, config: Path) -> Iterator[Finding]:
    name = settings.hostname
    if settings.dkim and not any(_is_at_or_below(name, key.domain) for key in settings.dkim):
        wrong = (
            f"no key under 'dkim' is of {name}, from which notices come, or of a domain above it: they are not signed"
        )
        yield Finding("dkim", Mark(str(config), 0, 0), wrong)


def _unsigned_copies(settings: Settings, config: Path) -> Iterator[Finding]:
    """From of these names the inbox, and servers that do not trust us ask who vouches for that."""
    for inbox in (name for name, found in settings.inboxes.items() if found.from_via):
        domain = parse_address(inbox).domain
        if not any(_is_at_or_below(domain, key.domain) for key in settings.dkim):
            wrong = f"no key under 'dkim' is of {domain}: what {inbox} sends by 'from_via' is not signed"
            yield Finding("dkim", Mark(str(config), 0, 0), wrong)


def _lost_answers(settings: Settings, config: Path) -> Iterator[Finding]:
    """Copies lead members' answers to us, who could not take them for that, or not send them on."""
    inbox = next((name for name in settings.inboxes if _takes_answers(settings, name)), None)
    if inbox is None:
        return
    if not any(_may_prove(listener, settings) for listener in settings.listen):
        wrong = (
            f"answers of members to customers of {inbox} come to routerd (a route has 'trusts_us'), and nothing here "
            "can prove who is a member: let them log in (auth), name the hop's 'authserv_ids', or set 'verify: true' "
            "or 'members: true' on a listener; or write 'replies: observe'"
        )
        yield Finding("answers", Mark(str(config), 0, 0), wrong)
    if all(route.domain != "*" for route in settings.delivery):
        wrong = (
            f"answers to customers of {inbox} have no way out: no route is for '*', such as "
            '{domain: "*", smtp: "…"} or {domain: "*", mx: true}; or write \'replies: observe\''
        )
        yield Finding("answers", Mark(str(config), 0, 0), wrong)


def _takes_answers(settings: Settings, inbox: str) -> bool:
    routes = (settings.route_for(member.mailbox) for member in settings.members.values())
    return any(
        settings.inboxes[inbox].takes_answers(trusts_us=route.trusts_us) for route in routes if route is not None
    )


def _may_prove(listener: Listener, settings: Settings) -> bool:
    """Whether somebody whose mail comes in there can be proven to be a member."""
    if listener.auth != "none" or listener.members or listener.verify:
        return True
    if settings.authserv_ids and settings.trusted_networks:
        return True
    is_reached_from_outside = listener.address is None or not _is_loopback(listener.address.host)
    return listener.verify is None and is_reached_from_outside


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_at_or_below(domain: str, top: str) -> bool:
    return domain == top or domain.endswith(f".{top}")
