"""Mail servers that carry one message on to routerd: Postfix, Exim, OpenSMTPD, each set up for one errand."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from peers.chrooted import Root, require_unpacked
from peers.clients import CLIENT, SERVER, Errand, by_smtplib
from peers.machine import PeerError, free_port
from peers.postfix import Postfix

_EXIM_USER = 61_100
_OPENSMTPD_USERS = {"opensmtpd": 61_101, "opensmtpq": 61_102, "nobody": 65_534}


@contextmanager
def by_postfix(errand: Errand, folder: Path) -> Generator[None, None, None]:
    """Certificates are verified: `smtp_tls_security_level = verify`."""
    settings = {
        "relayhost": f"[127.0.0.1]:{errand.port}",
        "smtp_helo_name": CLIENT,
        "smtpd_discard_ehlo_keywords": "chunking",
    }
    files = {}
    if errand.tls != "no":
        shutil.copy(errand.authority, folder / "authority.pem")
        settings |= {
            "smtp_tls_security_level": "verify",
            "smtp_tls_verify_cert_match": SERVER,
            "smtp_tls_CAfile": "{folder}/authority.pem",
            "smtp_tls_wrappermode": "yes" if errand.tls == "implicit" else "no",
        }
    if errand.login is not None:
        settings |= {
            "smtp_sasl_auth_enable": "yes",
            "smtp_sasl_password_maps": "texthash:{folder}/etc/logins",
            "smtp_sasl_security_options": "noanonymous",
            "smtp_sasl_mechanism_filter": errand.mechanism.lower(),
        }
        files["logins"] = f"[127.0.0.1]:{errand.port} {':'.join(errand.login)}\n"
    if errand.lmtp:
        settings |= {"default_transport": f"lmtp:inet:127.0.0.1:{errand.port}", "lmtp_line_length_limit": "0"}
        del settings["relayhost"]
    with Postfix(folder, settings, files) as server:
        _submit(server.port, errand)
        yield


_EXIM = """\
primary_hostname = {client}
log_file_path = /var/log/exim4/%slog
keep_environment =
qualify_domain = {client}
begin routers
on:
  driver = manualroute
  transport = on
  route_list = * 127.0.0.1
  self = send
begin transports
on:
  driver = smtp
  port = {port}
  protocol = {protocol}
  helo_data = {client}
  message_linelength_limit = 100000
  {tls}
  {auth}
begin retry
* * F,1h,1s
begin authenticators
{authenticator}
"""
_EXIM_TLS = """\
hosts_require_tls = *
  tls_verify_certificates = /etc/authority.pem
  tls_verify_hosts = *
  tls_verify_cert_hostnames =
"""
_EXIM_LOGINS = {"PLAIN": "client_send = ^{}^{}", "LOGIN": "client_send = : {} : {}"}


@contextmanager
def by_exim(errand: Errand, folder: Path) -> Generator[None, None, None]:
    """It is given the message on its standard input and delivers it before it ends."""
    root = Root(folder, require_unpacked("usr/sbin/exim4", "exim4-daemon-light"), "/usr/sbin/exim4", _exim_users())
    authenticator = ""
    if errand.login is not None:
        send = _EXIM_LOGINS[errand.mechanism].format(*errand.login)
        authenticator = f"ours:\n  driver = plaintext\n  public_name = {errand.mechanism}\n  {send}\n"
    root.write("etc/authority.pem", errand.authority.read_text())
    root.write(
        "etc/exim4/exim4.conf",
        _EXIM.format(
            client=CLIENT,
            port=errand.port,
            protocol="lmtp" if errand.lmtp else "smtps" if errand.tls == "implicit" else "smtp",
            tls=_EXIM_TLS if errand.tls != "no" else "hosts_avoid_tls = *",
            auth="" if errand.login is None else "hosts_require_auth = *",
            authenticator=authenticator,
        ),
    )
    for path in ("var/spool/exim4", "var/log/exim4", "run/exim4"):
        root.own(path, _EXIM_USER, 0o750)
    message = errand.message.replace(b"\r\n", b"\n")
    said = root.run("-odf", "-oi", "-f", errand.sender, errand.recipient, stdin=message)
    log = (folder / "var/log/exim4/mainlog").read_text()
    if "Completed" not in log:
        raise PeerError(f"exim4 did not deliver\n{said}\n{log}")
    yield


def _exim_users() -> dict[str, int]:
    return {"Debian-exim": _EXIM_USER, "mail": 8}


@contextmanager
def by_opensmtpd(errand: Errand, folder: Path) -> Generator[None, None, None]:
    root = Root(folder, require_unpacked("usr/sbin/smtpd", "opensmtpd"), "/usr/sbin/smtpd", _OPENSMTPD_USERS)
    scheme = {"no": "smtp+notls", "starttls": "smtp+tls", "implicit": "smtps"}[errand.tls]
    scheme = "lmtp" if errand.lmtp else scheme
    port = free_port()
    host = f"{scheme}://{'' if errand.login is None else 'ours@'}127.0.0.1:{errand.port}"
    logins = "" if errand.login is None else "auth <logins> "
    root.write("etc/logins", "" if errand.login is None else f"ours {':'.join(errand.login)}\n")
    root.write(
        "etc/smtpd.conf",
        f"table logins file:/etc/logins\n"
        f"listen on 127.0.0.1 port {port} hostname {CLIENT}\n"
        f'action "carry" relay host "{host}" {logins}helo {CLIENT}\n'
        'match from any for any action "carry"\n',
    )
    root.write("etc/ssl/certs/ca-certificates.crt", errand.authority.read_text())
    root.own("var/lib/opensmtpd/empty", 0)
    server = root.start("-d", "-f", "/etc/smtpd.conf")
    try:
        server.wait_until_listening(port)
        _submit(port, errand)
        yield
    finally:
        server.stop()


def _submit(port: int, errand: Errand) -> None:
    by_smtplib(replace(errand, port=port, tls="no", login=None, lmtp=False, esmtp=True))
