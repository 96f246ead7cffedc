"""OpenDKIM as a filter: it signs what 127.0.0.1 hands over, and verifies what comes from elsewhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from peers.machine import Process, free_port, require_program
from peers.milter import Milter, Sender
from peers.signing_keys import SigningKey

_CONFIG = """\
Background no
Syslog no
Socket inet:{port}@127.0.0.1
PidFile {folder}/opendkim.pid
TemporaryDirectory {folder}
AutoRestart no
Mode sv
Canonicalization {canonicalization}
MultipleSignatures yes
KeyTable file:{folder}/keys
SigningTable refile:{folder}/signing
InternalHosts 127.0.0.1
AuthservID {authserv_id}
AlwaysAddARHeader yes
RequireSafeKeys no
MinimumKeyBits 1024
MaximumSignaturesToVerify 10
ResolverConfiguration {folder}/unbound.conf
DNSTimeout 5
"""
_RESOLVER = """\
server:
  module-config: "iterator"
  do-not-query-localhost: no
  do-ip6: no
  local-zone: "test." nodefault
forward-zone:
  name: "."
  forward-addr: {address}@{port}
"""
_OVERSIGNED = (
    "From,Sender,Reply-To,Subject,Date,Message-ID,To,Cc,MIME-Version,Content-Type,In-Reply-To,References,"
    "Importance,X-Priority"
)
AUTHSERV_ID = "opendkim.test"


class OpenDkim:
    """`dns` is a resolver's endpoint. Each message is signed with all `keys`, whoever it is from.

    `oversign`: the usual fields are signed once more than they are there, so that none can be added.
    """

    def __init__(
        self,
        folder: Path,
        dns: str,
        keys: Sequence[SigningKey] = (),
        *,
        canonicalization: str = "relaxed/simple",
        oversign: bool = False,
        authserv_id: str = AUTHSERV_ID,
    ) -> None:
        self._program = require_program("opendkim", "opendkim")
        self._folder = folder
        self.port = free_port()
        self._dns = dns
        self._keys = keys
        config = _CONFIG.format(
            port=self.port, folder=folder, canonicalization=canonicalization, authserv_id=authserv_id
        )
        self._config = config + (f"SignHeaders {_OVERSIGNED}\nOversignHeaders {_OVERSIGNED}\n" if oversign else "")
        self._process: Process | None = None

    def __enter__(self) -> Self:
        address, _, port = self._dns.rpartition(":")
        (self._folder / "unbound.conf").write_text(_RESOLVER.format(address=address, port=port))
        names = [f"key{number}" for number, _ in enumerate(self._keys)]
        table = [
            f"{name} {key.domain}:{key.selector}:{key.path}\n" for name, key in zip(names, self._keys, strict=True)
        ]
        (self._folder / "keys").write_text("".join(table))
        (self._folder / "signing").write_text("".join(f"* {name}\n" for name in names))
        config = self._folder / "opendkim.conf"
        config.write_text(self._config)
        self._process = Process([self._program, "-f", "-x", config], self._folder / "opendkim.output")
        self._process.wait_until_listening(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()  # it would take five seconds to end, and has nothing to lose

    def sign(self, messages: Sequence[bytes], mail_from: str = "anna@klient.pl") -> list[bytes]:
        """Each under its DKIM-Signature. Raises as Milter does."""
        with Milter(self.port, Sender("127.0.0.1", "localhost", mail_from)) as milter:
            return [milter.filter(raw) for raw in messages]

    def verify(self, messages: Sequence[bytes]) -> list[bytes]:
        """Each under what is found, as Authentication-Results of the authserv-id. Raises as Milter does."""
        with Milter(self.port, Sender()) as milter:
            return [milter.filter(raw) for raw in messages]
