"""A member logs in at the real daemon, with a password that `routerd password` has set."""

import signal
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from annotated import value
from peers.certificate import make_certificate
from peers.daemon import CONFIG, RouterdDaemon
from peers.machine import wait_for

LISTENERS = """\
  - {{address: "127.0.0.1:{lmtp_port}", tls: required, auth: required}}
tls: {{certificate: mx1.example.com.pem, key: mx1.example.com.key}}
passwords: passwords
"""
RULES = {
    "10.yaml": "rules:\n  - {name: ours, when: {is: internal}, then: {label: ours}}\n"
    "  - {name: proven, when: {auth: {auth: pass}}, then: {label: logged-in}}\n"
}
MESSAGE = "From: Ewa <ewa@mail.example.com>\r\nTo: support@example.com\r\nMessage-ID: <{}@x>\r\n\r\nx\r\n"
WRONG = (535, b"5.7.8 ")
TOLD = "mx1.example.com; auth=pass smtp.auth=ewa@mail.example.com"


@pytest.fixture(params=[1, 2])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RouterdDaemon]:
    """With a listener for members alone, and ewa's password; of one process, and of several."""
    lmtp = '  - {{address: "127.0.0.1:{lmtp_port}", protocol: lmtp}}\n'
    config = CONFIG.replace(lmtp, LISTENERS).replace("trusted_networks: [127.0.0.0/8]\n", "")
    made = RouterdDaemon(tmp_path, config=f"{config}workers: {request.param}\n", rules=RULES)
    make_certificate(tmp_path, "mx1.example.com")
    assert set_password(made, "open sesame").returncode == 0
    with made:
        yield made


def set_password(daemon: RouterdDaemon, password: str) -> subprocess.CompletedProcess[str]:
    command = [*daemon.command_line("password", "ewa", "--stdin")]
    return subprocess.run(command, input=password, text=True, capture_output=True, timeout=120, check=False)


def submit(daemon: RouterdDaemon, password: str, number: int) -> None:
    """As mail clients do. Raises what smtplib raises."""
    trusting = ssl.create_default_context(cafile=str(daemon.folder / "mx1.example.com.pem"))
    with smtplib.SMTP("127.0.0.1", daemon.lmtp_port, timeout=60) as client:
        client.starttls(context=trusting)
        client.login("Ewa@Mail.Example.com", password)
        client.sendmail("ewa@mail.example.com", ["support@example.com"], MESSAGE.format(number))


def refusal(daemon: RouterdDaemon, password: str, number: int) -> tuple[int, bytes] | None:
    """Of the login; None where the message was taken."""
    try:
        submit(daemon, password, number)
    except smtplib.SMTPAuthenticationError as error:
        return error.smtp_code, bytes(error.smtp_error)[:6]
    return None


def test_members_message_says_who_logged_in(daemon: RouterdDaemon) -> None:
    """In Authentication-Results and Received; rules take it for a member's own."""
    assert refusal(daemon, "open sesam", 0) == WRONG
    submit(daemon, "open sesame", 1)
    [copy] = daemon.wait_for_copies(1)
    assert value(copy, "Authentication-Results") == TOLD
    assert " with ESMTPSA id " in value(copy, "Received")
    assert value(copy, "X-Labels") == "ours, logged-in"
    assert daemon.metric("routerd_logins_total", result="ok") == 1
    assert daemon.metric("routerd_logins_total", result="wrong") == 2  # by PLAIN and by LOGIN
    assert [event["member"] for event in daemon.wait_for_event("password_wrong")] == ["ewa"]
    assert [event["login"] for event in daemon.wait_for_event("message_accepted")] == ["ewa"]
    assert "sesam" not in daemon.log_text()


def test_new_password_holds_without_a_reload(daemon: RouterdDaemon) -> None:
    """And the old one does not any more; a file with something wrong in it changes nothing."""
    submit(daemon, "open sesame", 1)
    assert set_password(daemon, "quite another").returncode == 0
    wait_for(lambda: refusal(daemon, "open sesame", 2) == WRONG, "the old password to be refused")
    submit(daemon, "quite another", 3)

    with (daemon.folder / "passwords").open("a") as opened:
        opened.write("jna:$scrypt$\n")
    checked = daemon.command("check")
    assert checked.returncode == 1
    assert "passwords:3:1: no member 'jna'; did you mean 'jan'?" in checked.stdout
    daemon.signal(signal.SIGHUP)
    daemon.wait_for_event("config_kept")
    assert daemon.metric("routerd_reloads_total", result="error") == 1
    submit(daemon, "quite another", 4)
