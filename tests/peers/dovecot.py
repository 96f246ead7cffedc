"""Dovecot as an LMTP server with Maildirs, and as the one that knows a Postfix's passwords."""

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from peers.machine import Process, free_port, require_program, require_root

_CONFIG = """\
protocols = lmtp
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
ssl = no
hostname = mail.example.test
mail_location = maildir:%h/Maildir
first_valid_uid = 1
auth_username_format = %Lu
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
  unix_listener {folder}/lmtp {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


_QUOTA = """\
mail_plugins = quota
quota_full_tempfail = {tempfail}
plugin {{
  quota = maildir:all
  quota_grace = 0
}}
"""


_SIEVE = """\
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
}}
plugin {{
  sieve = file:{script}
  sieve_extensions = +editheader
  sieve_max_script_size = 50M
  sieve_max_cpu_time = 120s
}}
"""


class DovecotLmtp:
    """LMTP on `port` and on the unix socket `socket`, for `users` (whole addresses); others get 550 5.1.1.

    The mailboxes of those in `full` take no more: 552 5.2.2, or 452 4.2.2 with `tempfail`. `quotas` has what others may
    hold, such as "bytes=20000:messages=5", by Maildir++. `sieve` is a script that all mail goes through, compiled.
    """

    def __init__(
        self,
        folder: Path,
        users: Sequence[str],
        *,
        full: Sequence[str] = (),
        quotas: Mapping[str, str] | None = None,
        tempfail: bool = False,
        sieve: str | None = None,
    ) -> None:
        self._program = require_program("dovecot", "dovecot-core")
        self._sievec = require_program("sievec", "dovecot-sieve") if sieve is not None else ""
        if not Path("/usr/lib/dovecot/lmtp").exists():
            require_program("dovecot-lmtp", "dovecot-lmtpd")
        require_root("dovecot")
        self.folder = folder
        self.port = free_port()
        self.socket = folder / "lmtp"
        self._users = users
        self._quotas = {**dict.fromkeys(full, "bytes=1"), **(quotas or {})}
        self._tempfail = tempfail
        self._sieve = sieve
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        owner = pwd.getpwnam("mail")
        for name in ("run", "home"):
            (self.folder / name).mkdir(exist_ok=True)
        os.chown(self.folder / "home", owner.pw_uid, owner.pw_gid)
        rules = {user: f"userdb_quota_rule=*:{most}" for user, most in self._quotas.items()}
        lines = [
            f"{user}::{owner.pw_uid}:{owner.pw_gid}::{self.home(user)}::{rules.get(user, '')}\n" for user in self._users
        ]
        (self.folder / "users").write_text("".join(lines))
        config = self.folder / "dovecot.conf"
        quota = _QUOTA.format(tempfail="yes" if self._tempfail else "no") if self._quotas else ""
        sieve = _SIEVE.format(script=self.folder / "main.sieve") if self._sieve is not None else ""
        config.write_text(_CONFIG.format(folder=self.folder, port=self.port) + quota + sieve)
        if self._sieve is not None:
            script = self.folder / "main.sieve"
            script.write_text(self._sieve)
            subprocess.run([self._sievec, "-c", config, script], capture_output=True, timeout=600, check=True)
        self._process = Process([self._program, "-F", "-c", config], self.folder / "output")
        self._process.wait_until_listening(self.port)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    @property
    def pid(self) -> int:
        """Of the first process; the others are in its session."""
        assert self._process is not None
        return self._process.pid

    def home(self, user: str) -> Path:
        return self.folder / "home" / user

    def maildir(self, user: str) -> Path:
        return self.home(user) / "Maildir"

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def doveadm(self, *command: str) -> str:
        """What the administrator's tool prints; raises CalledProcessError where it fails."""
        program = require_program("doveadm", "dovecot-core")
        return subprocess.run(
            [program, "-c", self.folder / "dovecot.conf", *command],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout


_AUTH_CONFIG = """\
protocols =
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
ssl = no
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/passwords
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


class DovecotAuth:
    """Answers Postfix's questions about `passwords` (by login) on the unix socket `socket`."""

    def __init__(self, folder: Path, passwords: Mapping[str, str]) -> None:
        self._program = require_program("dovecot", "dovecot-core")
        require_root("dovecot")
        self.folder = folder
        self.socket = folder / "auth"
        self._passwords = passwords
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        (self.folder / "run").mkdir(exist_ok=True)
        lines = [f"{login}:{password}\n" for login, password in self._passwords.items()]
        (self.folder / "passwords").write_text("".join(lines))
        config = self.folder / "dovecot.conf"
        config.write_text(_AUTH_CONFIG.format(folder=self.folder))
        self._process = Process([self._program, "-F", "-c", config], self.folder / "output")
        self._process.wait_until_listening(self.socket)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
