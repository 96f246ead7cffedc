"""Whom the scripted dialogues are played to: routerd with a listener of each kind, and Postfix set up alike."""

import os
import pwd
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dialog_player import Door
from peers.certificate import make_certificate
from peers.daemon import RouterdDaemon
from peers.dovecot import DovecotAuth
from peers.machine import free_port, wait_for
from peers.postfix import Postfix

from routerd.config.password_hash import SALT_OCTETS, make_hash

HOSTNAME = "mx1.example.com"
ADDRESSES = {"stranger": "127.0.0.1", "trusted": "127.0.0.2", "proxy": "127.0.0.3"}
_INBOXES = ("support", "billing", "help", "postmaster", "abuse")

# listener in a dialogue → what its entry under `listen:` says
_LISTENERS = {
    "plain": "",
    "bare": "tls: none",
    "strict": "bare_newlines: refuse",
    "lenient": "bare_newlines: normalise",
    "utf8": "smtputf8: true",
    "tls": "tls: required",
    "implicit": "tls: implicit",
    "auth": "auth: required, tls: required",
    "auth-implicit": "auth: required, tls: implicit",
    "greet": "greet_delay: 10s",
    "greet-soon": "greet_delay: 1s",
    "lmtp": "protocol: lmtp",
}
# limits are those of the whole daemon, so these listeners have another one
_TIGHT_LISTENERS = {"limits": "", "limits-lmtp": "protocol: lmtp"}
LISTENERS = frozenset({*_LISTENERS, *_TIGHT_LISTENERS})
_PASSWORDS = "passwords: @folder@/passwords"
_LIMITS = """\
limits:
  message_size: 5000
  recipients: 3
  errors: 3
  commands: 12
  messages_per_connection: 2
  header_size: 1500
  header_fields: 12
  line_size: 1000
  mime_depth: 3
  trusted: {recipients: 5}
"""
_CONFIG = """\
hostname: mx1.example.com
state: @folder@/state
rules: @folder@/rules.d
listen:
@listen@
tls: {certificate: @certificate@, key: @key@}
trusted_networks: [127.0.0.2/32]
proxies: [127.0.0.3/32]
limits_of_rules: [{files: "*.yaml", actions: [reject]}]
dns: {servers: ["127.0.0.1:1"]}  # nobody is there: no test asks the real DNS
http: {address: "127.0.0.1:@http_port@"}
postmaster: jan
members:
  ewa: {mailbox: ewa@mail.example.com}
  jan: {mailbox: jan@mail.example.com}
inboxes:
  support@example.com: {default: ewa, aliases: [help@example.com]}
  billing@example.com: {default: jan}
delivery:
@delivery@
@more@
"""
_RULES = {
    "10-billing.yaml": """\
inbox: billing@example.com
rules:
  - {name: no-lottery, when: {subject: lottery}, then: {reject: We buy nothing}}
"""
}
PASSWORD = "wonderland"
_ID_OF_ROUTERD = re.compile(rb"(?m)^X-Routerd-Id: (\S+)$")
_ID_OF_POSTFIX = re.compile(rb"\(Postfix\)[^\n]*\s+(?:with \S+ )?id (\w+)")


class Delivered:
    """What came out, by the id under which it was taken."""

    def __init__(self, folder: Path, id_in: "re.Pattern[bytes]") -> None:
        self._folder = folder
        self._id_in = id_in
        self._seen: set[Path] = set()
        self._copies: dict[str, list[bytes]] = {}
        self._told: set[str] = set()

    def wait_for(self, ids: Iterable[str], trouble: Callable[[], object]) -> Mapping[str, Sequence[bytes]]:
        """All that was delivered, once every one of `ids` was."""
        wanted = set(ids)
        self._told |= wanted

        def check() -> bool:
            self._look()
            return wanted <= self._copies.keys()

        wait_for(check, f"delivery of {wanted}", 60, trouble)
        return self._copies

    def untold(self) -> list[bytes]:
        """Messages that nobody was told the id of: smuggled ones. Each is given once."""
        self._look()
        untold = self._copies.keys() - self._told
        self._told |= untold
        return [copy for number in untold for copy in self._copies[number]]

    def _look(self) -> None:
        for path in self._folder.glob("*/new/*"):
            if path not in self._seen:
                self._seen.add(path)
                copy = path.read_bytes()
                found = self._id_in.search(copy)
                self._copies.setdefault(found[1].decode() if found else path.name, []).append(copy)


