"""Real name servers on loopback: nsd, which has the zone `test.`, and unbound, which asks it."""

import socket
from pathlib import Path
from typing import Self

import dns.exception
import dns.message
import dns.query

from peers.machine import PeerError, Process, free_port, require_program, wait_for

_NSD = """\
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  database: ""
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  server-count: 1
  do-ip6: no
remote-control:
  control-enable: no
zone:
  name: "test."
  zonefile: "test.zone"
zone:
  name: "broken.test."
  zonefile: "there-is-none.zone"
"""

_NSD_ROOT = """\
zone:
  name: "."
  zonefile: "root.zone"
"""

# 127/8 and `test.` (RFC 6761) are what unbound would answer itself, or never ask.
_UNBOUND = """\
server:
  interface: 127.0.0.1@{port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  do-not-query-localhost: no
  local-zone: "test." nodefault
  module-config: "iterator"
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  num-threads: 1
  cache-min-ttl: 0
remote-control:
  control-enable: no
stub-zone:
  name: "test."
  stub-addr: 127.0.0.1@{authority}
stub-zone:
  name: "silent.test."
  stub-addr: 127.0.0.1@{silent}
stub-zone:
  name: "lame."
  stub-addr: 127.0.0.1@{authority}
"""

_UNBOUND_ROOT = """\
stub-zone:
  name: "."
  stub-addr: 127.0.0.1@{authority}
"""

_ROOT = """\
$ORIGIN .
$TTL 60
@ SOA ns.test. root.test. 1 3600 600 86400 60
@ NS ns.test.
test. NS ns.test.
ns.test. A 127.0.0.1
"""

_ZONE = """\
$ORIGIN test.
$TTL 60
@ SOA ns root 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""


class NameServers:
    """`endpoint` is unbound's. `zone`: lines of the zone `test.` beyond its SOA and NS.

    What is below `broken.test` has a server that cannot load its zone, below `silent.test` one that never answers;
    `lame` is a zone of which its server does not know. `root`: lines of the zone `.`, such as
    `6.7.8.9.in-addr.arpa PTR mail.far.test.`; then what stands nowhere does not exist. Otherwise all but `test.` is
    asked of the world.
    """

    def __init__(self, folder: Path, zone: str, root: str | None = None) -> None:
        self._nsd = require_program("nsd", "nsd")
        self._unbound = require_program("unbound", "unbound")
        self._folder = folder
        self._zone = zone
        self._root = root
        self._processes: list[Process] = []
        self._resolver: Process | None = None
        self._silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port = free_port()

    def __enter__(self) -> Self:
        authority = free_port()
        self._silent.bind(("127.0.0.1", 0))
        (self._folder / "test.zone").write_text(_ZONE + self._zone)
        nsd, unbound = self._folder / "nsd.conf", self._folder / "unbound.conf"
        nsd.write_text(_NSD.format(port=authority, folder=self._folder))
        silent = self._silent.getsockname()[1]
        unbound.write_text(_UNBOUND.format(port=self.port, folder=self._folder, authority=authority, silent=silent))
        if self._root is not None:
            (self._folder / "root.zone").write_text(_ROOT + self._root)
            nsd.write_text(nsd.read_text() + _NSD_ROOT)
            unbound.write_text(unbound.read_text() + _UNBOUND_ROOT.format(authority=authority))
        self._processes.append(Process([self._nsd, "-d", "-c", nsd], self._folder / "nsd.output"))
        self.start_resolver()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_resolver()
        for process in self._processes:
            process.stop()
        self._silent.close()

    @property
    def endpoint(self) -> str:
        """As `dns.servers` names it."""
        return f"127.0.0.1:{self.port}"

    def start_resolver(self) -> None:
        self._resolver = Process(
            [self._unbound, "-d", "-c", self._folder / "unbound.conf"], self._folder / "unbound.output"
        )
        wait_for(self._answers, "unbound to answer", 60.0, self._output)

    def stop_resolver(self) -> None:
        if self._resolver is not None:
            self._resolver.stop()
            self._resolver = None

    def _answers(self) -> bool:
        if self._resolver is None or self._resolver.exit_status is not None:
            raise PeerError(self._output())
        query = dns.message.make_query("ns.test.", "A")
        try:
            return bool(dns.query.udp(query, "127.0.0.1", timeout=1.0, port=self.port).answer)
        except (OSError, dns.exception.DNSException):
            return False

    def _output(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self._folder.glob("*.output"))
