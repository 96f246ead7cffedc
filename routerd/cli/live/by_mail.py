"""A message to each kind of address that we give out, of each inbox, sent as any server would, and seen to arrive or
not: bounces, answers, notes and drafts come there, and bounces for senders that were wrapped (SRS).

On the way it is seen whether the certificates of the hosts fit their names.
"""

import asyncio
import contextlib
import smtplib
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

from routerd.auth.dns_answers import LookUp, Trouble
from routerd.cli.live.by_dns import mail_hosts
from routerd.cli.live.ourselves import addresses_of
from routerd.cli.live.told import State, Told
from routerd.config.settings import Settings
from routerd.message.address import parse_address
from routerd.web.control import ControlError, send_command

SMTP_PORT = 25
STEP_SECONDS = 15.0  # for each step of a conversation
LOOK_EVERY_SECONDS = 1.0
MAX_HOSTS = 3  # that are tried for one address

_MESSAGE = """\
From: <MAILER-DAEMON@{hostname}>
To: <{address}>
Subject: routerd check --live
Date: {date}
Message-ID: <{number}.probe@{hostname}>
Auto-Submitted: auto-generated
X-Routerd-Probe: <{address}>

This message shows whether mail for this address ({kind}) reaches routerd. It is kept nowhere.
"""


@dataclass(frozen=True, slots=True)
class _Probe:
    number: str
    kind: str  # what its address is for: bounces, answers …
    address: str


@dataclass(frozen=True, slots=True)
class _Arrived:
    client: str
    lost_detail: bool  # it came to the inbox itself


@dataclass(frozen=True, slots=True)
class _Sent:
    host: str


@dataclass(frozen=True, slots=True)
class _Refused:
    host: str
    reply: str


@dataclass(frozen=True, slots=True)
class _Unreached:
    reason: str


_Handed = _Sent | _Refused | _Unreached
Ask = Callable[[Path, dict[str, Any]], dict[str, Any]]


async def look_by_mail(
    settings: Settings, look_up: LookUp, wait_seconds: float, *, port: int = SMTP_PORT, ask: Ask = send_command
) -> AsyncIterator[Told]:
    """`ask`: the running daemon, which knows what it gave out and what came."""
    try:
        reply = await asyncio.to_thread(ask, settings.state, {"do": "probe"})
    except (ControlError, OSError) as error:
        yield Told("bounces", State.UNKNOWN, f"only the running daemon can say what reaches it: {error}")
        return
    probes = [_Probe(str(one["number"]), one["kind"], one["address"]) for one in reply["addresses"]]
    post = _Post(settings.hostname, look_up, port)
    handed = await asyncio.gather(*(post.send(probe) for probe in probes))
    sent = {probe.number for probe, way in zip(probes, handed, strict=True) if isinstance(way, _Sent)}
    came = await _await_arrivals(settings.state, sent, wait_seconds, ask)
    for probe, way in zip(probes, handed, strict=True):
        yield _told(probe, way, came.get(probe.number), wait_seconds)
    for told in post.certificates:
        yield told


def _told(probe: _Probe, way: _Handed, arrived: _Arrived | None, wait_seconds: float) -> Told:
    match way:
        case _Unreached(reason):
            return Told(probe.kind, State.UNKNOWN, f"{probe.address}: {reason}")
        case _Refused(host, reply):
            return Told(probe.kind, State.WRONG, f"{host} refuses {probe.address}: {reply}")
        case _Sent(host) if arrived is not None and arrived.lost_detail:
            lost = f"{host} hands {probe.address} on as mail to the inbox itself: it drops what is behind the delimiter"
            return Told(probe.kind, State.WRONG, lost)
        case _Sent(host) if arrived is not None:
            return Told(probe.kind, State.OK, f"{probe.address} reaches us by {host} (handed over by {arrived.client})")
        case _Sent(host):
            late = f"{host} took a message to {probe.address}, but it has not come within {wait_seconds:.0f} s"
            return Told(probe.kind, State.WRONG, late)


