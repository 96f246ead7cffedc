"""Programs that send and take mail: swaks, and Postfix's smtp-source and smtp-sink."""

import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from peers.machine import PeerError, Process, free_port, require_program


def swaks(port: int, *options: str, sender: str, recipients: Sequence[str]) -> str:
    """Sends one message made by swaks from `options` (`--h-Subject`, `--body`, `--attach`, …) and gives the dialogue.

    Raises PeerError with the dialogue where the server did not take it.
    """
    command = [
        require_program("swaks", "swaks"),
        *("--server", "127.0.0.1", "--port", str(port), "--helo", "client.example.net", "--timeout", "60"),
        *("--from", sender or "<>", "--to", ",".join(recipients)),
        *options,
    ]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, stdin=subprocess.DEVNULL)
    dialogue = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    if done.returncode:
        raise PeerError(f"swaks ended with {done.returncode}\n{dialogue}")
    return dialogue


def swaks_message(
    port: int, message: bytes, folder: Path, *options: str, sender: str, recipients: Sequence[str]
) -> str:
    """Sends the bytes of `message` as they are; only dots are stuffed, and a line end added where the last one lacks.

    `folder` holds the file from which swaks reads; `options` are those of the connection.
    """
    ended = message if message.endswith(b"\r\n") or not message else message + b"\r\n"
    stuffed = re.sub(rb"(?m)^\.", b"..", ended)
    path = folder / "swaks.data"
    path.write_bytes(stuffed + b".")  # swaks ends the last line itself
    return swaks(port, "--no-data-fixup", "--data", f"@{path}", *options, sender=sender, recipients=recipients)


def smtp_source(
    port: int,
    messages: int,
    *,
    sender: str,
    recipient: str,
    size_bytes: int = 4096,
    message: Path | None = None,
    subject: str = "",
    sessions: int = 20,
    keep_connections: bool = False,
    client: str = "client.example.net",
) -> list[str]:
    """The command that sends `messages` over `sessions` connections at a time.

    Each has a Message-ID of its own, which ends in `client`. `message` is a file with what is sent instead, as it is,
    for all of them; an empty line is added.
    """
    content = ["-l", str(size_bytes), *(["-S", subject] if subject else [])]
    return [
        require_program("smtp-source", "postfix"),
        *("-s", str(sessions), "-m", str(messages)),
        *(content if message is None else ["-F", str(message)]),
        *("-f", sender, "-t", recipient, "-M", client),
        *(["-d"] if keep_connections else []),
        f"127.0.0.1:{port}",
    ]


class SmtpSink:
    """smtp-sink: takes everything. `count` ends it once so many messages came; `captured` keeps them as files."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        count: int | None = None,
        captured: Path | None = None,
        port: int | None = None,
    ) -> None:
        self._program = require_program("smtp-sink", "postfix")
        self.port = port or free_port()
        self._folder = folder
        self._captured = captured
        self._options = [
            *options,
            *(["-M", str(count)] if count is not None else []),
            *(["-d", f"{captured}/message."] if captured is not None else []),
            *(["-u", "nobody"] if os.geteuid() == 0 and captured is None else []),
            *(["-u", "root"] if os.geteuid() == 0 and captured is not None else []),
        ]
        self.process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        command = [self._program, "-c", *self._options, f"127.0.0.1:{self.port}", "1000"]
        log = self._folder / f"sink-{self.port}.log"
        log.unlink(missing_ok=True)  # it counts anew
        self.process = Process(command, log)
        self.process.wait_until_listening(self.port)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()

    def count(self) -> int:
        """How many messages it has taken, by the counters that it writes: `sess=3 quit=3 mesg=3`."""
        if self.process is None:
            return 0
        with self.process.log.open("rb") as output:
            output.seek(max(output.seek(0, os.SEEK_END) - 200, 0))
            found = re.findall(rb"mesg=(\d+)\r", output.read())
        return int(found[-1]) if found else 0

    def messages(self) -> list[bytes]:
        """What was captured whole; smtp-sink writes the envelope as X- headers above each.

        It makes a message's file at MAIL and writes it as data come: a file that it still has open is not whole.
        """
        if self._captured is None:
            return []
        paths = sorted(self._captured.iterdir())
        being_written = self._open_files()
        return [path.read_bytes() for path in paths if path not in being_written]

    def _open_files(self) -> set[Path]:
        """What the running sink holds open."""
        if self.process is None or self.process.exit_status is not None:
            return set()
        held = set()
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since it was listed
                held.add(entry.readlink())
        return held
