"""Real load balancers before the real daemon, as the README sets them up."""

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from annotated import value
from peers.certificate import make_certificate
from peers.daemon import CONFIG, RouterdDaemon
from peers.machine import Process, free_port
from peers.readme import readme_example

CLIENT = "127.0.0.2"  # another address of this machine than the balancer's
LMTP = '  - {{address: "127.0.0.1:{lmtp_port}", protocol: lmtp}}\n'
BEHIND = """\
  - {{address: "127.0.0.1:{lmtp_port}", tls: implicit}}
tls: {{certificate: mx1.example.com.pem, key: mx1.example.com.key}}
proxies: [127.0.0.1]
"""
NGINX = """\
daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr;
load_module modules/ngx_stream_module.so;
events {{}}
"""
MESSAGE = "From: a@klient.pl\r\nTo: support@example.com\r\nMessage-ID: <{}@x>\r\n\r\nx\r\n"

Balance = Callable[[int], int]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RouterdDaemon]:
    """In the clear on its SMTP port, in TLS from the first byte on the other; all clients come through a balancer."""
    config = CONFIG.replace(LMTP, BEHIND).replace("trusted_networks: [127.0.0.0/8]\n", "")
    made = RouterdDaemon(tmp_path / "desk", config=config, rules={})
    make_certificate(made.folder, "mx1.example.com")
    with made:
        yield made


@pytest.fixture
def balance(tmp_path: Path, need: Callable[[str, str], str]) -> Iterator[Callable[[str], Balance]]:
    """`balance("haproxy")(port)` gives the port at which it stands before `port`."""
    started: list[Process] = []

    def by(name: str) -> Balance:
        program = need(name, "haproxy" if name == "haproxy" else "nginx-light libnginx-mod-stream")

        def before(port: int) -> int:
            own = free_port()
            config = tmp_path / f"{name}-{port}.conf"
            example = readme_example(name).replace("10.0.0.11:2525", f"127.0.0.1:{port}")
            if name == "haproxy":
                config.write_text(example.replace("bind :25", f"bind 127.0.0.1:{own}"))
                command = [program, "-f", str(config)]
            else:
                config.write_text(
                    NGINX.format(folder=tmp_path) + example.replace("listen 25;", f"listen 127.0.0.1:{own};")
                )
                command = [program, "-c", str(config)]
            process = Process(command, tmp_path / f"{name}-{port}.log")
            started.append(process)
            process.wait_until_listening(own)
            return own

        return before

    yield by
    for process in started:
        process.stop(30.0)


@pytest.mark.parametrize("name", ["haproxy", "nginx"])
def test_daemon_sees_the_client_behind_the_balancer(
    daemon: RouterdDaemon, balance: Callable[[str], Balance], name: str
) -> None:
    """In the clear and in TLS from the first byte, by version 2 of the protocol and by version 1."""
    through = balance(name)
    with smtplib.SMTP("127.0.0.1", through(daemon.smtp_port), timeout=60, source_address=(CLIENT, 0)) as client:
        client.sendmail("a@klient.pl", ["support@example.com"], MESSAGE.format(1))
    trusting = ssl.create_default_context(cafile=str(daemon.folder / "mx1.example.com.pem"))
    port = through(daemon.lmtp_port)
    with smtplib.SMTP_SSL("127.0.0.1", port, timeout=60, source_address=(CLIENT, 0), context=trusting) as client:
        client.sendmail("a@klient.pl", ["support@example.com"], MESSAGE.format(2))
    received = [value(copy, "Received") for copy in daemon.wait_for_copies(2)]
    assert all(f"[{CLIENT}])" in one for one in received)
    assert [" with ESMTPS id " in one for one in received] == [False, True]
    assert daemon.metric("routerd_rejections_total", reason="proxy_protocol") == 0


def test_who_comes_past_the_balancer_is_not_heard(daemon: RouterdDaemon) -> None:
    """An address in `proxies` that speaks SMTP at once gets no answer; one that is not in it needs no header."""
    with socket.create_connection(("127.0.0.1", daemon.smtp_port), 60, ("127.0.0.1", 0)) as client:
        client.sendall(b"EHLO x\r\n")
        assert client.recv(100) == b""
    assert daemon.metric("routerd_rejections_total", reason="proxy_protocol") == 1
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60, source_address=(CLIENT, 0)) as client:
        assert client.docmd("PROXY", f"TCP4 192.0.2.7 127.0.0.1 1 {daemon.smtp_port}")[0] == 500
