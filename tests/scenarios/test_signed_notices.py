"""Notices of a running daemon, signed by keys that `routerd dkim keygen` made."""

import asyncio
import os
import signal
import smtplib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from peers.daemon import CONFIG, RouterdDaemon

from routerd.auth.dkim import DkimResult, dkim_key_names, read_dkim, verify_dkim
from routerd.auth.dns_answers import Answer, Records
from routerd.auth.signed_message import SignedMessage
from routerd.cli.dkim import command as dkim
from routerd.message.headers import HeaderBlock

LOST = CONFIG.replace("ewa@mail.example.com", "ewa@lost.test").replace("omar@mail.example.com", "omar@lost.test")


@pytest.fixture
async def refusing() -> AsyncIterator[int]:
    """The port of a server that knows nobody."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx\r\n")
        while line := await reader.readline():
            writer.write(b"550 5.1.1 no such user\r\n" if line.startswith(b"RCPT") else b"250 ok\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def keygen(folder: Path, selector: str, kind: str) -> str:
    """Makes a key; gives the record that it prints, as `selector._domainkey.example.com value`."""
    path = folder / f"{selector}.pem"
    assert (
        CliRunner().invoke(dkim, ["keygen", "example.com", selector, "--kind", kind, "--file", str(path)]).exit_code
        == 0
    )
    shown = CliRunner().invoke(dkim, ["record", "example.com", selector, "--file", str(path), "--value"])
    return shown.stdout.strip()


def proven(raw: bytes, *records: str) -> list[DkimResult]:
    answers: dict[str, Answer] = {}
    for record in records:
        name, _, value = record.partition(" ")
        answers[name] = Records((value,), 300)
    message = SignedMessage(raw.replace(b"\n", b"\r\n"), HeaderBlock.scan(raw.replace(b"\n", b"\r\n")))
    signatures = read_dkim(message, datetime.now(UTC))
    assert set(dkim_key_names(signatures)) <= set(answers)
    return list(verify_dkim(message, signatures, answers))


async def notice(daemon: RouterdDaemon, inbox: str, count: int) -> bytes:
    """Mail whose owner nobody knows makes a notice, the daemon's `count`th."""

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", daemon.smtp_port) as client:
            client.sendmail("a@klient.pl", [inbox], b"From: a@klient.pl\r\nSubject: x\r\n\r\nx\r\n")

    await asyncio.to_thread(send)
    await asyncio.to_thread(daemon.wait_for_copies, 2 * count, "jan")
    [found] = [copy for copy in daemon.copies("jan") if b"multipart/report" in copy and inbox_owner(inbox) in copy]
    return found


def inbox_owner(inbox: str) -> bytes:
    return {"billing@example.com": b"ewa@lost.test", "sales@example.com": b"omar@lost.test"}[inbox]


async def test_notices_are_believed_elsewhere(tmp_path: Path, refusing: int) -> None:
    """By both keys of the domain, in a mailbox, below all that a copy bears; after a reload by the new one."""
    folder = tmp_path / "routerd"
    folder.mkdir()
    records = [keygen(folder, "old", "rsa"), keygen(folder, "ed", "ed25519"), keygen(folder, "new", "rsa")]
    key = "\n  - {{domain: example.com, selector: %s, key: %s.pem}}"
    config = LOST + "dkim:" + key % ("old", "old") + key % ("ed", "ed") + "\n"
    config = config.replace("inboxes:\n", "inboxes:\n  sales@example.com: {{default: omar}}\n")
    config = config.replace("billing@example.com: {{default: finance}}", "billing@example.com: {{default: ewa}}")
    routes = f'  - {{domain: lost.test, smtp: "127.0.0.1:{refusing}", tls: none}}\n'
    routes += f'  - {{domain: "*", maildir: "{folder}/mail/{{local}}"}}'
    with RouterdDaemon(folder, config=config, delivery=routes, rules={}) as daemon:
        first = await notice(daemon, "billing@example.com", 1)
        assert [(one.result, one.selector) for one in proven(first, *records)] == [("pass", "old"), ("pass", "ed")]
        assert {one.result for one in proven(first.replace(b"ewa@lost", b"eva@lost"), *records)} == {"fail"}

        text = daemon.config_path.read_text()
        daemon.config_path.write_text(text.replace("selector: old, key: old.pem", "selector: new, key: new.pem"))
        daemon.signal(signal.SIGHUP)
        await asyncio.to_thread(daemon.wait_for_event, "config_reloaded")
        second = await notice(daemon, "sales@example.com", 2)
        assert [(one.result, one.selector) for one in proven(second, *records)] == [("pass", "new"), ("pass", "ed")]

        os.truncate(folder / "new.pem", 10)
        daemon.signal(signal.SIGHUP)
        await asyncio.to_thread(daemon.wait_for_event, "ruleset_refused")
