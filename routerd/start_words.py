"""What the log says of a start, and of a reload that is not enough."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from routerd.config.settings import HostPort, Settings
from routerd.intake.server import Unserved
from routerd.settling import Live

_FIXED = ("hostname", "state", "workers", "http")  # what a running process cannot change

log = structlog.get_logger()


def tell_start(config: Path, live: Live, listeners: Mapping[str, Sequence[tuple[str, int]]], http: HostPort) -> None:
    """`listeners`: as `Intake.addresses` gives them; `http`: where metrics are."""
    log.info(
        "daemon_started",
        config=config,
        state=live.settings.state,
        listeners={
            name: [str(HostPort(host, port)) if port else host for host, port in bound]
            for name, bound in listeners.items()
        },
        http=str(http),
        revision=live.ruleset.revision,
        rules=live.ruleset.rules,
    )
    name = live.settings.hostname
    if name == "localhost" or "." not in name:
        log.warning("hostname_unfit", hostname=name, reason="servers expect a full domain name; set 'hostname'")


def warn_of_restart(began_with: Settings, settings: Settings, listeners: Unserved) -> None:
    """Says which changes wait for a restart; they are the ones that a running process cannot make."""
    keys = [key for key in _FIXED if getattr(settings, key) != getattr(began_with, key)]
    if keys or listeners.added or listeners.removed:
        log.warning("restart_needed", keys=keys, added=listeners.added, still_open=listeners.removed)
