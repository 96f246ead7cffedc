"""The real routerd in a process of its own, with a configuration made for one test."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from peers.bytecode import bytecode_environ
from peers.machine import PeerError, Process, free_port, wait_for

REPOSITORY = Path(__file__).parents[2]

CONFIG = """\
hostname: mx1.example.com
state: {folder}/state
rules: {folder}/rules.d
listen:
  - {{address: "127.0.0.1:{smtp_port}"}}
  - {{address: "127.0.0.1:{lmtp_port}", protocol: lmtp}}
trusted_networks: [127.0.0.0/8]
authserv_ids: [mx.example.com]
http: {{address: "127.0.0.1:{http_port}"}}
postmaster: duty
members:
  ewa: {{name: Ewa Nowak, mailbox: ewa@mail.example.com}}
  jan: {{name: Jan Kowalski, mailbox: jan@mail.example.com}}
  omar: {{name: عمر, mailbox: omar@mail.example.com}}
teams:
  finance: {{members: [ewa, jan], fallback: duty}}
  sales: {{members: [omar, ewa], fallback: duty}}
  duty: {{members: [jan], pick: first}}
inboxes:
  support@example.com: {{default: duty}}
  billing@example.com: {{default: finance}}
delivery:
{delivery}
retry: {{first: 1s, factor: 1, max: 1s}}
"""

DELIVER_TO_MAILDIRS = '  - {{domain: "*", maildir: "{folder}/mail/{{local}}"}}'


class RouterdDaemon:
    """`start` returns when it is ready. The members ewa, jan and omar have Maildirs `folder/mail/NAME`.

    `delivery` replaces the routes by other lines of YAML (indented by two); `config` replaces the whole template, in
    which `{folder}`, `{smtp_port}`, `{lmtp_port}`, `{http_port}` and `{delivery}` are filled in. `rules` is copied to
    `folder/rules.d` once; without it the project's own sample is.
    """

    def __init__(
        self,
        folder: Path,
        *,
        delivery: str | None = None,
        config: str = CONFIG,
        rules: Path | Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.smtp_port, self.lmtp_port, self.http_port = free_port(), free_port(), free_port()
        self.state = folder / "state"
        self.rules = folder / "rules.d"
        self.config_path = folder / "routerd.yaml"
        self.environ = {"ROUTERD_REHEARSAL": "notices:0.5,loopback", **bytecode_environ(), **(environ or {})}
        self._log = folder / "routerd.log"
        self._process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)
        ports = {"smtp_port": self.smtp_port, "lmtp_port": self.lmtp_port, "http_port": self.http_port}
        routes = DELIVER_TO_MAILDIRS.format(folder=folder) if delivery is None else delivery
        self.config_path.write_text(config.format(folder=folder, delivery=routes, **ports))
        _write_rules(self.rules, rules)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.exit_status is None

    def start(self, *, wait: bool = True) -> None:
        command = [*self.command_line("run"), "--log-format", "json"]
        self._process = Process(command, self._log, {"PYTHONDONTWRITEBYTECODE": "1", **self.environ})
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 120.0) -> None:
        def check() -> bool:
            status = self._running().exit_status
            if status is not None:
                raise PeerError(f"routerd ended with {status}\n{self.log_text()[-6000:]}")
            return self.http_status("/readyz") == 200

        wait_for(check, "routerd to be ready", seconds, lambda: self.log_text()[-6000:])

    def stop(self) -> None:
        """SIGTERM, then kill -9 if the drain does not end."""
        if self._process is not None:
            self._process.stop(30.0)

    def terminate(self, seconds: float = 120.0) -> int:
        """SIGTERM; gives the exit status, and raises PeerError where it does not end."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds: float = 120.0) -> int:
        """The exit status of a daemon that ends by itself."""
        return self._running().wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        self._running().send_signal(number)

    def kill9(self) -> None:
        self._running().kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def http_get(self, path: str) -> tuple[int, str]:
        """Status and text; status 0 where nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def http_status(self, path: str) -> int:
        return self.http_get(path)[0]

    def metric(self, name: str, **labels: str) -> float:
        """The sum over all samples called `name` (with its `_total`) that bear these labels; 0 where there is none."""
        total = 0.0
        for found in re.finditer(rf"(?m)^{re.escape(name)}(?:\{{(.*)\}})? (\S+)$", self.http_get("/metrics")[1]):
            given = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[1] or ""))
            if labels.items() <= given.items():
                total += float(found[2])
        return total

    def descriptors(self) -> int:
        """Of connections, messages and the like. The store's own are left out: it opens one more of its readers
        whenever all others are busy, and keeps it.
        """
        count = 0
        for one in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                count += not one.readlink().name.startswith("routerd.db")
        return count

    def maildir(self, member: str) -> Path:
        return self.folder / "mail" / member

    def copies(self, member: str) -> list[bytes]:
        """The messages in the member's Maildir, oldest first."""
        files = [path for name in ("new", "cur") for path in (self.maildir(member) / name).glob("*")]
        return [path.read_bytes() for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))]

    def wait_for_copies(self, count: int, *members: str, seconds: float = 120.0) -> list[bytes]:
        """All copies of `members` (default: every Maildir) once there are `count`."""

        def check() -> list[bytes] | None:
            names = members or [path.name for path in (self.folder / "mail").glob("*")]
            found = [copy for name in names for copy in self.copies(name)]
            return found if len(found) >= count else None

        found = wait_for(check, f"{count} copies", seconds, lambda: self.log_text()[-6000:])
        assert found is not None
        return found

    def log_text(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def log_events(self, event: str | None = None) -> list[dict[str, Any]]:
        """Every line of the log that is JSON, of all starts; of one event only, where it is named."""
        found = [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]
        return [one for one in found if event in (None, one["event"])]

    def wait_for_event(self, event: str, count: int = 1, seconds: float = 120.0) -> list[dict[str, Any]]:
        def check() -> list[dict[str, Any]] | None:
            found = self.log_events(event)
            return found if len(found) >= count else None

        found = wait_for(check, f"{count} of {event} in the log", seconds, lambda: self.log_text()[-6000:])
        assert found is not None
        return found

    def command(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """`routerd ARGUMENTS -c CONFIG`, such as `queue list --json`; its exit status is not judged."""
        return subprocess.run(
            self.command_line(*map(str, arguments)),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, **self.environ},
        )

    def command_line(self, *arguments: str) -> list[str]:
        """What `command` runs."""
        return [sys.executable, "-m", "routerd.cli.main", *arguments, "-c", str(self.config_path)]

    def _running(self) -> Process:
        if self._process is None:
            raise PeerError("routerd was not started")
        return self._process


def _write_rules(folder: Path, rules: Path | Mapping[str, str] | None) -> None:
    if isinstance(rules, Mapping):
        folder.mkdir(exist_ok=True)
        for name, text in rules.items():
            (folder / name).write_text(text)
    elif not folder.exists():
        shutil.copytree(REPOSITORY / "rules.d" if rules is None else rules, folder)
