"""The faults of aiosmtpd 1.4.6 in addresses and parameters: each shown on the bare library, and its absence here."""

import asyncio
from collections.abc import Sequence

import pytest
from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP
from bare_library import MAIL, Handler, bare, ours
from intake_desk import HELLO, START, TEXT, Desk

INJECTION = b"RCPT TO:<=?utf-8?q?a=0d=0aRCPT_TO:=3cz=40z.z=3e=0d=0a?=@desk.test>\r\n"
UTF8_OFFERED = [{"address": "127.0.0.1:0", "smtputf8": "true"}]


async def taken_by_the_library(rcpt: bytes, **options: bool) -> str:
    """The recipient that its handler gets for this line."""
    handler = Handler()
    async with bare(handler, **options) as client:
        await client.say(HELLO + MAIL, 2)
        assert (await client.say(rcpt)).startswith("250")
        await client.say(b"DATA\r\n")
        await client.say(TEXT)
    return handler.envelopes[0].rcpt_tos[0]


async def reply_of_ours(line: bytes, *, utf8: bool = False) -> str:
    listen = UTF8_OFFERED if utf8 else [{"address": "127.0.0.1:0"}]
    async with ours(listen=listen) as client:
        await client.say(HELLO + MAIL, 2)
        return await client.say(line)


async def test_encoded_words_in_addresses() -> None:
    """The library decodes them: CR LF inside an address. Here they are no address."""
    assert "\r\n" in await taken_by_the_library(INJECTION)
    assert (await reply_of_ours(INJECTION)).startswith("501 5.1.3")


async def test_encoded_words_that_spell_an_address_of_ours() -> None:
    """The library makes `support@desk.test` of what is none."""
    line = b"RCPT TO:<=?utf-8?q?support?=@desk.test>\r\n"
    assert await taken_by_the_library(line) == "support@desk.test"
    assert (await reply_of_ours(line)).startswith("5")


async def test_deep_comments() -> None:
    """The library dies of a RecursionError, and says so. Here comments are no part of an address (RFC 5321 4.1.2)."""
    line = b"MAIL FROM:<" + b"(" * 970 + b"\r\n"
    async with bare(Handler()) as client:
        await client.say(HELLO * 30, 30)  # which widen the limit of the line
        assert "RecursionError" in await client.say(line)
    async with ours() as client:
        await client.say(HELLO)
        assert (await client.say(line)).startswith("501 5.1.7")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        (b"<a\0b@desk.test>", "\0"),
        (b"<a\rb@desk.test>", "\r"),
        (b"<support@desk.test", "support@desk.test"),
        (b"support@desk.test", "support@desk.test"),
        (b"<(a) support (b) @desk.test>", "support@desk.test"),
    ],
)
async def test_control_characters_and_broken_paths(path: bytes, kept: str) -> None:
    """The library lets NUL and bare CR through, and half of a pair of brackets. Here they are refused."""
    line = b"RCPT TO:" + path + b"\r\n"
    assert kept in await taken_by_the_library(line)
    reply = await reply_of_ours(line)
    assert reply.startswith(("501 5.1.3", "500 5.5.2"))


async def test_line_separators_of_unicode() -> None:
    """The library lets U+2028 through, at which Python splits lines. Here it is refused, SMTPUTF8 or not."""
    line = "RCPT TO:<a\u2028b@desk.test>\r\n".encode()
    assert "\u2028" in await taken_by_the_library(line, enable_SMTPUTF8=True)
    async with ours(listen=UTF8_OFFERED) as client:
        await client.say(HELLO + MAIL.replace(b">", b"> SMTPUTF8"), 2)
        assert (await client.say(line)).startswith("501 5.1.3")


async def test_the_null_sender() -> None:
    """The library passes '<>' on, and takes `RCPT TO:<>`. Here it is "" and a refusal."""
    handler, desk = Handler(), Desk()
    async with bare(handler) as client:
        await client.say(HELLO + b"MAIL FROM:<>\r\n", 2)
        assert (await client.say(b"RCPT TO:<>\r\n")).startswith("250")
        await client.say(b"DATA\r\n")
        await client.say(TEXT)
        assert handler.envelopes[0].mail_from == "<>"
    async with ours(desk) as client:
        await client.say(HELLO + b"MAIL FROM:<>\r\n", 2)
        assert (await client.say(b"RCPT TO:<>\r\n")).startswith("501 5.1.3")
        await client.say(b"RCPT TO:<support@desk.test>\r\nDATA\r\n" + TEXT, 3)
        assert desk.received[0].envelope.sender == ""


