"""Logins over a config in a folder, and what counts the hashes that they make."""

import threading
from pathlib import Path

import pytest

from routerd.config import password_hash
from routerd.config.load import load_settings
from routerd.config.password_hash import PasswordHash, prepared
from routerd.config.settings import Settings
from routerd.intake.clients.logins import Logins
from routerd.intake.limits.counts import OwnCounts
from routerd.intake.protocol.events import LoggedIn
from routerd.message.envelope import Refused

CONFIG = """\
hostname: mx1.example.com
postmaster: jan
members:
  ewa: {mailbox: ewa@example.com, addresses: [Ewa.Nowak@example.com]}
  jan: {mailbox: jan@example.com}
  Żaneta: {mailbox: zaneta@example.com}
inboxes:
  support@example.com: {default: jan}
delivery:
  - {domain: "*", smtp: "mail.example.com:25"}
"""
SALT = b"0123456789abcdef"
HERE, THERE = "192.0.2.7", "198.51.100.9"
HOUR = 3600.0


def cheap(password: str) -> PasswordHash:
    """A hundredth of the work of those that `routerd password` makes: too little to be taken outside of tests."""
    digest = password_hash._scrypt(prepared(password), SALT, 10, 8, 1, 32)
    return PasswordHash(10, 8, 1, SALT, digest)


EWA, JAN = cheap("open sesame"), cheap("sesam öffne dich")


class Hashing:
    """Counts the hashes that are made, and holds them up while `gate` is shut."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        self.gate = threading.Event()
        self.gate.set()
        self.at_work: set[str] = set()
        plain = PasswordHash.is_of

        def is_of(kept: PasswordHash, password: str) -> bool:
            self.made += 1
            self.at_work.add(threading.current_thread().name)
            assert self.gate.wait(60)
            return plain(kept, password)

        monkeypatch.setattr(PasswordHash, "is_of", is_of)


class Door:
    """Logins over a config in a folder, with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "passwords"
        self.config = folder / "routerd.yaml"
        self.now = 1000.0
        self.write(ewa=EWA, jan=JAN)
        self.logins = Logins(self.settings(), OwnCounts(bytes), seconds=lambda: self.now)

    def settings(self, config: str = CONFIG) -> Settings:
        self.config.write_text(config)
        settings = load_settings(self.config).settings
        assert settings is not None
        return settings.model_copy(update={"passwords": self.file})  # without a listener and its certificate

    def write(self, **hashes: PasswordHash) -> None:
        self.file.write_text("".join(f"{member}:{kept}\n" for member, kept in hashes.items()))
        self.file.chmod(0o600)

    async def check(self, login: str, password: str, client: str = HERE) -> LoggedIn | Refused:
        return await self.logins.check(login, password, client)

    async def fail(self, times: int, login: str = "ewa", client: str = HERE) -> set[LoggedIn | Refused]:
        """With another wrong password each time."""
        return {await self.check(login, f"wrong {number} {self.now}", client) for number in range(times)}
