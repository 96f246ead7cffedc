#!/usr/bin/env python3
"""What it costs to verify who wrote a message: the daemon's CPU with SPF, DKIM and DMARC against its CPU without.

    python tests/bench/verify.py [--rounds 9] [--messages 300] [--size 4096]

One daemon with two listeners, of which one verifies, in turns. Each message bears one RSA-2048 signature, comes from an
address that SPF allows, and its domain has a DMARC policy; DNS is warm. Only the ratio travels to another machine.
"""

import argparse
import json
import os
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.daemon import RouterdDaemon
from peers.dns_server import DnsServer
from peers.load import SmtpSink
from peers.machine import PeerError, free_port, open_folder, wait_for
from peers.signing_keys import make_key
from peers.stranger import Stranger

from routerd.auth.dkim_signing import Signer, sign_by_all
from routerd.message.dkim_keys import parse_private_key

CONFIG = """\
hostname: mx1.example.com
state: {{folder}}/state
rules: {{folder}}/rules.d
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}", verify: false}}}}
  - {{{{address: "127.0.0.1:{verifying}", verify: true}}}}
proxies: [127.0.0.1/32]
dns: {{{{servers: ["{dns}"]}}}}
limits: {{{{connections_per_client: 100}}}}
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: jan
members:
  jan: {{{{mailbox: jan@mail.example.com}}}}
inboxes:
  support@example.com: {{{{default: jan}}}}
delivery:
{{delivery}}
"""
CLIENT, DOMAIN = "9.8.7.6", "firm.test"
CONNECTIONS = 4
MOST_MS = 0.6  # more than without, a message


@dataclass(frozen=True, slots=True)
class Load:
    messages: int  # a run
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Comparison:
    without_ms: float  # CPU a message, median
    verified_ms: float

    @property
    def more_ms(self) -> float:
        return self.verified_ms - self.without_ms

    @property
    def ratio(self) -> float:
        return self.verified_ms / self.without_ms


def compare(load: Load, rounds: int, report: Callable[[str], None]) -> Comparison:
    """Raises PeerError where a message was not verified as it should be."""
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder("bench-verify"))
        dns = stack.enter_context(DnsServer())
        key = make_key(folder, DOMAIN, "mail")
        key.publish(dns)
        dns.has(DOMAIN, "TXT", f'"v=spf1 ip4:{CLIENT} -all"')
        dns.has(f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; p=reject"')
        signer = Signer(DOMAIN, key.selector, parse_private_key(key.path.read_bytes()))
        verifying = free_port()
        config = CONFIG.format(verifying=verifying, dns=dns.endpoint)
        sink = stack.enter_context(SmtpSink(folder))
        route = f'  - {{domain: "*", smtp: "127.0.0.1:{sink.port}", tls: none}}'
        daemon = stack.enter_context(RouterdDaemon(folder / "routerd", config=config, delivery=route, rules={}))
        systems = [("without", daemon.smtp_port), ("verified", verifying)]
        runs: dict[str, list[float]] = {name: [] for name, _ in systems}
        for number in range(rounds + 1):
            for name, port in systems:
                cpu_ms = measure(daemon, port, make_messages(signer, load))
                if number:  # the first is to warm up
                    runs[name].append(cpu_ms)
                    report(f"round {number}: {name:8} {cpu_ms:6.3f} ms CPU a message")
            systems.reverse()
        passed = daemon.metric("routerd_auth_results_total", method="dmarc", result="pass")
        if passed != load.messages * (rounds + 1):
            raise PeerError(f"DMARC passed {passed} times\n{daemon.log_text()[-3000:]}")
        return Comparison(statistics.median(runs["without"]), statistics.median(runs["verified"]))


def make_messages(signer: Signer, load: Load) -> list[bytes]:
    """No two alike."""
    now = datetime.now(UTC)
    return [sign_by_all(_message(load.size_bytes), [signer], now) for _ in range(load.messages)]


def _message(size_bytes: int) -> bytes:
    number = random.randbytes(8).hex()
    head = (
        f"From: Anna <anna@{DOMAIN}>\r\nTo: support@example.com\r\nSubject: Order {number}\r\n"
        f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S} +0000\r\nMessage-ID: <{number}@{DOMAIN}>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    line = "Please send us what we have ordered, as soon as you can, to the usual address.\r\n"
    return (head + line * (1 + (size_bytes - len(head)) // len(line))).encode()


def measure(daemon: RouterdDaemon, port: int, messages: Sequence[bytes]) -> float:
    """Milliseconds of the daemon's CPU a message, from idle to idle."""
    wait_for(lambda: _is_idle(daemon), "routerd to be idle", 120.0)
    began = _cpu_seconds(daemon.pid)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for sent in [pool.submit(_send, port, messages[start::CONNECTIONS]) for start in range(CONNECTIONS)]:
            sent.result()
    wait_for(lambda: _is_idle(daemon), "routerd to be idle", 120.0)
    return (_cpu_seconds(daemon.pid) - began) * 1000 / len(messages)


def _send(port: int, messages: Sequence[bytes]) -> None:
    with Stranger(CLIENT, port, f"mail.{DOMAIN}") as client:
        for raw in messages:
            client.sendmail(f"anna@{DOMAIN}", ["support@example.com"], raw)


def _is_idle(daemon: RouterdDaemon) -> bool:
    return daemon.metric("routerd_queue_copies") == 0


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()  # proc(5), from the state on
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """0, or 1 where verifying takes longer than --at-most."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="rounds in turn (default: 9)")
    parser.add_argument("--messages", type=int, default=300, help="messages a run (default: 300)")
    parser.add_argument("--size", type=int, default=4096, help="bytes of a message (default: 4096)")
    parser.add_argument("--at-most", type=float, default=MOST_MS, metavar="MS", help=f"CPU (default: {MOST_MS})")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    found = compare(Load(options.messages, options.size), options.rounds, lambda line: print(line, file=sys.stderr))
    summary = {
        "without_cpu_ms_per_message": round(found.without_ms, 3),
        "verified_cpu_ms_per_message": round(found.verified_ms, 3),
        "more_cpu_ms_per_message": round(found.more_ms, 3),
        "ratio": round(found.ratio, 3),
    }
    print(json.dumps(summary) if options.json else "\n".join(f"{key:30} {value}" for key, value in summary.items()))
    return 0 if found.more_ms <= options.at_most else 1


if __name__ == "__main__":
    sys.exit(main())
