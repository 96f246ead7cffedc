"""`routerd dkim`: keys that sign what routerd writes, and the records by which others believe them."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from routerd.auth.key_publication import record_of, zone_lines
from routerd.cli.options import (
    EXIT_FOUND_WRONG,
    EXIT_UNUSABLE,
    config_option,
    fit_to_print,
    invoked_as,
    load_or_exit,
    why_not,
)
from routerd.cli.password_edit import left_to_root, owner_like
from routerd.config.auth_settings import parse_selector
from routerd.config.dkim_key_file import read_key
from routerd.config.load import NoConfigError, find_config, load_settings
from routerd.config.secret_file import CREDENTIALS
from routerd.message.address import parse_host_name
from routerd.message.dkim_keys import KeyKind, PrivateKey, new_private_key, parse_private_key
from routerd.message.rsa_sizes import ADVISED_RSA_BITS, MOST_RSA_BITS

_NOT_HERE = """\
{path} is what systemd hands to the running service; name the file itself:

  {command} dkim record {domain} {selector} --file FILE
"""
_ADD = """\
The key is in {path}. Publish the record below; once DNS has it, add to routerd.yaml, and reload:

  dkim:
    - {{domain: {domain}, selector: {selector}, key: {shown}}}
"""


@dataclass(frozen=True, slots=True)
class _Named:
    """A key, and how DNS calls it."""

    domain: str
    selector: str
    key: PrivateKey

    @property
    def name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


class _Domain(click.ParamType[str]):
    name = "domain"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            domain = parse_host_name(str(value))
        except ValueError as error:
            self.fail(f"{value!r} is not a domain: {error}", param, ctx)
        if domain.startswith("["):
            self.fail(f"{value} is an address; name a domain", param, ctx)
        return domain


class _Selector(click.ParamType[str]):
    name = "selector"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return parse_selector(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group("dkim")
def command() -> None:
    """Keys that sign what routerd writes itself, and the DNS records by which others believe them."""


@command.command("keygen", short_help="Make a key, and show its DNS record.")
@click.argument("domain", type=_Domain())
@click.argument("selector", type=_Selector())
@config_option
@click.option(
    "--file", "path", type=click.Path(path_type=Path), metavar="FILE", help="Where (default: SELECTOR.DOMAIN.pem)"
)
@click.option(
    "--kind", type=click.Choice([str(kind) for kind in KeyKind]), default=str(KeyKind.RSA), help="Of the key."
)
@click.option(
    "--bits",
    type=click.IntRange(ADVISED_RSA_BITS, MOST_RSA_BITS),
    default=ADVISED_RSA_BITS,
    help="Of an RSA key; more than 2048 few believe better, and some not at all.",
)
def keygen(domain: str, selector: str, config: Path | None, path: Path | None, kind: str, bits: int) -> None:
    """Make a key for mail from DOMAIN, and print the record that DNS has to hold under SELECTOR.

    SELECTOR is a name of your choice, such as s2026; each key has another. What is there already is never overwritten.
    A key that root makes belongs to the user of the daemon, where there is a config and its state shows who that is.
    """
    path = path or Path(f"{selector}.{domain}.pem")
    pem = new_private_key(KeyKind(kind), bits)
    state = _state_of(config)
    try:
        _write_new(path, pem, state)
    except FileExistsError:
        _give_up(f"{path} is there already, and is not overwritten; take another selector for a new key")
    except OSError as error:
        _give_up(why_not(error))
    shown = path.absolute()
    _say(_ADD.format(path=path, domain=domain, selector=selector, shown=shown))
    _say(left_to_root(path, state))
    _print_zone(_Named(domain, selector, parse_private_key(pem)))


@command.command("record", short_help="Show the DNS records of the keys.")
@click.argument("domain", type=_Domain(), required=False)
@click.argument("selector", type=_Selector(), required=False)
@config_option
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A key that the config does not name; needs DOMAIN and SELECTOR.",
)
@click.option("--value", "only_value", is_flag=True, help="Name and value alone, in one line, as forms want them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def record(
    domain: str | None, selector: str | None, config: Path | None, path: Path | None, only_value: bool, as_json: bool
) -> None:
    """Print the records that DNS has to hold: of all keys under `dkim:`, or of those of DOMAIN and SELECTOR.

    They are written as in a zone file. `routerd check --live` says whether DNS has them.
    """
    if path is not None:
        if domain is None or selector is None:
            raise click.UsageError("--file needs DOMAIN and SELECTOR")
        found = [_Named(domain, selector, _read(path))]
    else:
        found = list(_named_in_config(config, domain, selector))
    if as_json:
        rows = [
            {"domain": one.domain, "selector": one.selector, "name": one.name, "value": _value(one)} for one in found
        ]
        click.echo(json.dumps(rows))
        return
    for one in found:
        if only_value:
            click.echo(f"{one.name} {_value(one)}")
        else:
            _print_zone(one)


def _named_in_config(config: Path | None, domain: str | None, selector: str | None) -> Iterator[_Named]:
    keys = load_or_exit(config).dkim
    if not keys:
        _give_up(f"the config names no key under 'dkim'; '{invoked_as()} dkim keygen' makes one", EXIT_UNUSABLE)
    keys = tuple(key for key in keys if domain in (None, key.domain) and selector in (None, key.selector))
    if not keys:
        _give_up("the config names no such key under 'dkim'")
    for key in keys:
        if key.key.is_relative_to(CREDENTIALS) and not key.key.exists():
            told = _NOT_HERE.format(path=key.key, command=invoked_as(), domain=key.domain, selector=key.selector)
            _give_up(told.rstrip())
        yield _Named(key.domain, key.selector, _read(key.key))


def _read(path: Path) -> PrivateKey:
    try:
        return read_key(path)
    except OSError as error:
        _give_up(why_not(error))
    except ValueError as error:
        _give_up(f"{path} cannot sign: {error}")


def _write_new(path: Path, pem: bytes, state: Path | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            if state is not None:
                os.fchown(descriptor, *owner_like(state))
            opened.write(pem)
            opened.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _state_of(config: Path | None) -> Path | None:
    """A key may be made before there is a config."""
    try:
        settings = load_settings(find_config(config), reads_secrets=False).settings
    except NoConfigError:
        return None
    return settings.state if settings is not None else None


def _value(one: _Named) -> str:
    return record_of(one.key.public)


def _print_zone(one: _Named) -> None:
    for line in zone_lines(one.name, _value(one)):
        click.echo(line)


def _say(text: str) -> None:
    for line in text.splitlines():
        click.echo(fit_to_print(line), err=True)


def _give_up(why: str, code: int = EXIT_FOUND_WRONG) -> NoReturn:
    _say(why)
    sys.exit(code)
