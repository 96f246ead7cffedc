"""`routerd password`: the passwords with which members log in."""

import json
import os
import secrets
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

import click

from routerd.cli.options import (
    EXIT_FOUND_WRONG,
    EXIT_UNUSABLE,
    config_option,
    fit_to_print,
    load_or_exit,
    print_problems,
    why_not,
)
from routerd.cli.password_edit import BusyError, change, left_to_root
from routerd.config.nearest import did_you_mean, quoted
from routerd.config.password_file import PasswordFile, read_passwords
from routerd.config.password_hash import SALT_OCTETS, PasswordError, PasswordHash, make_hash
from routerd.config.secret_file import CREDENTIALS
from routerd.config.settings import Settings

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another: 20 of them are 99 bits
_GROUPS, _GROUP = 5, 4
_MOST_STDIN_BYTES = 10_000
_NO_FILE = """\
the config names no file of passwords; add

  passwords: passwords
  listen:
    - {systemd: submission, tls: required, auth: required}
"""


@click.command("password")
@click.argument("member", required=False)
@config_option
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--generate", is_flag=True, help="Make a strong one, and print it this once.")
@click.option("--remove", is_flag=True, help="Remove it: the member can log in no more.")
@click.option("--check", "only_check", is_flag=True, help="Change nothing; say whether it is the right one.")
@click.option("--list", "only_list", is_flag=True, help="List who has one.")
@click.option("--json", "as_json", is_flag=True, help="With --list: one JSON array.")
def command(
    member: str | None,
    config: Path | None,
    from_stdin: bool,
    generate: bool,
    remove: bool,
    only_check: bool,
    only_list: bool,
    as_json: bool,
) -> None:
    """Set the password with which MEMBER logs in where a listener has `auth: required`.

    It is asked for twice and kept as a hash in the file of `passwords:`. A running daemon takes it up within seconds.
    """
    if sum((generate, remove, only_check, only_list)) > 1 or (from_stdin and (generate or remove or only_list)):
        raise click.UsageError("these options do not go together")
    if only_list == (member is not None):
        raise click.UsageError("name a member, or give --list")
    if as_json and not only_list:
        raise click.UsageError("--json goes with --list")
    settings = load_or_exit(config)
    path = _file_of(settings)
    try:
        if member is None:
            _list(path, settings, as_json=as_json)
        elif remove:
            _remove(path, member, settings)
        elif only_check:
            _must_be_member(member, settings)
            _check(path, member, from_stdin=from_stdin)
        else:
            _must_be_member(member, settings)
            _set(path, member, settings, _make_up() if generate else _ask(from_stdin, twice=True), say=generate)
    except OSError as error:
        _give_up(why_not(error))
    except BusyError as error:
        _give_up(str(error))


def _file_of(settings: Settings) -> Path:
    path = settings.passwords
    if path is None:
        click.echo(_NO_FILE.rstrip(), err=True)
        sys.exit(EXIT_UNUSABLE)
    if path.is_relative_to(CREDENTIALS):
        wrong = f"{path} is what systemd hands to the service; name the file itself, where the daemon may read it"
        click.echo(wrong, err=True)
        sys.exit(EXIT_UNUSABLE)
    return path


def _must_be_member(member: str, settings: Settings) -> None:
    if member not in settings.members:
        click.echo(f"no member {quoted(member)}{did_you_mean(member, settings.members)}", err=True)
        sys.exit(EXIT_UNUSABLE)


# What it does


def _set(path: Path, member: str, settings: Settings, password: str, *, say: bool) -> None:
    """`say`: the password was made up, so it is told, once it holds."""
    try:
        hashed = make_hash(password, os.urandom(SALT_OCTETS))
    except PasswordError as error:
        _give_up(str(error))
    is_new = not path.exists()
    had_one = change(path, member, hashed, settings.state)
    click.echo(fit_to_print(f"{member} has a {'new ' if had_one else ''}password, kept in {path}"), err=True)
    hint = left_to_root(path, settings.state) if is_new else ""
    if hint:
        click.echo(fit_to_print(hint), err=True)
    if say:
        click.echo(password)
    _say_problems(path, settings.members)


def _remove(path: Path, member: str, settings: Settings) -> None:
    """Also that of somebody who is no member any more."""
    if not change(path, member, None, settings.state):
        _give_up(f"{quoted(member)} has no password in {path}")
    click.echo(fit_to_print(f"{member} has no password any more"), err=True)
    _say_problems(path, settings.members)


def _check(path: Path, member: str, *, from_stdin: bool) -> None:
    hashed = _hash_of(path, member)
    if hashed is None:
        _give_up(f"{quoted(member)} has no password in {path}")
    if not hashed.is_of(_ask(from_stdin, twice=False)):
        _give_up("this is not the password")
    click.echo("this is the password", err=True)


def _hash_of(path: Path, member: str) -> PasswordHash | None:
    return read_passwords(path).hashes.get(member)


def _list(path: Path, settings: Settings, *, as_json: bool) -> None:
    try:
        found = read_passwords(path, settings.members)
    except FileNotFoundError:
        found = PasswordFile((), (), ())
    having = found.hashes
    if as_json:
        click.echo(json.dumps([{"member": name, "password": name in having} for name in settings.members]))
    else:
        width = max(map(len, settings.members))
        for name in settings.members:
            click.echo(fit_to_print(f"{name:<{width}}  {'password' if name in having else '-'}"))
    if found.problems:
        print_problems(found.problems)
        sys.exit(EXIT_FOUND_WRONG)


def _say_problems(path: Path, members: Collection[str]) -> None:
    """What is wrong beside what was just changed keeps the daemon from taking up any of it."""
    try:
        found = read_passwords(path, members)
    except FileNotFoundError:
        return
    if found.problems:
        print_problems(found.problems)
        _give_up("the daemon does not take the file until that is mended")


# The password


def _ask(from_stdin: bool, *, twice: bool) -> str:
    if from_stdin:
        return _first_line(sys.stdin.buffer.read(_MOST_STDIN_BYTES))
    if not sys.stdin.isatty():
        raise click.UsageError("no terminal to ask at; use --stdin")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt="The same again" if twice else False)
    return asked


def _first_line(data: bytes) -> str:
    """All that came but one line end; more lines than one are no password."""
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        _give_up("the password is not UTF-8")


def _make_up() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP)) for _ in range(_GROUPS))


def _give_up(why: str) -> NoReturn:
    click.echo(fit_to_print(why), err=True)
    sys.exit(EXIT_FOUND_WRONG)
