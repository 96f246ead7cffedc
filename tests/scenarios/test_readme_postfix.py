"""The README's way to stand behind Postfix, as written there: mail comes from Postfix and copies go back to it."""

import re
import smtplib
import ssl
from collections.abc import Callable
from email import message_from_bytes
from pathlib import Path
from typing import Any

from annotated import value
from peers.certificate import make_certificate
from peers.daemon import RouterdDaemon
from peers.dovecot import DovecotAuth, DovecotLmtp
from peers.machine import free_port
from peers.postfix import Postfix
from peers.readme import readme_example

PEOPLE = "ewa@example.com OK\njan@example.com OK\n"
INVOICE = b"From: anna@klient.pl\r\nTo: support@example.com\r\nSubject: Faktura 7\r\nMessage-ID: <7@a>\r\n\r\nx\r\n"
PASSWORD = "secret"
FORGED_LOGIN = b"Authentication-Results: mail.example.com; auth=pass smtp.auth=ewa@example.com\r\n"
FORGED_DMARC = b"Authentication-Results: mail.example.com; dmarc=pass header.from=example.com\r\n"


def _postfix(folder: Path, routerd_port: int, lmtp: Path) -> Postfix:
    """Has example.com itself; its mailboxes are Dovecot's. What the README says is added as it stands there."""
    example = readme_example("postfix main.cf").replace("/etc/postfix/", "{folder}/etc/").replace("hash:", "texthash:")
    settings = dict(re.findall(r"(?m)^(\w+) = (.*)$", example))
    settings["local_recipient_maps"] += " texthash:{folder}/etc/people"
    own = {"mydestination": "example.com", "local_transport": f"lmtp:unix:{lmtp}", "myhostname": "mail.example.com"}
    files = {
        "people": PEOPLE,
        "routerd_transport": readme_example("postfix transport").replace("10025", str(routerd_port)),
        "routerd_inboxes": readme_example("postfix inboxes"),
    }
    return Postfix(folder, {**own, **settings}, files)


def _postfix_with_logins(folder: Path, routerd_port: int, lmtp: Path, submission_port: int, auth: Path) -> Postfix:
    """Has example.com as a virtual domain, checks headers as the README says, and lets members in by their logins."""
    example = readme_example("postfix main.cf").replace("/etc/postfix/", "{folder}/etc/").replace("hash:", "texthash:")
    settings = dict(re.findall(r"(?m)^(\w+) = (.*)$", example))
    del settings["local_recipient_maps"]
    certificate, key = make_certificate(folder, "mail.example.com")
    own = {
        "virtual_mailbox_domains": "example.com",
        "virtual_mailbox_maps": "texthash:{folder}/etc/people texthash:{folder}/etc/routerd_inboxes",
        "virtual_transport": f"lmtp:unix:{lmtp}",
        "myhostname": "mail.example.com",
        "header_checks": "regexp:{folder}/etc/routerd_header_checks",
        "relayhost": "",
        "default_transport": f"lmtp:unix:{lmtp}",
        "smtpd_tls_cert_file": str(certificate),
        "smtpd_tls_key_file": str(key),
    }
    files = {
        "people": PEOPLE,
        "routerd_transport": readme_example("postfix transport").replace("10025", str(routerd_port)),
        "routerd_inboxes": readme_example("postfix inboxes"),
        "routerd_header_checks": readme_example("postfix header_checks"),
        "routerd_logins": readme_example("postfix logins"),
    }
    services = readme_example("postfix submission").replace(" n - y ", " n - n ")  # not in a chroot, as the others here
    services = services.replace("submission inet", f"127.0.0.1:{submission_port} inet")
    services = services.replace("/etc/postfix/", f"{folder}/etc/").replace("private/auth", str(auth))
    return Postfix(folder, {**own, **settings}, files, services)


def _config(postfix_port: int) -> str:
    """The README's config with the ports and folders of this test, as a template for `RouterdDaemon`."""
    text = readme_example("behind postfix").replace("{", "{{").replace("}", "}}")
    text = text.replace("127.0.0.1:10025", "127.0.0.1:{smtp_port}").replace("127.0.0.1:25", f"127.0.0.1:{postfix_port}")
    text = text.replace("/var/lib/routerd", "{folder}/state")
    return text + 'http: {{address: "127.0.0.1:{http_port}"}}\n'


