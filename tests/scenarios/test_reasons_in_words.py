"""Whatever goes wrong with a next hop, the queue tells it in its words and the system's, and not in Python's."""

import asyncio
import re
import ssl
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest
import uvloop
from delivery_in_memory import QUICK, policy_for, running, to
from peers.certificate import make_certificate
from peers.machine import free_port
from queue_in_memory import MemoryQueue
from scripted_next_hop import CLOSE, RESET, SILENCE, NextHop

from routerd.message.envelope import QueueId
from routerd.ops.system_words import in_words
from routerd.store.base import StoreError
from routerd.store.bodies import BodyFiles
from routerd.store.connection import store_error

PYTHONS = re.compile(r"Errno|Error\b|\[SSL|_ssl\.c|\(b?['\"]|None|Traceback|<class|^\S*\s*$")
STEPS = ("greeting", "ehlo", "mail", "rcpt", "data", "mid-content", "content")
FAULTS = (CLOSE, RESET, SILENCE, "421 4.3.2 busy", "garbage", "\xff\xfe")


Run = Callable[[Coroutine[object, object, str]], str]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """In the loop that the daemon has, too, which words its errors in its own way."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


async def _reason(route: dict[str, object], queue: MemoryQueue | None = None, hop: NextHop | None = None) -> str:
    """What the queue tells of one attempt by that route, or to the hop."""
    if hop is not None:
        await hop.start()
        route = to(hop, **route)
    queue = queue or MemoryQueue()
    policy = policy_for({"domain": "*", **route})
    queue.add(policy.routes.destination("ewa@example.com"))
    async with running(queue, policy, QUICK):
        await queue.concluded(1)
    if hop is not None:
        hop.stop()
    ((_, conclusion),) = queue.conclusions
    return str(getattr(conclusion, "reason"))  # noqa: B009 - not of every conclusion


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", FAULTS)
def test_of_what_was_said_or_not_said(run: Run, step: str, fault: str) -> None:
    reason = run(_reason({}, hop=NextHop(lambda at, _: fault if at == step else None)))
    assert not PYTHONS.search(reason), reason


@pytest.mark.parametrize("tls", ["checked", "clear", "hung up", "reset", "old"])
def test_of_tls(run: Run, tls: str, tmp_path: Path) -> None:
    """No certificate that anybody vouches for; no TLS behind the word; the other side gone; versions apart."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*make_certificate(tmp_path, "next.test"))
    if tls == "old":
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ADH-AES128-SHA256:@SECLEVEL=0")
    answers = {"clear": "220 go\r\nnot TLS at all", "hung up": CLOSE, "reset": RESET}
    hop = NextHop(
        lambda at, _: answers.get(tls) if at == "starttls" else None, extensions=("STARTTLS",), context=context
    )
    reason = run(_reason({"tls": "required"}, hop=hop))
    assert not PYTHONS.search(reason), reason


def test_of_hosts_and_files_that_are_not_there(run: Run, tmp_path: Path) -> None:
    """Nobody listens, nobody knows the name, no socket, no password, a Maildir below a file, no route."""
    file = tmp_path / "file"
    file.touch()
    auth = {"user": "routerd", "password_file": str(tmp_path / "password")}
    for route in (
        {"smtp": f"127.0.0.1:{free_port()}"},
        {"smtp": "nobody.invalid:25"},
        {"lmtp": f"unix:{tmp_path}/socket"},
        {"lmtp": f"unix:{file}"},
        {"maildir": f"{file}/{{local}}"},
        {"smtp": "127.0.0.1:25", "auth": auth},
        {"domain": "other.test", "smtp": "127.0.0.1:25"},
    ):
        reason = run(_reason(route))
        assert not PYTHONS.search(reason), reason


def test_of_a_message_whose_bytes_cannot_be_had(run: Run, tmp_path: Path) -> None:
    """Its file is gone, or empty, or a folder."""
    files = BodyFiles(tmp_path)
    path = files.path(QueueId("01J1"))
    path.parent.mkdir(parents=True)

    class Lost(MemoryQueue):
        async def content(self, copy: object) -> bytes:
            files.open(QueueId("01J1"))
            raise AssertionError("it can be had")

    for make in (lambda: None, path.touch, lambda: (path.unlink(), path.mkdir())):
        make()
        reason = run(_reason({"smtp": "127.0.0.1:25"}, Lost()))
        assert not PYTHONS.search(reason), reason


@pytest.mark.parametrize("number", [2, 5, 13, 20, 24, 28, 104, 110, 111, 113, 122])
def test_of_the_system(number: int) -> None:
    """What any call may fail with, in the queue's words and the store's."""
    for error in (OSError(number, "x"), OSError(number, "x", "/srv/file")):
        for told in (in_words(error), str(store_error(error))):
            assert not PYTHONS.search(told), told
    assert isinstance(store_error(OSError(number, "x")), StoreError)
