"""The postmaster's hands on the queue: beside the daemon, after its death, and as somebody else."""

import json
import os
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from annotated import value
from hop_beside import next_hop_beside
from peers.daemon import CONFIG, RouterdDaemon
from peers.machine import open_folder
from scripted_next_hop import NextHop

PATIENT = CONFIG.replace("retry: {{first: 1s, factor: 1, max: 1s}}", "retry: {{first: 1h}}")
RULES = {"10.yaml": "rules:\n  - {name: all, when: {always: true}, then: {assign: finance, watch: omar}}\n"}
MESSAGE = (
    "From: anna@klient.pl\r\nTo: support@example.com\r\nSubject: hello\r\nMessage-ID: <{}@klient.pl>\r\n\r\ntext\r\n"
)
AS_NOBODY = """\
import os
import routerd.cli.queue, routerd.cli.trace
from routerd.cli.main import main
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
main()
"""


class Desk:
    def __init__(self, daemon: RouterdDaemon, port: int) -> None:
        self.daemon = daemon
        self.port = port  # of the next hop
        self._sent = 0

    def send(self, *names: str) -> list[str]:
        """Messages of these Message-IDs; gives their queue ids."""
        for name in names:
            with smtplib.SMTP("127.0.0.1", self.daemon.smtp_port, timeout=60) as client:
                client.sendmail("anna@klient.pl", ["support@example.com"], MESSAGE.format(name))
        self._sent += len(names)
        return [event["id"] for event in self.daemon.wait_for_event("message_accepted", self._sent)][-len(names) :]

    def does(self, *arguments: str, status: int = 0) -> Any:
        """What `queue … --json` says."""
        done = self.daemon.command("queue", *arguments, "--json")
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    def waiting(self, *filters: str) -> list[tuple[str, str, str]]:
        listed = self.does("list", *filters)
        return [(copy["copy"].rpartition("-")[2], copy["member"], copy["state"]) for copy in listed]


@pytest.fixture
def desk(routerd: Callable[..., RouterdDaemon], free_port: Callable[[], int]) -> Desk:
    """Its next hop is not there yet: what comes waits for an hour."""
    port = free_port()
    delivery = f'  - {{domain: "*", smtp: "127.0.0.1:{port}", tls: none}}'
    return Desk(routerd(config=PATIENT, delivery=delivery, rules=RULES), port)


