"""`routerd demo`: the main job on embedded defaults, with mail that it sends itself."""

import asyncio
import smtplib
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import NoReturn

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from routerd.cli.init import ExistsError, write_starter
from routerd.cli.options import EXIT_FOUND_WRONG, EXIT_UNUSABLE, fit_to_print, print_problems, why_not
from routerd.config.load import load_settings
from routerd.config.settings import HostPort, Http, Listener, Settings
from routerd.config.yaml_source import Problem
from routerd.daemon import Daemon, StartError
from routerd.message.view import MessageView
from routerd.ops.logs import configure_logs
from routerd.ops.process import run_until_signalled
from routerd.starter import starter_files
from routerd.starter.samples import SAMPLES, Sample

HOSTNAME = "demo.routerd.test"
MARKER = ".routerd-demo"  # a folder without it is not the demo's
DELIVERED_WITHIN_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 0.05
_WIDE = 100  # columns of a terminal that has room for the rules beside the reasons


class DemoError(Exception):
    """The demo did not do what it shows; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    """One copy as it lies in a member's Maildir."""

    path: Path
    member: str
    view: MessageView

    def says(self, header: str) -> str:
        return ", ".join(self.view.header(header))


@click.command("demo")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("routerd-demo"),
    show_default=True,
    help="Where config, rules, state and Maildirs are kept.",
)
@click.option("--smtp-port", type=click.IntRange(0, 65535), default=2525, show_default=True, help="0: any free one.")
@click.option("--http-port", type=click.IntRange(0, 65535), default=9925, show_default=True, help="0: any free one.")
@click.option("--once", is_flag=True, help="End after the table.")
def command(folder: Path, smtp_port: int, http_port: int, once: bool) -> None:
    """Receive, decide and deliver sample mail in three languages; print who got what and why; keep serving."""
    place = _Place(folder.absolute(), smtp_port, http_port)
    configure_logs("console", "warning")
    try:
        place.prepare()
    except (DemoError, ExistsError, OSError) as error:
        _fail(why_not(error) if isinstance(error, OSError) else str(error), "Another folder: --dir")
    settings, problems = place.settings()
    if settings is None:
        print_problems(problems)
        sys.exit(EXIT_UNUSABLE)
    failures: list[str] = []

    def on_ready(daemon: Daemon) -> None:
        stop = partial(asyncio.get_running_loop().call_soon_threadsafe, daemon.stop)
        ports = next(iter(daemon.intake.addresses().values()))[0][1], daemon.http.address.port
        show = threading.Thread(target=_show, args=(place, *ports, once, stop, failures), daemon=True, name="demo")
        show.start()

    try:
        run_until_signalled(lambda: Daemon(place.config, settings, reread=place.settings, on_ready=on_ready))
    except StartError as error:
        _fail(str(error), "Other ports: --smtp-port and --http-port (0: any free one); another folder: --dir")
    if failures:
        _fail(failures[0])


def _fail(reason: str, *hints: str) -> NoReturn:
    for line in (f"routerd demo: {reason}", *hints):
        click.echo(fit_to_print(line), err=True)
    sys.exit(EXIT_FOUND_WRONG)


@dataclass(frozen=True, slots=True)
class _Place:
    """The demo's folder, and the ports that it was told."""

    folder: Path
    smtp_port: int
    http_port: int

    @property
    def config(self) -> Path:
        return self.folder / "routerd.yaml"

    def prepare(self) -> None:
        """Makes the folder the demo's where there is none, or an empty one; any other it must be already.

        Raises DemoError, ExistsError, OSError.
        """
        marker = self.folder / MARKER
        if not marker.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            if any(self.folder.iterdir()):
                raise DemoError(f"{self.folder} is not empty, and no demo's folder (it has no {MARKER})")
            marker.write_text("A folder of `routerd demo`: it may be removed.\n")
        if not self.config.exists():
            write_starter(self.folder, starter_files())

    def settings(self) -> tuple[Settings | None, tuple[Problem, ...]]:
        """The folder's config on the demo's ports."""
        loaded = load_settings(self.config, machine_name=lambda: HOSTNAME)
        if loaded.settings is None:
            return None, loaded.problems
        listener = Listener(address=HostPort(host="127.0.0.1", port=self.smtp_port))
        http = Http(address=HostPort(host="127.0.0.1", port=self.http_port))
        return loaded.settings.model_copy(update={"listen": (listener,), "http": http}), ()


