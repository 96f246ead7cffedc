"""rspamd as a filter, of it only SPF, DKIM, ARC and DMARC."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from peers.machine import Process, free_port, require_program, require_root
from peers.milter import Milter, Sender
from peers.signing_keys import SigningKey

_CONFIG = """\
lua = "/usr/share/rspamd/rules/rspamd.lua";
options {{
  pidfile = "{folder}/pid";
  tempdir = "{folder}";
  cache_file = "{folder}/symbols";
  control_socket = "{folder}/control mode=0600";
  stats_file = "{folder}/stats";
  history_file = "{folder}/history";
  dynamic_conf = "{folder}/dynamic";
  hs_cache_dir = "{folder}/";
  url_tld = "{folder}/top-level-domains";
  filters = "dkim";
  local_addrs = [127.0.0.1/32];
  dns {{ nameserver = ["{dns}"]; timeout = 2s; retransmits = 2; sockets = 4; }}
  task_timeout = 12s;
}}
lang_detection {{ languages = "{folder}/languages"; }}
logging {{ type = "console"; level = "info"; }}
worker "rspamd_proxy" {{
  bind_socket = "127.0.0.1:{port}";
  milter = yes;
  timeout = 30s;
  count = 1;
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
worker "normal" {{ enabled = false; }}
worker "controller" {{ enabled = false; }}
modules {{ {modules} }}
metric "default" {{ actions {{ reject = null; greylist = null; "add header" = null; }} }}
dkim {{ }}
spf {{ }}
dmarc {{ }}
milter_headers {{
  use = ["authentication-results"];
  skip_local = true;
  routines {{ authentication-results {{ add_smtp_user = false; remove = false; }} }}
}}
dkim_signing {{ sign_condition = "{signs}"; }}
arc {{ sign_condition = "{seals}"; }}
"""
_CONDITION = (
    "return function(task) local address = task:get_from_ip() "
    "if not address or tostring(address) ~= '{address}' then return false end return {keys} end"
)
_MODULES = ("spf", "dkim_signing", "arc", "dmarc", "milter_headers")
_OWN, _SEALED, _STRANGERS = "127.0.0.1", "198.51.100.25", "192.0.2.7"


class Rspamd:
    """`dns` is a resolver's endpoint. What `keys` sign is decided by which method is called, not by the message."""

    def __init__(self, folder: Path, dns: str, keys: Sequence[SigningKey] = ()) -> None:
        self._program = require_program("rspamd", "rspamd")
        require_root("rspamd")
        self._folder = folder
        self.port = free_port()
        self._dns = dns
        self._keys = keys
        self._process: Process | None = None

    def __enter__(self) -> Self:
        folder = self._folder
        (folder / "languages").mkdir()
        (folder / "top-level-domains").write_text("test\nexample\ncom\norg\npl\n")
        config = folder / "rspamd.conf"
        keys = [_lua(key, folder) for key in self._keys]
        config.write_text(
            _CONFIG.format(
                folder=folder,
                dns=self._dns,
                port=self.port,
                modules=" ".join(f'path = "/usr/share/rspamd/plugins/{name}.lua";' for name in _MODULES),
                signs=_CONDITION.format(address=_OWN, keys=f"{{ {', '.join(keys)} }}"),
                seals=_CONDITION.format(address=_SEALED, keys=f"{{ {', '.join(keys[:1])} }}"),
            )
        )
        own = [f"--var={name}={folder}" for name in ("DBDIR", "RUNDIR", "LOGDIR")]
        command = [self._program, "-f", "-i", "-u", "root", "-g", "root", "-c", config, *own]
        self._process = Process(command, folder / "rspamd.output")
        self._process.wait_until_listening(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stop()

    def output(self) -> str:
        return self._process.output() if self._process is not None else ""

    def sign(self, messages: Sequence[bytes]) -> list[bytes]:
        """Each under a DKIM-Signature by each of the keys. Raises as Milter does."""
        return self._filter(_OWN, messages)

    def seal(self, messages: Sequence[bytes]) -> list[bytes]:
        """Each under the next set of its ARC by the first key (RSA), and Authentication-Results."""
        return self._filter(_SEALED, messages)

    def verify(self, messages: Sequence[bytes]) -> list[bytes]:
        """Each under Authentication-Results."""
        return self._filter(_STRANGERS, messages)

    def _filter(self, address: str, messages: Sequence[bytes]) -> list[bytes]:
        with Milter(self.port, Sender(address)) as milter:
            return [milter.filter(raw) for raw in messages]


def _lua(key: SigningKey, folder: Path) -> str:
    """One key, as the conditions give it: ed25519 as its seed in base64."""
    path = key.path
    if key.algorithm == "ed25519":
        path = folder / f"{key.selector}.seed"
        path.write_bytes(base64.b64encode(key.seed))
    return f"{{domain = '{key.domain}', selector = '{key.selector}', key = '{path}'}}"
