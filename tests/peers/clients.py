"""Programs that hand one message over and are done: each does an errand."""

import json
import os
import smtplib
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from peers import load
from peers.chrooted import UNPACKED
from peers.machine import MissingPeerError, PeerError, require_program

CLIENT = "client.example.net"
SERVER = "mx1.example.com"  # as its certificate says


@dataclass(frozen=True, slots=True)
class Errand:
    """One message for 127.0.0.1:`port`. `authority`: PEM of who vouches for the server; `login`: name and password."""

    port: int
    message: bytes  # its lines end in CRLF
    sender: str
    recipient: str
    folder: Path
    authority: Path
    tls: Literal["no", "starttls", "implicit"] = "no"
    login: tuple[str, str] | None = None
    mechanism: str = "PLAIN"
    lmtp: bool = False
    pipelining: bool = False
    esmtp: bool = True


def by_smtplib(errand: Errand) -> None:
    """Python's own, with BODY=8BITMIME where the server knows of it."""
    context = ssl.create_default_context(cafile=str(errand.authority))
    where = ("127.0.0.1", errand.port, CLIENT)
    if errand.lmtp:
        client: smtplib.SMTP = smtplib.LMTP(*where)
    elif errand.tls == "implicit":
        client = smtplib.SMTP_SSL(*where, context=context)
    else:
        client = smtplib.SMTP(*where)
    with client:
        if errand.tls == "starttls":
            client.starttls(context=context)
        if errand.login is not None:
            client.login(*errand.login)
        if not errand.esmtp:
            client.helo()
        options = ["BODY=8BITMIME"] if errand.esmtp else []
        client.sendmail(errand.sender, [errand.recipient], errand.message, options)


def by_swaks(errand: Errand) -> None:
    options = ["--tls-verify", "--tls-ca-path", str(errand.authority)] if errand.tls != "no" else []
    options += {"no": [], "starttls": ["--tls"], "implicit": ["--tls-on-connect"]}[errand.tls]
    options += ["--pipeline"] if errand.pipelining else []
    if errand.login is not None:
        name, password = errand.login
        options += ["--auth", errand.mechanism, "--auth-user", name, "--auth-password", password]
    if errand.lmtp:
        options += ["--protocol", "LMTP"]
    elif not errand.esmtp:
        options += ["--protocol", "SMTP"]
    load.swaks_message(
        errand.port, errand.message, errand.folder, *options, sender=errand.sender, recipients=[errand.recipient]
    )


def by_msmtp(errand: Errand) -> None:
    program = require_program("msmtp", "msmtp")
    lines = [
        *("defaults", "account default", "host 127.0.0.1", f"port {errand.port}", f"domain {CLIENT}"),
        *("timeout 60", f"protocol {'lmtp' if errand.lmtp else 'smtp'}"),
        *("set_date_header off", "set_msgid_header off"),
    ]
    if errand.tls == "no":
        lines += ["tls off"]
    else:
        lines += ["tls on", f"tls_starttls {'on' if errand.tls == 'starttls' else 'off'}"]
        lines += [f"tls_trust_file {errand.authority}", f"tls_host_override {SERVER}"]
    if errand.login is not None:
        lines += [f"auth {errand.mechanism.lower()}", f"user {errand.login[0]}", f"password {errand.login[1]}"]
    config = errand.folder / "msmtprc"
    config.write_text("\n".join(lines) + "\n")
    config.chmod(0o600)
    command = [program, "-C", str(config), "-f", errand.sender, "--", errand.recipient]
    _run(command, errand.message.replace(b"\r\n", b"\n"))


_NODEMAILER = """\
const {createTransport} = require('nodemailer');
const {options, message} = JSON.parse(require('fs').readFileSync(0));
message.raw = Buffer.from(message.raw, 'base64');
if (options.tls) options.tls.ca = require('fs').readFileSync(options.tls.ca);
createTransport(options).sendMail(message).then(
  (info) => console.log(info.response),
  (error) => { console.error(error); process.exitCode = 1; });
"""


def by_nodemailer(errand: Errand) -> None:
    """By the copy that .ci/run has installed with npm."""
    node = require_program("node", "nodejs")
    modules = UNPACKED / "npm/node_modules"
    if not (modules / "nodemailer").exists():
        raise MissingPeerError(f"nodemailer is not in {modules}: bash .ci/run peers")
    options: dict[str, object] = {
        "host": "127.0.0.1",
        "port": errand.port,
        "name": CLIENT,
        "secure": errand.tls == "implicit",
        "requireTLS": errand.tls == "starttls",
        "ignoreTLS": errand.tls == "no",
        "lmtp": errand.lmtp,
    }
    if errand.tls != "no":
        options["tls"] = {"ca": str(errand.authority), "servername": SERVER}
    if errand.login is not None:
        options["auth"] = {"user": errand.login[0], "pass": errand.login[1]}
        options["authMethod"] = errand.mechanism
    raw = b64encode(errand.message).decode()
    message = {"envelope": {"from": errand.sender, "to": [errand.recipient]}, "raw": raw}
    told = json.dumps({"options": options, "message": message}).encode()
    _run([node, "-e", _NODEMAILER], told, {"NODE_PATH": str(modules)})


def by_smtp_source(errand: Errand) -> None:
    """Postfix's own test client, with the message from a file, below which it adds an empty line."""
    program = require_program("smtp-source", "postfix")
    path = errand.folder / "source.eml"
    path.write_bytes(errand.message.replace(b"\r\n", b"\n").removesuffix(b"\n"))  # it ends the last line itself
    protocol = ["-L"] if errand.lmtp else []
    command = [program, *protocol, "-F", str(path), "-M", CLIENT, "-f", errand.sender, "-t", errand.recipient]
    _run([*command, f"127.0.0.1:{errand.port}"], b"")


def _run(command: Sequence[str], stdin: bytes, environ: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
        env={**os.environ, **(environ or {})},
    )
    if done.returncode:
        raise PeerError(f"{command[0]} ended with {done.returncode}\n{done.stdout.decode(errors='replace')}")