def _begins_with_tls(listener: str, client: str) -> bool:
    """A proxy says its header first, so the script says when TLS begins."""
    return listener.endswith("implicit") and client != "proxy"


@dataclass(frozen=True, slots=True)
class _Running:
    daemon: RouterdDaemon
    ports: Mapping[str, int]  # by listener
    delivered: Delivered


class RouterdDoors:
    """Daemons, started when a dialogue first needs them."""

    ours = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, _Running] = {}

    def door(self, listener: str, client: str) -> Door:
        port = self._of(listener).ports[listener]
        return Door(port, ADDRESSES[client], tls=_begins_with_tls(listener, client))

    def delivered(self, listener: str) -> Delivered:
        return self._of(listener).delivered

    def log(self, listener: str) -> str:
        return self._of(listener).daemon.log_text()[-4000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for running in self._running.values():
            running.daemon.stop()
        for running in self._running.values():
            assert running.delivered.untold() == []

    def _of(self, listener: str) -> _Running:
        is_tight = listener in _TIGHT_LISTENERS
        name = "tight" if is_tight else "wide"
        if name not in self._running:
            listeners, more = (_TIGHT_LISTENERS, _LIMITS) if is_tight else (_LISTENERS, _PASSWORDS)
            self._running[name] = _make(self._folder / name, listeners, more)
            self._running[name].daemon.start()
        daemon = self._running[name].daemon
        assert daemon.is_running, daemon.log_text()[-4000:]
        return self._running[name]


def _make(folder: Path, listeners: Mapping[str, str], more: str) -> _Running:
    folder.mkdir()
    passwords = folder / "passwords"
    passwords.touch(0o600)
    passwords.write_text(f"ewa:{make_hash(PASSWORD, bytes(SALT_OCTETS))}\n")
    ports = {name: free_port() for name in listeners}
    daemon = RouterdDaemon(folder, config=_config(folder, listeners, ports, more), rules=_RULES)
    return _Running(daemon, ports, Delivered(folder / "mail", _ID_OF_ROUTERD))


def _config(folder: Path, listeners: Mapping[str, str], ports: Mapping[str, int], more: str) -> str:
    """A template as RouterdDaemon fills it in."""
    certificate, key = make_certificate(folder, HOSTNAME)
    entries = (
        f'  - {{address: "127.0.0.1:{ports[name]}", reverse_name: ignore{", " * bool(options)}{options}}}'
        for name, options in listeners.items()
    )
    text = _CONFIG.replace("@listen@", "\n".join(entries)).replace("@more@", more)
    text = text.replace("@certificate@", str(certificate)).replace("@key@", str(key))
    text = text.replace("{", "{{").replace("}", "}}")
    return re.sub(r"@(folder|http_port|delivery)@", r"{\1}", text)


# listener (and client, where it is not the stranger) → what Postfix's smtpd needs to do the same
_UTF8 = "smtputf8_enable=yes"
_HAPROXY = ("smtpd_upstream_proxy_protocol=haproxy",)
_LOGIN = (
    "smtpd_sasl_auth_enable=yes",
    "smtpd_delay_reject=no",
    "smtpd_sender_restrictions=permit_sasl_authenticated, check_sender_access static:{530 5.7.0 Log in first}",
)
_SERVICES: Mapping[tuple[str, str], Sequence[str]] = {
    ("plain", "stranger"): (),
    ("plain", "trusted"): ("smtpd_forbid_bare_newline=normalize",),
    ("plain", "proxy"): _HAPROXY,
    ("bare", "stranger"): ("smtpd_tls_security_level=none",),
    ("strict", "trusted"): (),
    ("lenient", "stranger"): ("smtpd_forbid_bare_newline=normalize",),
    ("utf8", "stranger"): (_UTF8,),
    ("tls", "stranger"): ("smtpd_tls_security_level=encrypt",),
    ("implicit", "stranger"): ("smtpd_tls_wrappermode=yes",),
    ("implicit", "proxy"): ("smtpd_tls_wrappermode=yes", *_HAPROXY),
    ("auth", "stranger"): ("smtpd_tls_security_level=encrypt", *_LOGIN),
    ("auth-implicit", "stranger"): ("smtpd_tls_wrappermode=yes", *_LOGIN),
    ("limits", "stranger"): (
        "message_size_limit=5000",
        "smtpd_recipient_limit=3",
        "smtpd_hard_error_limit=3",
        "smtpd_soft_error_limit=3",
        "smtpd_recipient_overshoot_limit=1000",
    ),
}
_MAIN = {
    "myhostname": HOSTNAME,
    "smtpd_banner": "$myhostname ESMTP",
    "mynetworks": "127.0.0.2/32",
    "smtpd_relay_restrictions": "reject_unauth_destination",
    "relay_domains_reject_code": "550",
    "recipient_delimiter": "+",
    "virtual_mailbox_domains": "example.com",
    "virtual_mailbox_maps": "texthash:{folder}/etc/mailboxes",
    "virtual_mailbox_base": "{folder}/mail",
    "virtual_minimum_uid": "1",
    "enable_long_queue_ids": "yes",
    "smtpd_helo_required": "yes",
    "strict_rfc821_envelopes": "yes",
    "smtpd_peername_lookup": "no",
    "smtpd_error_sleep_time": "0",
    "smtpd_hard_error_limit": "20",
    "smtpd_forbid_bare_newline": "reject",
    "smtpd_forbid_bare_newline_exclusions": "",
    "smtpd_tls_security_level": "may",
    "smtpd_tls_auth_only": "yes",
    "smtpd_sasl_type": "dovecot",
    # what a rerouting inbox does not offer either
    "smtpd_discard_ehlo_keywords": "silent-discard, chunking, dsn, etrn, vrfy",
    "allow_percent_hack": "no",
    "swap_bangpath": "no",
}


class PostfixDoors:
    """One instance with an smtpd for each kind, and the Dovecot that knows its passwords."""

    ours = False

    def __init__(self, folder: Path) -> None:
        owner = pwd.getpwnam("mail")
        mail = folder / "mail"
        mail.mkdir()
        os.chown(mail, owner.pw_uid, owner.pw_gid)
        certificate, key = make_certificate(folder, HOSTNAME)
        passwords = folder / "passwords"
        passwords.mkdir()
        self._auth = DovecotAuth(passwords, {"ewa": PASSWORD})
        self._ports = {kind: free_port() for kind in _SERVICES}
        settings = {
            **_MAIN,
            "virtual_uid_maps": f"static:{owner.pw_uid}",
            "virtual_gid_maps": f"static:{owner.pw_gid}",
            "smtpd_tls_cert_file": str(certificate),
            "smtpd_tls_key_file": str(key),
            "smtpd_sasl_path": str(self._auth.socket),
        }
        listed = "".join(f"{name}@example.com {name}/\n" for name in _INBOXES)
        services = "".join(_service(self._ports[kind], options) for kind, options in _SERVICES.items())
        self._postfix = Postfix(folder, settings, {"mailboxes": listed}, services)
        self._delivered = Delivered(mail, _ID_OF_POSTFIX)

    def __enter__(self) -> Self:
        self._auth.start()
        self._postfix.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._postfix.stop()
        self._auth.stop()
        assert self._delivered.untold() == []

    def door(self, listener: str, client: str) -> Door:
        tls = _begins_with_tls(listener, client)
        return Door(self._ports[listener, client], ADDRESSES[client], tls=tls, strict=False)

    def delivered(self, _: str) -> Delivered:
        return self._delivered

    def log(self, _: str) -> str:
        return self._postfix.log()[-4000:]


def _service(port: int, options: Sequence[str]) -> str:
    options = options if _UTF8 in options else (*options, "smtputf8_enable=no")
    given = "".join(f" -o {{ {option.replace('=', ' = ', 1)} }}" for option in options)
    return f"127.0.0.1:{port} inet n - n - - smtpd{given}\n"
