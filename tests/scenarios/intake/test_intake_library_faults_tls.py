"""The faults of aiosmtpd 1.4.6 with TLS and logins: each shown on the bare library, and its absence here."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from bare_library import MAIL, Handler, bare, bare_server, connect
from intake_desk import HELLO, START, TEXT, Desk, Talker, make_certificate, open_intake, settings, talk
from test_intake_logins import for_members, plain

from routerd.config.settings import ListenTls, TlsFiles
from routerd.intake.tls import tls_context


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return make_certificate(tmp_path)


@asynccontextmanager
async def bare_in_tls(files: TlsFiles, handler: Handler | None = None, **options: object) -> AsyncIterator[Talker]:
    """A connection to the library, after STARTTLS and before hello."""
    async with bare(handler or Handler(), tls_context=tls_context(files), **options) as client:
        await client.say(HELLO)
        assert (await client.say(b"STARTTLS\r\n")).startswith("220")
        await client.upgrade(files.certificate)
        yield client


@asynccontextmanager
async def ours_in_tls(files: TlsFiles, desk: Desk | None = None, **config: object) -> AsyncIterator[Talker]:
    async with (
        open_intake(desk or Desk(), settings(**config), tls=tls_context(files)) as intake,
        talk(intake) as client,
    ):
        await client.say(HELLO)
        assert (await client.say(b"STARTTLS\r\n")).startswith("220")
        await client.upgrade(files.certificate)
        yield client


async def test_logins_without_anybody_to_check_them(files: TlsFiles) -> None:
    """The library offers AUTH in any TLS, and refuses everybody. Here it is offered where `auth: required` stands."""
    async with bare_in_tls(files) as client:
        assert "AUTH LOGIN PLAIN" in await client.say(HELLO)
    async with ours_in_tls(files) as client:
        assert "AUTH" not in await client.say(HELLO)
        assert (await client.say(b"AUTH PLAIN AGEAYg==\r\n")).startswith("502 5.5.1")


async def test_starttls_inside_tls(files: TlsFiles) -> None:
    """The library says 220 to it, and what comes next is lost. Here it is out of order (RFC 3207 4.2)."""
    async with bare_in_tls(files) as client:
        await client.say(HELLO)
        assert (await client.say(b"STARTTLS\r\n")).startswith("220")
    async with ours_in_tls(files) as client:
        await client.say(HELLO)
        assert (await client.say(b"STARTTLS\r\n")).startswith("503 5.5.1")
        assert (await client.say(START, 3)).startswith("354")
        assert (await client.say(TEXT)).startswith("250")


class KeepsSessions(SMTP):
    """The library; `seen` has the sessions that one connection went through."""

    seen: list[object]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.seen.append(self.session)


async def test_what_is_counted_over_starttls(files: TlsFiles) -> None:
    """The library begins a new session behind it: what was counted is forgotten. Here counting goes on."""
    KeepsSessions.seen = []
    async with bare(Handler(), KeepsSessions, tls_context=tls_context(files)) as client:
        await client.say(HELLO + b"STARTTLS\r\n", 2)
        await client.upgrade(files.certificate)
        await client.say(HELLO)
        assert len({id(session) for session in KeepsSessions.seen}) == 2
    desk = Desk()
    config = settings(limits={"errors": 3, "connections_per_client": 1})
    async with open_intake(desk, config, tls=tls_context(files)) as intake, talk(intake) as client:
        await client.say(HELLO + b"WHAT\r\nWHAT\r\n", 3)
        await client.say(b"STARTTLS\r\n")
        await client.upgrade(files.certificate)
        async with talk(intake, greeted=False) as second:
            assert (await second.reply()).startswith("421 4.7.0")
        assert (await client.say(b"WHAT\r\n", 2)).startswith("421 4.7.0")
        assert await client.ended() == b""
        assert desk.value("rejections_total", reason="too_many_errors") == 1


class ProxiedHandler(Handler):
    """One that lets everybody in from behind a proxy."""

    async def handle_PROXY(self, *_: object) -> bool:  # noqa: N802
        return True


async def test_whose_connection_it_is_over_starttls(files: TlsFiles) -> None:
    """The library forgets what the PROXY header said. Here the client stays the one it named."""
    header = b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 25\r\n"
    handler, desk = ProxiedHandler(), Desk()
    context = tls_context(files)
    async with bare_server(handler, tls_context=context, proxy_protocol_timeout=5) as address:
        client = Talker(*await asyncio.open_connection(*address))
        await client.say(header + HELLO + b"STARTTLS\r\n", 3)
        await client.upgrade(files.certificate)
        await client.say(HELLO + START, 4)
        await client.say(TEXT)
        assert handler.sessions[0].proxy_data is None
        client.abort()
    config = settings(proxies=["127.0.0.0/8"])
    async with open_intake(desk, config, tls=context) as intake, talk(intake, greeted=False) as client:
        await client.say(header + HELLO + b"STARTTLS\r\n", 3)
        await client.upgrade(files.certificate)
        await client.say(HELLO + START, 4)
        await client.say(TEXT)
        assert desk.received[0].client.address == "192.0.2.7"


async def test_what_was_injected_before_tls(files: TlsFiles) -> None:
    """Neither takes it for said inside (CVE-2021-33515); here this is tested, and hello is asked for again."""
    async with ours_in_tls(files) as client:
        assert (await client.say(MAIL)).startswith("503 5.5.1")


def _yes(*_: object) -> AuthResult:
    return AuthResult(success=True)


def _trusting(files: TlsFiles) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files.certificate))


async def test_tls_from_the_first_byte(files: TlsFiles, tmp_path: Path) -> None:
    """The library takes it for plaintext: it offers STARTTLS, and no login. Here it is TLS, and Received says so."""
    context = tls_context(files)
    async with (
        bare_server(Handler(), tls_context=context, implicit=context, authenticator=_yes) as address,
        connect(address, tls=_trusting(files)) as client,
    ):
        said = await client.say(HELLO)
        assert "STARTTLS" in said
        assert "AUTH" not in said
        assert (await client.say(LOGIN)).startswith("538")
    desk = Desk()
    async with members_only(files, tmp_path, desk) as client:
        said = await client.say(HELLO)
        assert "STARTTLS" not in said
        assert "AUTH PLAIN LOGIN" in said
        assert (await client.say(LOGIN)).startswith("235")
        await client.say(START, 3)
        assert (await client.say(TEXT)).startswith("250")
        assert desk.received[0].client.with_protocol == "ESMTPSA"


@asynccontextmanager
async def members_only(files: TlsFiles, folder: Path, desk: Desk | None = None) -> AsyncIterator[Talker]:
    """A connection to a listener with implicit TLS where jan may log in, greeted."""
    async with open_intake(desk or Desk(), for_members(folder), tls=tls_context(files)) as intake:
        address = next(iter(intake.addresses().values()))[0]
        async with connect(address, tls=_trusting(files)) as client:
            yield client


LOGIN = plain("jan", "open sesame")


async def test_the_names_of_mechanisms(files: TlsFiles, tmp_path: Path) -> None:
    """The library knows them in capitals only. Here they are read without regard to case (RFC 4954 4)."""
    line = LOGIN.replace(b"PLAIN", b"plain")
    async with bare_in_tls(files, authenticator=_yes) as client:
        await client.say(HELLO)
        assert (await client.say(line)).startswith("504")
    async with members_only(files, tmp_path) as client:
        await client.say(HELLO)
        assert (await client.say(line)).startswith("235 2.7.0")


async def test_the_parameter_auth(files: TlsFiles, tmp_path: Path) -> None:
    """The library refuses `AUTH=<>`, which a client may add after a login (RFC 4954 5). Here it is taken."""
    line = MAIL.replace(b">", b"> AUTH=<>")
    async with bare_in_tls(files, authenticator=_yes) as client:
        await client.say(HELLO + LOGIN, 2)
        assert (await client.say(line)).startswith("555")
    async with members_only(files, tmp_path) as client:
        await client.say(HELLO + LOGIN, 2)
        assert (await client.say(line)).startswith("250 2.1.0")


async def test_logins_in_the_clear(files: TlsFiles, tmp_path: Path) -> None:
    """The library takes them where it is told so. Here no setting does, and STARTTLS is asked for first."""
    async with bare(Handler(), authenticator=_yes, auth_require_tls=False) as client:
        assert "AUTH LOGIN PLAIN" in await client.say(HELLO)
        assert (await client.say(LOGIN)).startswith("235")
    config = for_members(tmp_path)
    listen = config.listen[0].model_copy(update={"tls": ListenTls.REQUIRED})
    config = config.model_copy(update={"listen": (listen,)})
    async with open_intake(Desk(), config, tls=tls_context(files)) as intake, talk(intake) as client:
        assert "AUTH" not in await client.say(HELLO)
        assert (await client.say(LOGIN)).startswith("530 5.7.0")
