"""How a daemon ends with clients in every state, and what it leaves of those that went: the real one, real signals."""

import signal
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from peers.certificate import make_certificate
from peers.daemon import CONFIG, RouterdDaemon
from peers.machine import wait_for

HELLO = b"EHLO client.test\r\n"
START = b"MAIL FROM:<anna@far.example>\r\nRCPT TO:<support@example.com>\r\nDATA\r\n"
TEXT = b"From: anna@far.example\r\nSubject: a question\r\nMessage-ID: <%d@far.example>\r\n\r\nbody\r\n.\r\n"


class Client:
    """One connection, by lines."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.lines = self.socket.makefile("rb")

    def reply(self) -> bytes:
        """The last line of the next reply; b"" at the end."""
        while (line := self.lines.readline())[3:4] == b"-":
            pass
        return line

    def say(self, data: bytes, replies: int = 1) -> bytes:
        self.socket.sendall(data)
        return [self.reply() for _ in range(replies)][-1]

    def upgrade(self, authority: Path, name: str = "mx1.example.com") -> None:
        context = ssl.create_default_context(cafile=str(authority))
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.lines = self.socket.makefile("rb")

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


@contextmanager
def talk(port: int, *, greeted: bool = True) -> Iterator[Client]:
    client = Client(port)
    try:
        if greeted:
            assert client.reply().startswith(b"220 ")
        yield client
    finally:
        client.close()


def in_data(client: Client) -> Client:
    client.say(HELLO)
    assert client.say(START, 3).startswith(b"354")
    return client


def certificate(folder: Path, name: str = "mx1.example.com") -> str:
    """The key `tls:`, with certificate and key under names that stay."""
    chain, key = make_certificate(folder, name)
    chain.replace(folder / "mx.pem")
    key.replace(folder / "mx.key")
    return f"tls: {{{{certificate: {folder}/mx.pem, key: {folder}/mx.key}}}}\n"


def test_a_drain_ends_what_is_coming(routerd: Callable[..., RouterdDaemon]) -> None:
    """Nobody new comes in, the idle are told, a message in DATA gets its 250 and its copy; the exit status is 0."""
    daemon = routerd()
    with talk(daemon.smtp_port) as idle, talk(daemon.smtp_port) as sending:
        in_data(sending)
        daemon.signal(signal.SIGTERM)
        assert idle.reply().startswith(b"421 4.3.2")
        assert idle.reply() == b""
        with pytest.raises(ConnectionRefusedError):
            Client(daemon.smtp_port)
        assert sending.say(TEXT % 1).startswith(b"250 2.0.0")
        assert sending.reply().startswith(b"421 4.3.2")
    assert daemon.wait() == 0
    daemon.start()
    assert b"a question" in daemon.wait_for_copies(1)[0]


def test_a_second_signal_ends_at_once_and_loses_nothing(routerd: Callable[..., RouterdDaemon]) -> None:
    """Who still sends keeps his message; what was answered 250 is there after the next start, once."""
    daemon = routerd()
    with ExitStack() as stack:
        for number in range(5):
            with talk(daemon.smtp_port) as client:
                assert in_data(client).say(TEXT % number).startswith(b"250 2.0.0")
        sending = in_data(stack.enter_context(talk(daemon.smtp_port)))
        sending.socket.sendall(b"Subject: never ended\r\n")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_event("daemon_draining")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    assert daemon.log_events("drain_cut_short")
    assert not daemon.log_events("task_failed")
    daemon.start()
    found = daemon.wait_for_copies(5)
    assert len(found) == 5
    assert not [copy for copy in found if b"never ended" in copy]


def test_a_new_certificate_comes_with_a_reload(routerd: Callable[..., RouterdDaemon], tmp_path: Path) -> None:
    """For the next handshake; who is inside stays. One that cannot be read changes nothing, and that is said."""
    daemon = routerd(config=CONFIG + certificate(tmp_path))
    with talk(daemon.smtp_port) as before:
        before.say(HELLO)
        before.say(b"STARTTLS\r\n")
        before.upgrade(tmp_path / "mx.pem")
        certificate(tmp_path, "localhost")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_event("config_reloaded")
        with talk(daemon.smtp_port) as after:
            after.say(HELLO)
            after.say(b"STARTTLS\r\n")
            after.upgrade(tmp_path / "mx.pem", "localhost")
            assert after.say(HELLO).startswith(b"250")
        (tmp_path / "mx.pem").write_text("no certificate")
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: daemon.metric("routerd_reloads_total", result="error") == 1, "a refused reload")
        assert in_data(before).say(TEXT % 1).startswith(b"250 2.0.0")
        with talk(daemon.smtp_port) as later:
            assert later.say(HELLO).startswith(b"250")


def test_descriptors_come_back_from_every_ending(routerd: Callable[..., RouterdDaemon], tmp_path: Path) -> None:
    """Of clients that leave politely, in the middle of anything, with a reset, or not at all."""
    daemon = routerd(config=CONFIG + certificate(tmp_path) + "limits: {{idle: 1s, trusted: {{idle: 1s}}}}\n")
    with talk(daemon.smtp_port) as first:
        assert in_data(first).say(TEXT % 0).startswith(b"250")
    daemon.wait_for_copies(1)
    wait_for(lambda: daemon.metric("routerd_connections") == 0, "an idle daemon")
    at_rest = daemon.descriptors()
    said = (b"", b"EHLO", HELLO, HELLO + b"STARTTLS\r\n", HELLO + START, HELLO + START + b"x" * 2_000_000, b"QUIT\r\n")
    for one in said * 3:
        for is_reset in (False, True):
            with talk(daemon.smtp_port) as client:
                client.socket.sendall(one)
                if b"STARTTLS" in one:
                    client.socket.sendall(b"\x16\x03\x01\x02")
                if is_reset:
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(talk(daemon.smtp_port))
        wait_for(lambda: daemon.metric("routerd_rejections_total", reason="timeout") >= 20, "421 for the idle")
    wait_for(lambda: daemon.metric("routerd_connections") == 0, "all to be gone")
    wait_for(lambda: daemon.descriptors() <= at_rest, f"no more than {at_rest} descriptors")
    assert daemon.terminate() == 0
