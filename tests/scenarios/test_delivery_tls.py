"""TLS and AUTH towards a next hop, with certificates made for the test."""

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from scripted_next_hop import CLOSE, NextHop

from routerd.config.settings import Route, SmtpAuth, TlsPolicy
from routerd.config.values import HostPort
from routerd.delivery.outcome import Deferred, Delivered, Stage
from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.transports.content import Content
from routerd.delivery.transports.smtp import Letter, TlsContexts, smtp_next_hop

LETTER = Letter("b@desk.test", "ewa@example.com", Content(b"Subject: hi\r\n\r\n" + b"x" * 70_000 + b"\r\n"))
QUICK = Timeouts(connect=2, greeting=2, hello=2, tls=2, auth=2, mail=2, rcpt=2, data=2, content=5, send=5)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A PEM file with the key and a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "next.test")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    path = tmp_path_factory.mktemp("tls") / "next.pem"
    path.write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def contexts(certificate):
    """Contexts that know the test's certificate."""
    system = TlsContexts.of_system()
    return TlsContexts(ssl.create_default_context(cafile=str(certificate)), system.opportunistic)


@pytest.fixture
async def hop(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    hop = await NextHop(extensions=("PIPELINING", "STARTTLS", "AUTH PLAIN LOGIN"), context=context).start()
    yield hop
    hop.stop()


async def deliver(hop, contexts, tls, auth=None):
    route = Route(domain="*", smtp=(HostPort("127.0.0.1", hop.port),), tls=tls, auth=auth)
    next_hop = smtp_next_hop(route, "mx.desk.test", contexts, QUICK)
    outcome = await next_hop.deliver(LETTER)
    next_hop.close()
    return outcome


@pytest.mark.parametrize("tls", [TlsPolicy.MAY, TlsPolicy.REQUIRED])
async def test_a_message_goes_inside_tls_where_it_is_offered(hop, contexts, tls):
    """EHLO is said again inside, and the message arrives whole."""
    assert isinstance(await deliver(hop, contexts, tls), Delivered)
    assert hop.commands[:3] == ["EHLO mx.desk.test", "STARTTLS", "EHLO mx.desk.test"]
    assert hop.taken[0].content == LETTER.content.head


async def test_required_tls_checks_the_certificate(hop):
    """A certificate that nobody vouches for defers; `may` takes it."""
    outcome = await deliver(hop, TlsContexts.of_system(), TlsPolicy.REQUIRED)
    assert isinstance(outcome, Deferred)
    assert outcome.stage is Stage.TLS
    assert "certificate" in outcome.reason.lower()
    assert hop.taken == []
    assert isinstance(await deliver(hop, TlsContexts.of_system(), TlsPolicy.MAY), Delivered)


async def test_no_tls_where_none_is_wanted(hop, contexts):
    """`tls: none` does not ask for it."""
    assert isinstance(await deliver(hop, contexts, TlsPolicy.NONE), Delivered)
    assert "STARTTLS" not in hop.commands


@pytest.mark.parametrize("fault", [CLOSE, "220 go\r\nnot TLS", "454 4.7.0 not now"])
async def test_failing_tls_falls_back_under_may_and_defers_under_required(hop, contexts, fault):
    """A handshake that fails costs `may` a second connection, and stops `required`."""
    hop.context.minimum_version = ssl.TLSVersion.TLSv1_3
    hop.answer = lambda step, connection: fault if step == "starttls" else None
    outcome = await deliver(hop, contexts, TlsPolicy.REQUIRED)
    assert isinstance(outcome, Deferred)
    assert outcome.stage is Stage.TLS
    assert hop.taken == []
    assert isinstance(await deliver(hop, contexts, TlsPolicy.MAY), Delivered)


def test_failing_tls_in_the_loop_that_the_daemon_runs_in(certificate):
    """uvloop closes the connection at once: what is said of it, and the second one, are the same."""

    async def deliver_twice() -> None:
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(certificate)
        hop = await NextHop(extensions=("STARTTLS",), context=server).start()
        try:
            outcome = await deliver(hop, TlsContexts.of_system(), TlsPolicy.REQUIRED)
            assert isinstance(outcome, Deferred)
            assert (outcome.stage, outcome.reason[:22]) == (Stage.TLS, "TLS handshake failed: ")
            server.minimum_version = ssl.TLSVersion.TLSv1_3
            old = TlsContexts.of_system()
            old.opportunistic.maximum_version = ssl.TLSVersion.TLSv1_2
            assert isinstance(await deliver(hop, old, TlsPolicy.MAY), Delivered)
            assert [taken.inside_tls for taken in hop.taken] == [False]
        finally:
            hop.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(deliver_twice())


async def test_a_password_is_read_at_each_connect_and_sent_inside_tls_only(hop, contexts, tmp_path):
    """A changed password file counts from the next connection; without TLS, or without the file, nothing is sent."""
    file = tmp_path / "password"
    auth = SmtpAuth(user="relay", password_file=file)
    assert isinstance(await deliver(hop, contexts, TlsPolicy.REQUIRED, auth), Deferred)
    for password in ("one\n", "two\n# a comment\n"):
        file.write_text(password)
        assert isinstance(await deliver(hop, contexts, TlsPolicy.REQUIRED, auth), Delivered)
    said = [command for command in hop.commands if command.startswith("AUTH")]
    assert said == ["AUTH PLAIN AHJlbGF5AG9uZQ==", "AUTH PLAIN AHJlbGF5AHR3bw=="]
    hop.commands.clear()
    outcome = await deliver(hop, contexts, TlsPolicy.NONE, auth)
    assert isinstance(outcome, Deferred)
    assert outcome.stage is Stage.AUTH
    assert not any(command.startswith("AUTH") for command in hop.commands)