@pytest.fixture
def next_hop(desk: Desk) -> Iterator[Callable[[], NextHop]]:
    """Lets the next hop begin."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(next_hop_beside(lambda *_: None, port=desk.port))


def test_each_hand_beside_the_daemon(desk: Desk, next_hop: Callable[[], NextHop], wait_until: Any) -> None:
    """Held is not tried, bounced goes to the next in line, dropped is gone; what is retried arrives at once."""
    one, two, three, four = desk.send("1", "2", "3", "4")
    wait_until(lambda: all(copy["reason"] for copy in desk.does("list")), "an attempt of each copy")
    desk.does("hold", one, "--reason", "look at it")
    assert desk.waiting(one) == [("1", "ewa", "held"), ("2", "omar", "held")]
    bounced = desk.does("bounce", "<2@klient.pl>", "--owner", "jan", "--reason", "left")
    assert [(copy["member"], copy["state"]) for copy in bounced["changed"]] == [("jan", "rerouted"), ("ewa", "queued")]
    assert desk.daemon.metric("routerd_reroutes_total", reason="by_hand") == 1
    asked = desk.daemon.command("queue", "drop", three)
    assert (asked.returncode, "Drop these 2 copies for good?" in asked.stderr) == (1, True)
    assert len(desk.does("drop", three, "--yes")["changed"]) == 2
    hop = next_hop()
    retried = desk.does("retry", "--destination", f"127.0.0.1:{desk.port}", "--member", "ewa")
    assert {copy["copy"].partition("-")[0] for copy in retried["changed"]} == {two}
    wait_until(lambda: len(hop.taken) >= 1, "the copy for ewa")
    head = hop.taken[0].content.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n")
    assert value(head, "X-Assigned-To") == "ewa@mail.example.com"
    assert value(head, "X-Labels") == "rerouted"
    desk.does("retry", "all", "--limit", "1")
    desk.does("retry", four)
    desk.does("release", "all")
    wait_until(lambda: desk.waiting() == [], "an empty queue")
    lost = {taken.content for taken in hop.taken if b"<3@klient.pl>" in taken.content}
    assert not lost
    assert desk.does("release", one, status=1)["changed"] == []


def test_the_hands_of_a_daemon_that_died(
    desk: Desk, next_hop: Callable[[], NextHop], wait_until: Any, tmp_path: Path
) -> None:
    """All of it goes on without one, and the next daemon goes by it."""
    one, two = desk.send("1", "2")
    wait_until(lambda: all(copy["reason"] for copy in desk.does("list")), "an attempt of each copy")
    desk.daemon.kill9()
    desk.daemon.wait()
    assert len(desk.waiting()) == 4
    desk.does("hold", f"{one}-2")
    desk.does("bounce", f"{two}-1")
    desk.does("drop", f"{two}-2", "--yes")
    assert "by the postmaster's hand" in desk.daemon.command("trace", two).stdout
    exported = subprocess.run(desk.daemon.command_line("queue", "export", one), capture_output=True, check=True)
    assert exported.stdout == MESSAGE.format("1").encode()
    copies = desk.daemon.command("queue", "export", "all", "--copy", "--to", tmp_path / "out")
    assert copies.returncode == 0, copies.stderr
    assert {path.stem for path in (tmp_path / "out").iterdir()} == {f"{one}-1", f"{one}-2", f"{two}-3"}
    hop = next_hop()
    desk.does("retry", "all")
    desk.daemon.start()
    wait_until(lambda: desk.waiting() == [("2", "omar", "held")], "all but what is held to be delivered")
    sent = {taken.content for taken in hop.taken}
    left = (tmp_path / "out" / f"{two}-3.eml").read_bytes()
    assert left in sent, "what was exported is what left"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_nobody_else_has_a_hand_in_it(routerd: Callable[..., RouterdDaemon]) -> None:
    """Another user sees nothing of the queue, changes nothing, and is told who may."""
    with open_folder("hand") as folder:
        state, config = folder / "state", folder / "routerd.yaml"
        daemon = routerd(config=PATIENT.replace("{folder}/state", str(state)), rules=RULES)
        config.write_bytes(daemon.config_path.read_bytes())
        with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as client:
            client.sendmail("anna@klient.pl", ["support@example.com"], MESSAGE.format("1"))
        [accepted] = daemon.wait_for_event("message_accepted")
        one = accepted["id"]
        for arguments in (("queue", "list"), ("queue", "drop", one, "--yes"), ("queue", "export", one), ("trace", one)):
            whole = [sys.executable, "-c", AS_NOBODY, *arguments, "-c", str(config)]
            done = subprocess.run(whole, capture_output=True, text=True, check=False, cwd="/")
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == f"the state {state} is root's: only root and that user may look into it\n"


def test_a_person_is_forgotten_beside_the_daemon(desk: Desk, next_hop: Callable[[], NextHop], wait_until: Any) -> None:
    """Nothing of what waited is sent any more, and nothing of it is left in the state; the daemon goes on."""
    desk.send("1", "2")
    wait_until(lambda: all(copy["reason"] for copy in desk.does("list")), "an attempt of each copy")
    state = desk.daemon.folder / "state"
    asked = desk.daemon.command("forget", "anna@klient.pl")
    assert (asked.returncode, "2 conversations with anna@klient.pl" in asked.stderr) == (1, True)
    done = desk.daemon.command("forget", "--yes", "--json", "Anna@klient.pl")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"messages": 2, "conversations": 2, "dropped": 4, "waiting": []}
    assert not [path for path in state.rglob("*") if path.is_file() and b"anna@klient" in path.read_bytes()]
    hop = next_hop()
    assert desk.daemon.command("queue", "retry", "all").stderr == "nothing fits\n"
    (later,) = desk.send("3")
    desk.daemon.command("queue", "retry", later)  # not after the rest that its next hop was given, if that is not over
    wait_until(lambda: len(hop.taken) == 2, "the copies of what came later")
    assert not [taken for taken in hop.taken if b"<3@klient.pl>" not in taken.content]
    assert desk.does("show", later)["sender"] == "anna@klient.pl"
