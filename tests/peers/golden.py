"""The sample messages of tests/golden/mail: exact bytes, and what routerd is expected to make of each."""

from dataclasses import dataclass
from pathlib import Path

import yaml

FOLDER = Path(__file__).parents[1] / "golden/mail"


@dataclass(frozen=True, slots=True)
class Golden:
    """One sample message.

    `kept` is what of it a copy must end with, its line ends CRLF: all of it, less forged headers.
    """

    name: str
    sender: str
    recipients: tuple[str, ...]
    labels: frozenset[str]
    team: str
    raw: bytes
    kept: bytes

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.eml"


def load_golden() -> tuple[Golden, ...]:
    """All of them, in the order of the index."""
    index = yaml.safe_load((FOLDER / "index.yaml").read_text())
    return tuple(_load_one(name, entry) for name, entry in index.items())


def _load_one(name: str, entry: dict[str, list[str] | str]) -> Golden:
    raw = (FOLDER / f"{name}.eml").read_bytes()
    left = FOLDER / f"{name}.kept.eml"
    kept = left.read_bytes() if left.exists() else raw
    return Golden(
        name=name,
        sender=str(entry.get("sender", "anna@klient.pl")),
        recipients=tuple(entry.get("recipients", ["support@example.com"])),
        labels=frozenset(entry.get("labels", [])),
        team=str(entry["team"]),
        raw=raw,
        kept=kept if kept.endswith(b"\r\n") else kept + b"\r\n",  # SMTP ends every line
    )
