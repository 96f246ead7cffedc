"""What is most likely not meant in routerd.yaml, and is no reason not to start."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from routerd.config.certificate import good_until, trouble_ahead
from routerd.config.dkim_key_file import ADVISED_RSA_BITS, read_key
from routerd.config.settings import Settings
from routerd.config.yaml_source import Mark
from routerd.message.address import parse_address
from routerd.rules.finding import Finding


def settings_findings(settings: Settings, config: Path) -> Iterator[Finding]:
    """`config`: the file that the settings are of."""
    yield from _certificate(settings)
    yield from _unused_keys(settings)
    yield from _small_keys(settings)
    yield from _unsigned_notices(settings, config)
    yield from _unsigned_copies(settings, config)


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


def _is_at_or_below(domain: str, top: str) -> bool:
    return domain == top or domain.endswith(f".{top}")
