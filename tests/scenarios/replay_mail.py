"""A desk with two sets of rules, and old mail of every kind of storage, for the tests of `routerd replay`."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from routerd.starter.samples import SAMPLES

CONFIG = """\
hostname: mx.example.com
postmaster: duty
members:
  ewa: {mailbox: ewa@example.com}
  jan: {mailbox: jan@example.com}
  omar: {mailbox: omar@example.com}
teams:
  finance: {members: [ewa, jan]}
  sales: {members: [omar, ewa]}
  duty: {members: [jan, omar]}
inboxes:
  support@example.com: {default: duty, aliases: [help@example.com]}
  billing@example.com: {default: finance}
delivery: [{domain: "*", smtp: "mail.example.com:25"}]
limits_of_rules: [{files: "*", actions: [all]}]
"""
BEFORE = """\
rules:
  - {name: spam, when: {subject: lottery}, then: {label: spam, stop: true}}
  - {name: invoices, when: {text: [invoice, faktur]}, then: {assign: finance, label: invoice}}
  - {name: offers, when: {text: offer}, then: {assign: sales, label: [sales, offer], watch: omar}}
  - {name: never, when: {subject: unicorn}, then: {label: unicorn}}
"""
AFTER = """\
rules:
  - {name: spam, when: {subject: lottery}, then: {label: spam, hold: is it spam?, stop: true}}
  - {name: invoices, when: {text: invoice}, then: {assign: duty, label: [invoice, money]}}
  - {name: offers, when: {text: offer}, then: {assign: sales, label: sales, priority: high}}
  - {name: never, when: {subject: unicorn}, then: {label: unicorn}}
"""
WORDS = ("invoice", "faktura", "offer", "lottery", "hello", "question", "zażalenie")


def write_desk(folder: Path) -> None:
    (folder / "routerd.yaml").write_text(CONFIG)
    for name, rules in (("rules.d", BEFORE), ("new.d", AFTER)):
        (folder / name).mkdir()
        (folder / name / "10-desk.yaml").write_text(rules)


def messages(count: int) -> list[bytes]:
    """The same ones each time, with LF as files have it."""
    dice = random.Random(11)
    return [
        (
            f"From: Anna <anna@klient.pl>\nTo: {dice.choice(('support', 'billing', 'help'))}@example.com\n"
            f"Subject: {dice.choice(WORDS)} {number}\nDate: Mon, 05 Jan 2026 09:00:00 +0100\n"
            f"Message-ID: <{number}@klient.pl>\nContent-Type: text/plain; charset=utf-8\n\n"
            f"{' '.join(dice.choices(WORDS, k=3))}\nFrom here on: {number}\n"
        ).encode()
        for number in range(count)
    ]


def write_maildir(folder: Path, found: list[bytes]) -> None:
    """Read and new mail, a subfolder of Maildir++, and what is no mail beside them."""
    for place in ("cur", "new", "tmp", ".Archive.2025/cur", ".Archive.2025/new", ".Archive.2025/tmp"):
        (folder / place).mkdir(parents=True)
    for number, raw in enumerate(found):
        place = ("cur", "new", ".Archive.2025/cur")[number % 3]
        (folder / place / f"{number:06}.M1P2.host:2,S").write_bytes(raw)
    (folder / "tmp" / "1.half").write_bytes(b"From: half a message")
    (folder / "dovecot.index.log").write_bytes(b"\0\1")
    (folder / ".Archive.2025" / "maildirfolder").touch()


def write_mbox(path: Path, found: list[bytes]) -> None:
    """With `>From ` as mboxrd has it."""
    path.write_bytes(
        b"".join(
            b"From anna@klient.pl Mon Jan  5 09:00:00 2026\n" + raw.replace(b"\nFrom ", b"\n>From ") + b"\n"
            for raw in found
        )
    )


def sample_messages(count: int) -> list[bytes]:
    """What a shared inbox gets, over and over, numbered."""
    dice = random.Random(7)
    began = datetime(2026, 1, 5, 8, tzinfo=UTC)
    return [
        replace(sample, subject=f"{sample.subject} ({number})")
        .message(f"<{number}@sample.example>", began + timedelta(hours=number))
        .replace(b"\r\n", b"\n")
        for number, sample in enumerate(dice.choices(SAMPLES, k=count), 1)
    ]
