"""The sample messages of tests/golden/mail, what routerd makes of them, and how a copy is held against its sample."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

FOLDER = Path(__file__).parents[1] / "golden/mail"
TEAMS = {"finance": {"ewa", "jan"}, "sales": {"omar", "ewa"}, "duty": {"jan"}}
OURS = re.compile(
    rb"(?i)(?:Delivered-To|X-Assigned-(?:To|Name)|X-Labels|X-Routerd-(?:Rules|Why|Id|Copy|Also|Trace)|Importance|X-Priority"
    rb"|Authentication-Results|Received|Return-Path|X-Original-To):"
)


@dataclass(frozen=True)
class MailSample:
    name: str
    raw: bytes  # CRLF
    kept: bytes  # what a copy ends with, LF
    sender: str
    recipients: list[str]
    team: str
    labels: list[str]

    @property
    def kept_body(self) -> bytes:
        return self.kept.partition(b"\n\n")[2]

    @property
    def kept_header(self) -> bytes:
        return self.kept.partition(b"\n\n")[0]


def load_samples() -> list[MailSample]:
    index = yaml.safe_load((FOLDER / "index.yaml").read_text())
    return [_sample(name, about) for name, about in index.items()]


def _sample(name: str, about: dict) -> MailSample:  # type: ignore[type-arg]
    raw = (FOLDER / f"{name}.eml").read_bytes()
    kept_file = FOLDER / f"{name}.kept.eml"
    kept = kept_file.read_bytes() if kept_file.exists() else raw
    if not kept.endswith(b"\r\n"):
        kept += b"\r\n"  # SMTP ends every line
    return MailSample(
        name,
        raw,
        kept.replace(b"\r\n", b"\n"),
        about.get("sender", "anna@klient.pl"),
        about.get("recipients", ["support@example.com"]),
        about["team"],
        about.get("labels", []),
    )


def added_header(copy: bytes, kept: bytes) -> bytes | None:
    """What stands above the sample in a copy, if that is nothing but fields that we or a mail server add; else None."""
    if not copy.endswith(kept):
        return None
    head = copy[: len(copy) - len(kept)]
    fields = re.sub(rb"\n[ \t]+", b" ", head).splitlines()
    return head if fields and all(OURS.match(line) for line in fields) else None


def value(head: bytes, name: str) -> str:
    """The unfolded value of a field in an added header; "" where it is not there."""
    unfolded = re.sub(rb"\n[ \t]+", b" ", head)
    found = re.search(rb"(?mi)^" + name.encode() + rb":[ \t]*(.*)$", unfolded)
    return found[1].decode() if found else ""