async def _await_arrivals(state: Path, numbers: set[str], wait_seconds: float, ask: Ask) -> dict[str, _Arrived]:
    until = time.monotonic() + wait_seconds
    came: dict[str, _Arrived] = {}
    while numbers - came.keys():
        try:
            said = await asyncio.to_thread(ask, state, {"do": "probed"})
            came = {number: _Arrived(client, number in said["lost_detail"]) for number, client in said["came"].items()}
        except (ControlError, OSError):  # it was stopped meanwhile
            break
        if time.monotonic() > until:
            break
        if numbers - came.keys():
            await asyncio.sleep(LOOK_EVERY_SECONDS)
    return came


class _Post:
    """Hands messages to the hosts that DNS names, in threads; notes what is to be said of their certificates."""

    def __init__(self, hostname: str, look_up: LookUp, port: int) -> None:
        self._hostname = hostname
        self._look_up = look_up
        self._port = port
        self._certificates: dict[str, Told] = {}

    @property
    def certificates(self) -> Iterator[Told]:
        yield from self._certificates.values()

    async def send(self, probe: _Probe) -> _Handed:
        hosts = await mail_hosts(parse_address(probe.address).domain, self._look_up)
        if isinstance(hosts, str) or not hosts:
            return _Unreached(hosts if isinstance(hosts, str) else "DNS names no host for it")
        reasons = []
        for host in hosts[:MAX_HOSTS]:
            addresses = await addresses_of(host, self._look_up)
            if isinstance(addresses, Trouble):
                reasons.append(f"the address of {host}: {addresses.reason}")
                continue
            for address in addresses[:MAX_HOSTS]:
                way = await asyncio.to_thread(self._hand_over, probe, host, str(address))
                if not isinstance(way, _Unreached):
                    return way
                reasons.append(way.reason)
        return _Unreached("; ".join(reasons) or f"{', '.join(hosts[:MAX_HOSTS])} has no address in DNS")

    def _hand_over(self, probe: _Probe, host: str, address: str) -> _Handed:
        try:
            if host not in self._certificates:
                with self._conversation(address) as server:
                    server.ehlo()
                    if server.has_extn("starttls"):
                        self._note_certificate(host, server)
            with self._conversation(address) as server:
                server.sendmail("", [probe.address], self._message(probe))
                _part(server)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            return _refused_or_unreached(host, code, text)
        except smtplib.SMTPResponseException as error:
            return _refused_or_unreached(host, error.smtp_code, error.smtp_error)
        except (OSError, smtplib.SMTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or "it hung up"
            return _Unreached(f"{host}[{address}]:{self._port}: {reason}")
        return _Sent(host)

    def _conversation(self, address: str) -> "contextlib.closing[smtplib.SMTP]":
        return contextlib.closing(smtplib.SMTP(address, self._port, self._hostname, timeout=STEP_SECONDS))

    def _note_certificate(self, host: str, server: smtplib.SMTP) -> None:
        """By a handshake as one that checks would make it: of a server that fails it, the conversation is over."""
        try:
            code, text = server.docmd("STARTTLS")
            if code != 220 or server.sock is None:
                raise smtplib.SMTPResponseException(code, text)
            with ssl.create_default_context().wrap_socket(server.sock, server_hostname=host):
                told = Told("certificate", State.OK, f"that of {host} is good, and fits its name")
        except ssl.SSLCertVerificationError as error:
            wrong = f"that of {host} is believed by no server that checks it: {error.verify_message}"
            told = Told("certificate", State.WRONG, wrong)
        except (OSError, smtplib.SMTPException) as error:
            told = Told("certificate", State.UNKNOWN, f"{host} offers TLS, but it fails: {error}")
        self._certificates[host] = told

    def _message(self, probe: _Probe) -> str:
        given = {"hostname": self._hostname, "address": probe.address, "number": probe.number, "kind": probe.kind}
        return _MESSAGE.format(**given, date=formatdate()).replace("\n", "\r\n")


def _part(server: smtplib.SMTP) -> None:
    """What is said to QUIT takes back nothing that was said before."""
    with contextlib.suppress(OSError, smtplib.SMTPException):
        server.quit()


def _refused_or_unreached(host: str, code: int, text: bytes | str) -> _Handed:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    reply = f"{code} {words}".replace("\n", " ")
    return _Refused(host, reply) if code >= 500 else _Unreached(f"{host} puts it off: {reply}")