def test_mail_goes_from_postfix_through_routerd_and_back(
    routerd: Callable[..., RouterdDaemon],
    dovecot: Callable[..., DovecotLmtp],
    postfix: Callable[..., Postfix],
    wait_until: Any,
) -> None:
    """A stranger's mail reaches Ewa annotated; a bounce to the copy's return path comes back to routerd."""
    mailboxes = dovecot(["ewa@example.com", "jan@example.com"])
    routerd_port = free_port()
    server = postfix(lambda folder: _postfix(folder, routerd_port, mailboxes.socket))
    rules = {"20-finance.yaml": readme_example("rule")}
    daemon = routerd(config=_config(server.port).replace("{smtp_port}", str(routerd_port)), rules=rules)
    _send(server.port, "anna@klient.pl", "support@example.com", INVOICE)
    copy = wait_until(lambda: _first(mailboxes, "ewa"), "Ewa's copy", trouble=lambda: server.log()[-3000:])
    assert value(copy, "X-Assigned-To") == "ewa@example.com"
    assert value(copy, "X-Labels") == "invoice"
    [sender] = re.findall(rb"(?m)^Return-Path: <(support\+b\.[a-z2-7]+@example\.com)>", copy)

    bounce = b"From: mailer-daemon@far.test\r\nTo: x\r\nSubject: Undelivered\r\n\r\nno such user\r\n"
    _send(server.port, "", sender.decode(), bounce)
    told = wait_until(lambda: _first(mailboxes, "jan"), "the postmaster's copy", trouble=daemon.log_text)
    assert value(told, "X-Labels") == "bounce"
    assert b"Return-Path: <>" in told


def _first(mailboxes: DovecotLmtp, user: str) -> bytes | None:
    address = user if "@" in user else f"{user}@example.com"
    files = list((mailboxes.maildir(address) / "new").glob("*"))
    return files[0].read_bytes() if files else None


def _send(port: int, sender: str, recipient: str, message: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.net", timeout=60) as client:
        assert not client.sendmail(sender, [recipient], message)


def test_members_are_known_by_their_login_at_postfix(
    routerd: Callable[..., RouterdDaemon],
    dovecot: Callable[..., DovecotLmtp],
    postfix: Callable[..., Postfix],
    dovecot_auth: Callable[..., DovecotAuth],
    wait_until: Any,
) -> None:
    """Ewa's reply reaches Anna. With another login, whatever it writes of itself, or from outside, it is refused, and
    who wrote it hears so."""
    mailboxes = dovecot(["ewa@example.com", "jan@example.com", "anna@klient.pl"])
    logins = dovecot_auth(dict.fromkeys(("ewa@example.com", "jan@example.com", "scanner"), PASSWORD))
    routerd_port, port = free_port(), free_port()
    server = postfix(lambda folder: _postfix_with_logins(folder, routerd_port, mailboxes.socket, port, logins.socket))
    config = _config(server.port).replace("{smtp_port}", str(routerd_port)) + readme_example("postfix authserv_ids")
    daemon = routerd(config=config, rules={"20-finance.yaml": readme_example("rule")})
    _send(server.port, "anna@klient.pl", "support@example.com", INVOICE)
    copy = wait_until(lambda: _first(mailboxes, "ewa"), "Ewa's copy", trouble=lambda: server.log()[-3000:])
    [to] = re.findall(rb"<(support\+c\.\w+@example\.com)>", copy)
    tricks = (
        ("jan@example.com", FORGED_LOGIN),
        ("jan@example.com", FORGED_DMARC),
        ("scanner", FORGED_LOGIN),
        ("scanner", FORGED_DMARC),
        (None, FORGED_LOGIN),
        (None, FORGED_DMARC),
    )
    for number, (login, forged) in enumerate(tricks, 1):
        mail = forged + _answer(to.decode(), "Not by Ewa.")
        if login is None:
            _send(server.port, "x@zly.test", to.decode(), mail)
        else:
            _submit(port, login, to.decode(), mail)
        wait_until(lambda: _refused(daemon) == number, f"{login} to be refused", trouble=daemon.log_text)  # noqa: B023
    _submit(port, "ewa@example.com", to.decode(), _answer(to.decode(), "It is paid."))
    answer = wait_until(lambda: _first(mailboxes, "anna@klient.pl"), "the answer", trouble=daemon.log_text)
    seen = message_from_bytes(answer)
    assert (seen["From"], seen["Authentication-Results"]) == ("Support <support@example.com>", None)
    assert "It is paid." in str(seen.get_payload())
    wait_until(lambda: _has(mailboxes, "jan@example.com", b"as nothing shows that a member wrote it"), "what Jan hears")


def _answer(to: str, text: str) -> bytes:
    fields = f"From: ewa@example.com\r\nTo: {to}\r\nSubject: Re: Faktura 7\r\nIn-Reply-To: <7@a>\r\n"
    return f"{fields}\r\n{text}\r\n".encode()


def _submit(port: int, login: str, recipient: str, message: bytes) -> None:
    sender = login if "@" in login else "jan@example.com"
    with smtplib.SMTP("127.0.0.1", port, local_hostname="laptop.example.net", timeout=60) as client:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client.starttls(context=context)
        client.login(login, PASSWORD)
        assert not client.sendmail(sender, [recipient], message)


def _refused(daemon: RouterdDaemon) -> float:
    return daemon.metric("routerd_rejections_total", reason="not_a_member")


def _has(mailboxes: DovecotLmtp, user: str, words: bytes) -> bool:
    return any(words in b" ".join(path.read_bytes().split()) for path in (mailboxes.maildir(user) / "new").glob("*"))