def _show(
    place: _Place, smtp_port: int, http_port: int, once: bool, stop: Callable[[], object], failures: list[str]
) -> None:
    """Sends, waits, prints. In a thread of its own: it is a stranger to the daemon, as mail's senders are."""
    console = Console(soft_wrap=False)
    try:
        console.print(f"SMTP on 127.0.0.1:{smtp_port}, HTTP on http://127.0.0.1:{http_port}/metrics", highlight=False)
        sent = _send_samples(smtp_port)
        arrived = _wait_for(sent, place.folder / "mail")
        console.print(_table(sent, arrived, console.width))
        console.print(f"The copies are in {place.folder}/mail/*/new/; one of them:\n", highlight=False)
        console.print(_head(arrived[0]), highlight=False, markup=False)
    except (DemoError, OSError, smtplib.SMTPException) as error:
        failures.append(str(error))
        stop()
        return
    except SystemExit:  # rich's way of saying that nobody reads on: `routerd demo | head`
        stop()
        return
    if once:
        stop()
        return
    console.print(
        f"Still serving. Send mail to support@example.com at 127.0.0.1:{smtp_port}; edit {place.folder}/rules.d and\n"
        "see it take effect. Ctrl-C ends it.",
        highlight=False,
        markup=False,
    )


def _send_samples(port: int) -> dict[str, Sample]:
    """Message-ID, without brackets → sample."""
    sent: dict[str, Sample] = {}
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example", timeout=30) as client:
        for sample in SAMPLES:
            message_id = f"{token_hex(8)}@{sample.sender.partition('@')[2]}"
            message = sample.message(f"<{message_id}>", datetime.now(UTC))
            client.sendmail(sample.sender, [sample.recipient], message)
            sent[message_id] = sample
    return sent


def _wait_for(sent: dict[str, Sample], mail: Path) -> list[_Arrived]:
    """Every copy of what was sent, in the order of sending. Raises DemoError."""
    seen: dict[Path, _Arrived] = {}
    deadline = time.monotonic() + DELIVERED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        for path in mail.glob("*/new/*"):
            if path not in seen:
                seen[path] = _Arrived(path, path.parent.parent.name, MessageView(path.read_bytes()))
        arrived = [one for one in seen.values() if one.view.message_id in sent]
        if sent.keys() <= {one.view.message_id for one in arrived}:
            order = list(sent)
            return sorted(arrived, key=lambda one: order.index(one.view.message_id or ""))
        time.sleep(LOOK_AGAIN_SECONDS)
    raise DemoError(f"not all mail arrived under {mail} within {DELIVERED_WITHIN_SECONDS:.0f} s")


def _table(sent: dict[str, Sample], arrived: list[_Arrived], width: int) -> Table:
    """In `width` columns; where they are few, the rules are named in the reasons alone."""
    table = Table(title="Who got what, and why", box=box.SQUARE, show_lines=True, expand=True)
    recipients = max(len(sample.recipient) for sample in sent.values()) + len("→ ")
    # To rich the width of a column that has a ratio is the least that it gets.
    table.add_column("message", ratio=4, width=recipients, overflow="fold")
    table.add_column("owner", no_wrap=True)
    table.add_column("labels", no_wrap=True)
    if width >= _WIDE:
        table.add_column("rules", ratio=4, overflow="fold")
    table.add_column("why", ratio=6, overflow="fold")
    for one in arrived:
        sample = sent[one.view.message_id or ""]
        rules = Text("\n".join(rule.rpartition("/")[2] for rule in one.says("x-routerd-rules").split(", ")))
        table.add_row(
            Text(f"{sample.subject}\n{sample.name}\n→ {sample.recipient}"),
            Text(one.member),
            Text(one.says("x-labels").replace(", ", "\n")),
            *((rules,) if width >= _WIDE else ()),
            Text(one.says("x-routerd-why").replace("; ", "\n")),
        )
    return table


def _head(arrived: _Arrived) -> str:
    """The copy's header fields, as they lie in the Maildir."""
    return arrived.path.read_bytes().partition(b"\n\n")[0].decode("utf-8", "replace") + "\n"
