"""Postfix, as many instances as a test wants: in front of routerd, behind it, or as the relay to measure against."""

import contextlib
import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from peers.machine import PeerError, Process, free_port, is_listening, require_program, require_root, wait_for

# service type private unpriv chroot wakeup maxproc command: the package's services, none of them in a chroot
_SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_MAIN = {
    "compatibility_level": "3.6",
    "queue_directory": "{folder}/spool",
    "data_directory": "{folder}/data",
    "maillog_file": "{folder}/log/maillog",
    "maillog_file_prefixes": "{folder}",
    "myhostname": "mx.example.test",
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "smtp_dns_support_level": "disabled",
    "alias_maps": "",
    "alias_database": "",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "local_recipient_maps": "",
    # a relay that changes no byte of what it carries
    "local_header_rewrite_clients": "",
    "smtp_line_length_limit": "0",
    # tests do not wait for minutes
    "minimal_backoff_time": "1s",
    "maximal_backoff_time": "5s",
    "queue_run_delay": "1s",
}


class Postfix:
    """One instance with its own queue under `folder`, which other users must be able to reach.

    `settings` are those of main.cf beyond the common ones, with `{folder}` filled in; `files` are written beside it,
    before it starts. `services` are lines of master.cf beyond the common ones.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, str], files: Mapping[str, str] | None = None, services: str = ""
    ) -> None:
        self._program = require_program("postfix", "postfix")
        self._postqueue = require_program("postqueue", "postfix")
        require_root("postfix")
        self.folder = folder
        self.port = free_port()
        self._settings = settings
        self._services = services
        self._files = files or {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def etc(self) -> Path:
        return self.folder / "etc"

    def start(self) -> None:
        for name in ("etc", "spool", "data", "log"):
            (self.folder / name).mkdir(exist_ok=True)
        user = pwd.getpwnam("postfix")
        os.chown(self.folder / "data", user.pw_uid, user.pw_gid)
        settings = {**_MAIN, **self._settings}
        lines = [f"{key} = {value.format(folder=self.folder)}\n" for key, value in settings.items()]
        (self.etc / "main.cf").write_text("".join(lines))
        (self.etc / "master.cf").write_text(_SERVICES.format(port=self.port) + self._services)
        for name, text in self._files.items():
            (self.etc / name).write_text(text)
        self._run("start")
        wait_for(lambda: is_listening(self.port), f"Postfix on port {self.port}", trouble=self.log)

    def stop(self) -> None:
        """Ends it, at once if it has to be."""
        pid = self._master_pid()
        try:
            self._run("stop", seconds=20)
        except PeerError:
            pass  # the processes do not care why
        finally:
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Of the master; the others are in its session. Raises PeerError where it does not run."""
        pid = self._master_pid()
        if pid is None:
            raise PeerError(f"Postfix does not run\n{self.log()}")
        return pid

    def log(self) -> str:
        path = self.folder / "log/maillog"
        return path.read_text(errors="replace") if path.exists() else ""

    def queue(self) -> list[str]:
        """One line of JSON per message that waits."""
        listed = subprocess.run(
            [self._postqueue, "-c", self.etc, "-j"], capture_output=True, text=True, timeout=60, check=True
        )
        return listed.stdout.splitlines()

    def flush(self) -> None:
        """Has it look through its queues: what it has just skipped it would leave for five minutes."""
        subprocess.run([self._postqueue, "-c", self.etc, "-f"], timeout=60, check=True)

    def _master_pid(self) -> int | None:
        try:
            return int((self.folder / "spool/pid/master.pid").read_text())
        except (OSError, ValueError):
            return None

    def _run(self, action: str, seconds: float = 60) -> None:
        # in a session of its own: `postfix` waits for its own children, and all of them end with it
        process = Process([self._program, "-c", self.etc, action], self.folder / f"{action}.output")
        try:
            status = process.wait(seconds)
        except PeerError:
            process.kill()
            raise
        if status:
            raise PeerError(f"postfix {action} ended with {status}\n{process.output()}\n{self.log()}")


def postfix_front(folder: Path, routerd_port: int, domain: str = "example.com") -> Postfix:
    """Takes anybody's mail for `domain` and hands it to routerd by a transport map, as the README says."""
    settings = {"relay_domains": domain, "transport_maps": "texthash:{folder}/etc/transport"}
    return Postfix(folder, settings, {"transport": f"{domain} smtp:[127.0.0.1]:{routerd_port}\n"})


def postfix_behind(
    folder: Path, domain: str, users: Sequence[str], lmtp: str | None = None, settings: Mapping[str, str] | None = None
) -> Postfix:
    """The mailboxes' own server: Maildirs `folder/mail/USER/`, or `lmtp` (`inet:127.0.0.1:2424`, `unix:/path`).

    Whoever is not in `users` is refused at RCPT with 550 5.1.1.
    """
    owner = pwd.getpwnam("mail")
    mailboxes = folder / "mail"
    mailboxes.mkdir()
    os.chown(mailboxes, owner.pw_uid, owner.pw_gid)
    own = {
        "virtual_mailbox_domains": domain,
        "virtual_mailbox_maps": "texthash:{folder}/etc/mailboxes",
        "virtual_mailbox_base": str(mailboxes),
        "virtual_minimum_uid": "1",
        "virtual_uid_maps": f"static:{owner.pw_uid}",
        "virtual_gid_maps": f"static:{owner.pw_gid}",
        "smtpd_reject_unlisted_recipient": "yes",
    }
    if lmtp is not None:
        own["virtual_transport"] = f"lmtp:{lmtp}"
    listed = "".join(f"{user}@{domain} {user}/\n" for user in users)
    return Postfix(folder, {**own, **(settings or {})}, {"mailboxes": listed})


def postfix_relay(folder: Path, next_hop_port: int, *, lmtp: bool = False) -> Postfix:
    """The plain relay without rules that the benchmarks compare with; with `lmtp` the next hop speaks that."""
    hop = (
        {"default_transport": f"lmtp:inet:127.0.0.1:{next_hop_port}", "lmtp_line_length_limit": "0"}
        if lmtp
        else {"relayhost": f"[127.0.0.1]:{next_hop_port}"}
    )
    return Postfix(folder, {**hop, "minimal_backoff_time": "300s", "queue_run_delay": "300s"})
