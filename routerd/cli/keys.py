"""`routerd keys`: what signs the addresses that routerd gives out, and another in its place where it has leaked."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from routerd.cli.asking import ask_or_fail
from routerd.cli.options import config_option, load_or_exit
from routerd.cli.queue_hand import hand_on
from routerd.cli.state import fail_by, reading_state
from routerd.cli.table import print_table
from routerd.config.settings import Settings
from routerd.message.key_ring import KeyRing, day_of
from routerd.message.token import BOUNCE, TRACE
from routerd.store.base import StoreError

_SIGNS = {BOUNCE: "addresses", TRACE: "traces"}  # what the keys of each ring sign
_BREAKS = """\
With --revoke no address holds any more that routerd gave out until now:
  - what members answer, note or draft to the addresses in mail they have already is refused (550), and they are told;
  - bounces and delays of mail that left before are refused, too: its failures are heard of no more.
Mail that waits in the queue leaves with addresses that hold. Nothing that was accepted is lost."""
_MENDS = """\
The new key signs in two days, by itself. Until the old one's addresses have expired, who has it can make some."""


@click.group("keys", short_help="Show what signs routerd's own addresses, and make new keys.")
def command() -> None:
    """Show what signs routerd's own addresses and traces, and make new keys.

    New ones come by themselves, every 90 days, and old ones go when nothing holds any more that they signed.
    """


@command.command("list", short_help="List the keys, and when each signs.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def list_keys(config: Path | None, as_json: bool) -> None:
    """List the keys, and when each of them signs, in days of UTC. The keys themselves are never shown.

    `addresses` sign what follows the + in support+c.…@, the return paths, and what SRS writes; `traces` the header by
    which mail that goes in circles is known.
    """
    rows = _listed(load_or_exit(config))
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo("No keys yet: the daemon makes them when it starts.", err=True)
    else:
        print_table([{name: str(value if value is not None else "–") for name, value in row.items()} for row in rows])


@command.command("renew", short_help="Make new keys now.")
@config_option
@click.option("--revoke", is_flag=True, help="A key has leaked: what was signed by now holds no more.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array: the keys as they are then.")
@click.pass_context
def renew(ctx: click.Context, config: Path | None, revoke: bool, yes: bool, as_json: bool) -> None:
    """Make new keys, with a daemon that runs and without one. They sign from the day after tomorrow; those before stay
    good for what they signed.

    With --revoke the new key of addresses signs at once, and those before are gone: whoever got hold of one can make no
    address that routerd takes. Nor does it take any that it gave out itself.
    """
    settings = load_or_exit(config)
    _listed(settings)  # where there is no state, none is made
    if revoke and not yes:
        _ask()
    with hand_on(settings) as hand:
        hand.renew_keys(revoke=revoke)
    if not revoke and not as_json:
        click.echo(_MENDS, err=True)
    ctx.invoke(list_keys, config=config, as_json=as_json)


def _ask() -> None:
    click.echo(_BREAKS, err=True)
    ask_or_fail("Revoke the keys of all addresses?", "nothing was revoked (--yes revokes without a question)")


def _listed(settings: Settings) -> list[dict[str, Any]]:
    try:
        with reading_state(settings.state) as view:
            rings = {signs: view.keys(purpose) for purpose, signs in _SIGNS.items()}
    except StoreError as error:
        fail_by(error)
    today = day_of(datetime.now(UTC))
    return [row for signs, ring in rings.items() if ring is not None for row in _rows(signs, ring, today)]


def _rows(signs: str, ring: KeyRing, today: int) -> Iterator[dict[str, Any]]:
    """Where a key's first day is not known, it was there before there were several."""
    of_now = ring.signing(today)
    followers = (*ring.keys[1:], None)
    for key, following in zip(ring.keys, followers, strict=True):
        state = "signs" if key is of_now else "is to come" if key.first_day > today else "still read"
        yield {
            "signs": signs,
            "number": key.number,
            "from": _day(key.first_day) if key.first_day else None,
            "until": _day(following.first_day - 1) if following is not None else None,
            "state": state,
        }


def _day(number: int) -> str:
    return str(date(1970, 1, 1) + timedelta(days=number))