class SeesParameters(SMTP):
    """The library, told to take what parameters it is given."""

    seen: Sequence[str] = ()

    def _getparams(self, params: Sequence[str]) -> dict[str, str | bool] | None:
        type(self).seen = tuple(params)
        return {}


async def test_the_case_of_values() -> None:
    """The library puts whole parameters in capitals, so an ENVID is another. Here a value stays what was sent."""
    async with bare(Handler(), SeesParameters) as client:
        await client.say(HELLO)
        assert (await client.say(MAIL.replace(b">", b"> ENVID=Mixed"))).startswith("250")
        assert SeesParameters.seen == ("ENVID=MIXED",)
    desk = Desk()
    async with ours(desk) as client:
        await client.say(HELLO)
        assert (await client.say(MAIL.replace(b">", b"> ENVID=Mixed"))).startswith("555 5.5.4")
        sender = START.replace(b"a@far.test", b"Mixed@far.test").replace(b"> ", b"> size=10 body=8bitmime ")
        await client.say(sender, 3)
        await client.say(TEXT)
        assert desk.received[0].envelope.sender == "Mixed@far.test"


async def test_hyphenated_keywords() -> None:
    """The library calls one bad syntax. Here what is not offered is 555 (RFC 5321 4.1.1.11)."""
    line = MAIL.replace(b">", b"> X-OPTION=1")
    async with bare(Handler()) as client:
        await client.say(HELLO)
        assert (await client.say(line)).startswith("501")
    async with ours() as client:
        await client.say(HELLO)
        assert (await client.say(line)).startswith("555 5.5.4")


async def test_state_does_not_leak_between_clients() -> None:
    """In the library one client's EHLOs change a table of the class. Here nothing of a session is of the class."""
    async with bare(Handler(), enable_SMTPUTF8=True) as client:
        await client.say(HELLO * 50, 50)
        assert SMTP.command_size_limits["MAIL"] > SMTP.command_size_limit
    SMTP.command_size_limits.clear()
    async with ours() as client:
        await client.say(HELLO * 50, 50)
        assert not SMTP.command_size_limits
        assert (await client.say(b"NOOP " + b"x" * 600 + b"\r\n")).startswith("500 5.5.2")


async def test_smtputf8_is_off_by_default() -> None:
    """The library's controllers turn it on where nobody asks. Here a listener says so, or it is not offered."""
    controller = UnthreadedController(Handler(), server_hostname="bare.test", loop=asyncio.get_running_loop())
    assert controller.SMTP_kwargs["enable_SMTPUTF8"]
    async with ours() as client:
        assert "SMTPUTF8" not in await client.say(HELLO)
        assert (await client.say(MAIL.replace(b">", b"> SMTPUTF8"))).startswith("555 5.5.4")


async def test_utf8_needs_its_parameter() -> None:
    """The library takes UTF-8 addresses without SMTPUTF8 in MAIL. Here it is off, and strict where it is on."""
    line = "MAIL FROM:<ż@far.test>\r\n".encode()
    async with bare(Handler(), enable_SMTPUTF8=True) as client:
        await client.say(HELLO)
        assert (await client.say(line)).startswith("250")
    async with ours(listen=UTF8_OFFERED) as client:
        await client.say(HELLO)
        assert (await client.say(line)).startswith("553 5.6.7")


async def test_what_is_no_utf8() -> None:
    """The library makes lone surrogates of it, that cannot be written out again. Here it is refused."""
    line = b"RCPT TO:<\xff@desk.test>\r\n"
    with pytest.raises(UnicodeEncodeError):
        (await taken_by_the_library(line, enable_SMTPUTF8=True)).encode()
    assert (await reply_of_ours(line, utf8=True)).startswith("500 5.5.2")
