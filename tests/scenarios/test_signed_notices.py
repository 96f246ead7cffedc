"""Notices and answers of a running daemon, signed by keys that `routerd dkim keygen` made."""

import asyncio
import os
import signal
import smtplib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.utils import parseaddr
from pathlib import Path

import pytest
from click.testing import CliRunner
from peers.daemon import CONFIG, RouterdDaemon
from scripted_next_hop import NextHop

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
    raw = b"\r\n".join(raw.splitlines()) + b"\r\n"
    message = SignedMessage(raw, HeaderBlock.scan(raw))
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
        await asyncio.to_thread(daemon.wait_for_event, "config_refused")


def hand_over(daemon: RouterdDaemon, sender: str, to: str, raw: str) -> None:
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port) as client:
        client.sendmail(sender, [to], raw.encode())


async def test_answers_are_believed_at_the_customers_server(tmp_path: Path) -> None:
    """What leaves there is the inbox's own, signed, and tells nothing of the house."""
    folder = tmp_path / "routerd"
    folder.mkdir()
    record = keygen(folder, "s2026", "rsa")
    hop = await NextHop().start()
    config = CONFIG + "dkim:\n  - {{domain: example.com, selector: s2026, key: s2026.pem}}\n"
    config = config.replace("{{default: duty}}", "{{default: duty, replies: through}}")
    routes = f'  - {{domain: klient.pl, smtp: "127.0.0.1:{hop.port}", tls: none}}\n'
    routes += f'  - {{domain: "*", maildir: "{folder}/mail/{{local}}", trusts_us: true}}'
    with RouterdDaemon(folder, config=config, delivery=routes, rules={}) as daemon:
        asked = "From: Anna <anna@klient.pl>\r\nTo: support@example.com\r\nSubject: Parcel\r\n"
        asked += "Message-ID: <1@klient.pl>\r\n\r\nWhere is it?\r\n"
        await asyncio.to_thread(hand_over, daemon, "anna@klient.pl", "support@example.com", asked)
        [copy] = await asyncio.to_thread(daemon.wait_for_copies, 1, "jan")
        to = parseaddr(message_from_bytes(copy)["Reply-To"])[1]
        answer = "Authentication-Results: mx.example.com; dmarc=pass header.from=mail.example.com\r\n"
        answer += f"From: Jan <jan@mail.example.com>\r\nTo: {to}\r\nSubject: Re: Parcel\r\nX-Mailer: Secret 1.0\r\n"
        answer += "Message-ID: <2@mail.example.com>\r\nReferences: <1@klient.pl>\r\n"
        answer += "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nOn its way.\r\n.\r\n"
        await asyncio.to_thread(hand_over, daemon, "jan@mail.example.com", to, answer)
        [taken] = await hop.took(1)
    hop.stop()
    assert taken.recipients == ["anna@klient.pl"]
    assert taken.sender.startswith("support+b.")
    assert [(one.result, one.domain) for one in proven(taken.content, record)] == [("pass", "example.com")]
    mail = message_from_bytes(taken.content)
    written = ["From", "To", "Subject", "Date", "Message-ID", "References", "MIME-Version", "Content-Type"]
    assert mail.keys() == ["DKIM-Signature", *written]
    assert (mail["From"], mail["To"]) == ("Support <support@example.com>", "Anna <anna@klient.pl>")
    assert b"jan@" not in taken.content.lower()
    assert taken.content.endswith(b"\r\n\r\nOn its way.\r\n.\r\n")
