"""`routerd check --live` beside a running daemon: its own message comes back, or it says why not."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers.certificate import make_certificate
from peers.daemon import CONFIG, RouterdDaemon
from peers.dns_server import DnsServer

from routerd.cli.live.by_mail import look_by_mail
from routerd.config.load import load_settings
from routerd.config.settings import Settings
from routerd.ops.dns import Resolver
from routerd.ops.metrics import Metrics


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.has("example.com", "MX", "10 mx1.example.com.")
        server.has("mx1.example.com", "A", "127.0.0.1")
        yield server


@pytest.fixture
def daemon(tmp_path: Path, dns: DnsServer) -> Iterator[RouterdDaemon]:
    certificate, key = make_certificate(tmp_path, "mx1.example.com")
    more = f"dns: {{{{servers: [{dns.endpoint!r}]}}}}\ntls: {{{{certificate: {certificate}, key: {key}}}}}\n"
    with RouterdDaemon(tmp_path / "routerd", config=CONFIG + more) as running:
        yield running


def settings_of(daemon: RouterdDaemon) -> Settings:
    settings = load_settings(daemon.config_path).settings
    assert settings is not None
    return settings


async def look(daemon: RouterdDaemon, *, port: int | None = None, wait_seconds: float = 20) -> list[str]:
    settings = settings_of(daemon)
    resolver = Resolver(settings.dns, Metrics())
    try:
        looking = look_by_mail(settings, resolver.look_up, wait_seconds, port=port or daemon.smtp_port)
        return [f"{told.state} {told.kind}: {told.text}" async for told in looking]
    finally:
        await resolver.close()


async def test_what_is_sent_comes_back(daemon: RouterdDaemon) -> None:
    """To each kind of address of each inbox; no mailbox has it afterwards. The certificate is one that nobody knows."""
    *told, certificate = await look(daemon)
    kinds = [("bounces", "b"), ("answers", "c"), ("notes", "n"), ("drafts", "d")]
    expected = [f"ok {kind}: {inbox}+{letter}." for inbox in ("support", "billing") for kind, letter in kinds]
    for line, beginning in zip(told, expected, strict=True):
        assert line.startswith(beginning)
        assert line.endswith("reaches us by mx1.example.com (handed over by 127.0.0.1)")
    assert certificate.startswith(
        "wrong certificate: that of mx1.example.com is believed by no server that checks it: "
    )
    assert not list(daemon.folder.glob("mail/*/new/*"))


async def test_a_host_that_keeps_it(daemon: RouterdDaemon) -> None:
    """A server that takes everything, and hands nothing on, is found out after a while."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx\r\n")
        in_content = False
        while line := await reader.readline():
            if not in_content or line == b".\r\n":
                in_content = line.lower() == b"data\r\n"
                writer.write(b"354 go\r\n" if in_content else b"250 ok\r\n")
        writer.close()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as server:
        told = await look(daemon, port=server.sockets[0].getsockname()[1], wait_seconds=1)
    assert [line.partition(":")[0] for line in told] == [
        f"wrong {kind}" for _ in range(2) for kind in ("bounces", "answers", "notes", "drafts")
    ]
    assert "mx1.example.com took a message to support+b." in told[0]


async def test_a_host_that_refuses_it(daemon: RouterdDaemon) -> None:
    """As servers do that know no +detail: its words are told."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx\r\n")
        while line := await reader.readline():
            writer.write(b"550 5.1.1 no such user\r\n" if line.lower().startswith(b"rcpt") else b"250 ok\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        told = await look(daemon, port=server.sockets[0].getsockname()[1])
    assert told[0].startswith("wrong bounces: mx1.example.com refuses support+b.")
    assert told[0].endswith(": 550 5.1.1 no such user")


async def test_nobody_there(daemon: RouterdDaemon, dns: DnsServer, tmp_path: Path) -> None:
    """Neither a host that cannot be reached, nor a daemon that does not run, is a verdict."""
    told = await look(daemon, port=1)
    assert "mx1.example.com[127.0.0.1]:1: Connection refused" in told[0]
    dns.has("example.com", "MX", "10 gone.example.com.")
    told = await look(daemon)
    assert told[0].endswith("gone.example.com has no address in DNS")
    daemon.stop()
    [line] = await look(daemon)
    assert line.startswith("unknown bounces: only the running daemon can say what reaches it: ")


def test_the_command(daemon: RouterdDaemon, dns: DnsServer) -> None:
    """It says what is wrong, in text and as JSON, and exits with 1; what it cannot tell is no reason to."""
    dns.has("example.com", "MX", "10 gone.example.com.")
    command = [sys.executable, "-m", "routerd.cli.main", "check", "-c", str(daemon.config_path), "--live"]
    command += ["--address", "127.0.0.1", "--wait", "1"]
    text = subprocess.run(command, check=False, capture_output=True, text=True)
    assert text.returncode == 1, text.stderr
    lines = text.stdout.splitlines()
    assert "wrong   name        127.0.0.1 has no name in DNS (PTR); it should be mx1.example.com" in lines
    assert "wrong   mx          mail for example.com goes to gone.example.com, which has no address in DNS" in lines
    assert lines[-1].startswith("not ok: ")
    told = json.loads(subprocess.run([*command, "--format", "json"], check=False, capture_output=True).stdout)
    assert {one["kind"] for one in told["live"]} == {
        "name",
        "mx",
        "bounces",
        "answers",
        "notes",
        "drafts",
        "certificate",
    }
    assert not told["ok"]
