"""Members who log in to send: what the router and the log get to know of it."""

import asyncio
import base64
import threading
from pathlib import Path
from typing import Any

import pytest
from intake_desk import HELLO, START, TEXT, Desk, make_certificate, open_intake, settings, talk
from structlog.testing import capture_logs

from routerd.config.password_hash import PasswordHash, _scrypt, prepared
from routerd.config.settings import Settings
from routerd.intake.tls import tls_context

SALT = b"0123456789abcdef"
LISTENER = "127.0.0.1:0"


def for_members(folder: Path, **more: Any) -> Settings:
    """A listener that wants a login; jan's password is "open sesame"."""
    cheap = PasswordHash(14, 8, 1, SALT, _scrypt(prepared("open sesame"), SALT, 14, 8, 1, 32))
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    passwords.write_text(f"jan:{cheap}\n")
    listen = [{"address": LISTENER, "tls": "implicit", "auth": "required"}]
    return settings(listen=listen, passwords=str(passwords), **more)


def plain(login: str, password: str) -> bytes:
    return b"AUTH PLAIN " + base64.b64encode(f"\0{login}\0{password}".encode()) + b"\r\n"


async def test_a_member_logs_in_and_sends(tmp_path: Path) -> None:
    """Without it nothing is taken; with it the router knows the member, and Received says ESMTPSA."""
    desk = Desk()
    files = make_certificate(tmp_path)
    async with (
        open_intake(desk, for_members(tmp_path), tls_context(files)) as intake,
        talk(intake, greeted=False) as client,
    ):
        await client.upgrade(files.certificate)
        await client.reply()
        assert "AUTH PLAIN LOGIN" in await client.say(HELLO)
        assert (await client.say(b"MAIL FROM:<jan@members.test>\r\n")).startswith("530 5.7.0")
        assert (await client.say(plain("jan", "open sesame"))).startswith("235 2.7.0")
        await client.say(START, 3)
        assert (await client.say(TEXT)).startswith("250 2.0.0")
        assert desk.received[0].client.member == "jan"
        assert desk.received[0].client.with_protocol == "ESMTPSA"
        assert desk.value("logins_total", result="ok") == 1


async def test_a_wrong_password_is_told_and_counted_but_never_logged(tmp_path: Path) -> None:
    """With the client, for those who ban by logs; what was pipelined behind it is answered after it."""
    desk = Desk()
    files = make_certificate(tmp_path)
    with capture_logs() as logged:
        async with (
            open_intake(desk, for_members(tmp_path), tls_context(files)) as intake,
            talk(intake, greeted=False) as client,
        ):
            await client.upgrade(files.certificate)
            await client.reply()
            await client.say(HELLO)
            client.writer.write(plain("jan", "hunter2") + b"NOOP\r\n")
            assert (await client.reply()).startswith("535 5.7.8")
            assert (await client.reply()).startswith("250")
    [failed] = [event for event in logged if event.get("reason") == "login"]
    assert (failed["event"], failed["client"], failed["listener"]) == ("command_refused", "127.0.0.1", LISTENER)
    assert "hunter2" not in str(logged)
    assert base64.b64encode(b"\0jan\0hunter2").decode() not in str(logged)
    assert desk.value("logins_total", result="wrong") == 1
    assert desk.value("rejections_total", reason="login") == 1


@pytest.mark.parametrize("is_drained", [True, False])
async def test_a_login_that_is_awaited_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_drained: bool
) -> None:
    """Neither a drain nor the end of its connection; other clients are served while it is hashed."""
    entered, gate = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def is_of(*_: object) -> bool:
        loop.call_soon_threadsafe(entered.set)
        return gate.wait(60)

    monkeypatch.setattr(PasswordHash, "is_of", is_of)
    desk = Desk()
    files = make_certificate(tmp_path)
    async with open_intake(desk, for_members(tmp_path), tls_context(files)) as intake:
        async with talk(intake, greeted=False) as client, talk(intake, greeted=False) as other:
            for one in (client, other):
                await one.upgrade(files.certificate)
                await one.reply()
                await one.say(HELLO)
            client.writer.write(plain("jan", "open sesame") + b"NOOP\r\n" * 10)
            await asyncio.wait_for(entered.wait(), 60)
            assert (await other.say(b"NOOP\r\n")).startswith("250")
            if is_drained:
                async with asyncio.timeout(30):
                    assert await intake.drain(60) == 0
                assert (await client.reply()).startswith("421 4.3.2")
            else:
                client.abort()
                while desk.value("connections", listener=LISTENER) > 1:
                    await asyncio.sleep(0.01)
        while intake.open_connections:
            await asyncio.sleep(0.01)
        gate.set()


async def test_a_file_of_passwords_that_others_can_read_lets_nobody_in(tmp_path: Path) -> None:
    """Its mode is checked where it is read."""
    desk = Desk()
    files = make_certificate(tmp_path)
    config = for_members(tmp_path)
    (tmp_path / "passwords").chmod(0o644)
    async with open_intake(desk, config, tls_context(files)) as intake, talk(intake, greeted=False) as client:
        await client.upgrade(files.certificate)
        await client.reply()
        await client.say(HELLO)
        assert not (await client.say(plain("jan", "open sesame"))).startswith("235")
