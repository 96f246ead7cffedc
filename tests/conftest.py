"""Fixtures that every test may ask for: real programs or a reason why not, and the daemon itself."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from peers import load, machine
from peers.chromium import Chromium
from peers.daemon import RouterdDaemon
from peers.dovecot import DovecotAuth, DovecotLmtp
from peers.machine import MissingPeerError
from peers.opendkim import OpenDkim
from peers.postfix import Postfix, postfix_behind, postfix_front
from peers.rspamd import Rspamd

os.environ.pop("COLUMNS", None)  # tables are as wide as it says, also behind a pipe


@contextmanager
def _peers_or_skip() -> Generator[None, None, None]:
    """Skips where a peer is missing; fails on CI, where everything has to be there."""
    try:
        yield
    except MissingPeerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def need() -> Callable[[str, str], str]:
    """`need("postfix", "postfix")` gives the program's path, or ends the test naming the Debian package to install."""

    def find(program: str, package: str) -> str:
        with _peers_or_skip():
            return machine.require_program(program, package)

    return find


@pytest.fixture(scope="session")
def need_root() -> Callable[[str], None]:
    """`need_root("postfix")` ends the test where it does not run as root."""

    def check(program: str) -> None:
        with _peers_or_skip():
            machine.require_root(program)

    return check


@pytest.fixture(scope="session")
def peer_or_skip() -> Callable[[], AbstractContextManager[None]]:
    """`with peer_or_skip():` ends the test where a peer that is started in it is missing."""
    return _peers_or_skip


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a port on 127.0.0.1 that nobody listens on; never the same one twice."""
    return machine.free_port


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """`wait_until(lambda: queue.empty(), "an empty queue")`, for what real programs do in their own time."""
    return machine.wait_for


class _Open:
    """Starts peers, each in a folder of its own, and ends them in the opposite order."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def folder(self, name: str) -> Path:
        return self._stack.enter_context(machine.open_folder(name))

    def start(self, make: Callable[[], Any]) -> Any:
        with _peers_or_skip():
            return self._stack.enter_context(make())

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def _open() -> Iterator[_Open]:
    peers = _Open()
    yield peers
    peers.close()


@pytest.fixture
def routerd(tmp_path: Path, _open: _Open) -> Callable[..., RouterdDaemon]:
    """`routerd(delivery=…, rules=…)` starts a daemon under `tmp_path` and gives it when it is ready."""
    started = 0

    def start(**options: Any) -> RouterdDaemon:
        nonlocal started
        started += 1
        daemon = _open.start(partial(RouterdDaemon, tmp_path / f"routerd-{started}", **options))
        assert isinstance(daemon, RouterdDaemon)
        return daemon

    return start


@pytest.fixture
def postfix(_open: _Open) -> Callable[[Callable[[Path], Postfix]], Postfix]:
    """`postfix(lambda folder: Postfix(folder, settings))` starts an instance of the test's own making."""

    def start(make: Callable[[Path], Postfix]) -> Postfix:
        found = _open.start(lambda: make(_open.folder("postfix")))
        assert isinstance(found, Postfix)
        return found

    return start


@pytest.fixture
def front(_open: _Open) -> Callable[[int], Postfix]:
    """`front(routerd.smtp_port)` starts a Postfix that hands mail for example.com to routerd."""
    return lambda port: _open.start(lambda: postfix_front(_open.folder("front"), port))


@pytest.fixture
def behind(_open: _Open) -> Callable[..., Postfix]:
    """`behind("mail.example.com", ["ewa", "jan"])` starts the Postfix that has the mailboxes."""

    def start(domain: str, users: Sequence[str], **options: Any) -> Postfix:
        found = _open.start(lambda: postfix_behind(_open.folder("behind"), domain, users, **options))
        assert isinstance(found, Postfix)
        return found

    return start


@pytest.fixture
def dovecot(_open: _Open) -> Callable[..., DovecotLmtp]:
    """`dovecot(["ewa@mail.example.com"])` starts an LMTP server with Maildirs for these addresses."""
    return lambda users, **options: _open.start(lambda: DovecotLmtp(_open.folder("dovecot"), users, **options))


@pytest.fixture
def dovecot_auth(_open: _Open) -> Callable[..., DovecotAuth]:
    """`dovecot_auth({"ewa": "secret"})` starts what a Postfix asks for passwords."""
    return lambda passwords: _open.start(lambda: DovecotAuth(_open.folder("logins"), passwords))


@pytest.fixture
def opendkim(_open: _Open) -> Callable[..., OpenDkim]:
    """`opendkim(dns.endpoint, keys)` starts a filter that signs and verifies."""
    return lambda *given, **options: _open.start(lambda: OpenDkim(_open.folder("opendkim"), *given, **options))


@pytest.fixture
def rspamd(_open: _Open) -> Callable[..., Rspamd]:
    """`rspamd(dns.endpoint, keys)` starts a filter that signs, seals and verifies."""
    return lambda *given: _open.start(lambda: Rspamd(_open.folder("rspamd"), *given))


@pytest.fixture
def chromium(_open: _Open) -> Callable[[], Chromium]:
    """`chromium()` starts a browser."""
    return lambda: _open.start(lambda: Chromium(_open.folder("chromium")))


@pytest.fixture
def sink(_open: _Open) -> Callable[..., load.SmtpSink]:
    """`sink(captured=folder)` starts an smtp-sink."""

    def start(*options: str, **keys: Any) -> load.SmtpSink:
        found = _open.start(lambda: load.SmtpSink(_open.folder("sink"), *options, **keys))
        assert isinstance(found, load.SmtpSink)
        return found

    return start


@pytest.fixture
def swaks(tmp_path: Path, need: Callable[[str, str], str]) -> Callable[..., str]:
    """`swaks(port, b"…", sender=…, recipients=[…])` sends exact bytes; with text instead, swaks makes the message."""
    need("swaks", "swaks")

    def send(port: int, *what: bytes | str, sender: str, recipients: Sequence[str]) -> str:
        if what and isinstance(what[0], bytes):
            return load.swaks_message(port, what[0], tmp_path, sender=sender, recipients=recipients)
        return load.swaks(port, *map(str, what), sender=sender, recipients=recipients)

    return send
