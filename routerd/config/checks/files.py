"""Files that the settings name: they can be read, certificate and key fit each other, passwords are well kept."""

import os
import pwd
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

from routerd.config.draft import Draft
from routerd.config.password_file import read_passwords
from routerd.config.secret_file import CREDENTIALS
from routerd.config.yaml_source import Problem

_MAX_PEM_BYTES = 1_000_000


class _PassphraseAskedError(Exception):
    """The key is encrypted; OpenSSL would ask at the terminal."""


def check(draft: Draft) -> Iterator[Problem]:
    """None of them is read but by the daemon, and by who asks whether it could."""
    if not draft.reads_secrets:
        return
    yield from _tls(draft)
    if draft.settings.passwords is not None:
        yield from _members_passwords(draft, draft.settings.passwords)
    for index, route in enumerate(draft.settings.delivery):
        if route.auth is not None:
            yield from _password(draft, index, route.auth.password_file)


def _tls(draft: Draft) -> Iterator[Problem]:
    tls = draft.settings.tls
    if tls is None:
        return
    are_there = True
    for key, path in (("certificate", tls.certificate), ("key", tls.key)):
        why = _unreadable(path)
        if why:
            are_there = False
        if why and not awaits_service(path, draft):
            yield draft.at("tls", key, message=cannot_be_read(path, why))
    if not are_there:
        return
    for key, path, what, mark in (
        ("certificate", tls.certificate, "certificate", b"CERTIFICATE-----"),
        ("key", tls.key, "private key", b"PRIVATE KEY-----"),
    ):
        with path.open("rb") as opened:
            if mark not in opened.read(_MAX_PEM_BYTES):
                yield draft.at("tls", key, message=f"{path} holds no {what} in PEM")
                return
    why = _mismatch(tls.certificate, tls.key)
    if why:
        yield draft.at("tls", "key", message=why)
    for key, path in (("certificate", tls.certificate), ("key", tls.key)):
        yield from closed_to_daemon(draft, path, "tls", key)


def _mismatch(certificate: Path, key: Path) -> str | None:
    """What OpenSSL has against the pair, in words; None where it takes it."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_refuse_passphrase)
    except _PassphraseAskedError:
        return f"{key} is protected by a passphrase; store the key without one"
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"the key {key} is not the key of the certificate {certificate}"
        return f"{certificate} and {key} are not a certificate and its key in PEM: {error.reason or 'damaged'}"
    except OSError as error:
        return f"{certificate} and {key} cannot be read: {error.strerror or error}"
    return None


def _refuse_passphrase() -> str:
    raise _PassphraseAskedError


def _password(draft: Draft, index: int, path: Path) -> Iterator[Problem]:
    place = ("delivery", index, "auth", "password_file")
    why = _unreadable(path)
    if why:
        if not awaits_service(path, draft):
            yield draft.at(*place, message=cannot_be_read(path, why))
        return
    yield from closed_to_daemon(draft, path, *place)
    with path.open("rb") as opened:
        line = opened.readline(4096).strip()
    if not line or not line.isascii():
        yield draft.at(*place, message=f"{path} has no password in its first line, or one that is not ASCII")


def _members_passwords(draft: Draft, path: Path) -> Iterator[Problem]:
    try:
        yield from read_passwords(path, draft.member_names).problems
        yield from closed_to_daemon(draft, path, "passwords")
    except FileNotFoundError as error:
        if not awaits_service(path, draft):
            hint = "" if path.is_relative_to(CREDENTIALS) else "; 'routerd password MEMBER' makes it"
            yield draft.at("passwords", message=cannot_be_read(path, error.strerror or str(error)) + hint)
    except OSError as error:
        if not awaits_service(path, draft):
            yield draft.at("passwords", message=cannot_be_read(path, error.strerror or str(error)))


def closed_to_daemon(draft: Draft, path: Path, *place: str | int) -> Iterator[Problem]:
    """Root can read it, but not the owner of `state`, as whom the daemon runs."""
    if os.geteuid() != 0 or path.is_relative_to(CREDENTIALS):
        return
    try:
        daemon = pwd.getpwuid(draft.settings.state.stat().st_uid)
        if not daemon.pw_uid:
            return
        groups = os.getgrouplist(daemon.pw_name, daemon.pw_gid)
        tried = subprocess.run(  # noqa: S603 - a program that knows groups and access lists
            ["/usr/bin/test", "-r", path.resolve()],
            check=False,
            user=daemon.pw_uid,
            group=daemon.pw_gid,
            extra_groups=groups,
        )
    except (OSError, KeyError):  # there is no state yet, or nobody of whom this could be told
        return
    if tried.returncode == 1:
        wrong = f"{path} cannot be read by user {daemon.pw_name}, to whom {draft.settings.state} belongs"
        yield draft.at(*place, message=f"{wrong}; run: chown {daemon.pw_name} {path}")


def awaits_service(path: Path, draft: Draft) -> bool:
    """Whether only the running service could see the file."""
    return not draft.in_service and path.is_relative_to(CREDENTIALS)


def cannot_be_read(path: Path, why: str) -> str:
    hint = f"; does the unit have LoadCredential={path.name}:FILE?" if path.is_relative_to(CREDENTIALS) else ""
    return f"{path} cannot be read: {why}{hint}"


def _unreadable(path: Path) -> str | None:
    try:
        with path.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        return error.strerror or str(error)
    return None
