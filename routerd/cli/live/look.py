"""All that `routerd check --live` looks at."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import chain

from routerd.auth.dkim_signing import Signer
from routerd.auth.dns_answers import Answer, RecordKind
from routerd.auth.signers import Signers, load_signers
from routerd.cli.live.by_dns import look_at_keys, look_at_names, look_at_senders, look_at_ways_in
from routerd.cli.live.by_handshake import look_at_certificate
from routerd.cli.live.by_mail import look_by_mail
from routerd.cli.live.ourselves import IpAddress, our_addresses
from routerd.cli.live.told import State, Told
from routerd.config.settings import DkimKey, Settings
from routerd.ops.dns import Resolver
from routerd.ops.metrics import Metrics


def look_outside(settings: Settings, given: Sequence[IpAddress], wait_seconds: float) -> list[Told]:
    """What is to be said, in the order in which it is best read. `given`: addresses by which others see us."""
    return asyncio.run(_look_outside(settings, given, wait_seconds))


async def _look_outside(settings: Settings, given: Sequence[IpAddress], wait_seconds: float) -> list[Told]:
    resolver = Resolver(settings.dns, Metrics())

    async def look_up(name: str, kind: RecordKind) -> Answer:
        return await resolver.look_up(name, kind)

    try:
        ours = await our_addresses(settings.hostname, given, look_up)
        signers, unread = _signers(settings.dkim)
        looks = (
            look_at_keys(signers, look_up),
            look_at_names(settings, ours, look_up),
            look_at_senders(settings, ours, look_up),
            look_at_ways_in(settings, ours, look_up),
            look_by_mail(settings, look_up, wait_seconds),
        )
        told = await asyncio.gather(*map(_all, looks))
    finally:
        await resolver.close()
    return [*unread, *chain.from_iterable(told), *look_at_certificate(settings)]


async def _all(told: AsyncIterator[Told]) -> list[Told]:
    return [one async for one in told]


def _signers(keys: Sequence[DkimKey]) -> tuple[Signers, list[Told]]:
    """Those that can be read here: what systemd hands to the service is not there."""
    signers: list[Signer] = []
    unread: list[Told] = []
    for key in keys:
        try:
            signers += load_signers([key]).all
        except (OSError, ValueError):
            wrong = f"{key.key} is only there for the service; 'routerd dkim record --file' shows what DNS should have"
            unread.append(Told("dkim", State.UNKNOWN, wrong))
    return Signers(signers), unread
