"""Two members answer the same message at the same instant, from two connections: one is sent, the other comes back."""

import re
import smtplib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from pathlib import Path
from threading import Barrier

import pytest
from peers.daemon import RouterdDaemon
from peers.machine import free_port, wait_for
from peers.worker_processes import worker_of

ROUNDS = 200
CONFIG = """\
hostname: mx1.example.com
state: {{folder}}/state
rules: {{folder}}/rules.d
listen:
  - {{{{address: "127.0.0.1:{{smtp_port}}"}}}}
  - {{{{address: "127.0.0.1:{members}", members: true}}}}
limits: {{{{messages_per_connection: 10000}}}}
workers: {workers}
http: {{{{address: "127.0.0.1:{{http_port}}"}}}}
postmaster: jan
members:
  jan: {{{{name: Jan, mailbox: jan@team.test}}}}
  ewa: {{{{name: Ewa, mailbox: ewa@team.test}}}}
inboxes:
  support@example.com: {{{{default: ewa}}}}
delivery:
  - {{{{domain: team.test, maildir: "{{folder}}/mail/{{{{local}}}}", trusts_us: true}}}}
  - {{{{domain: "*", maildir: "{{folder}}/outside/{{{{local}}}}"}}}}
"""
RULES = "rules:\n  - {name: all, when: {always: true}, then: {watch: jan}}\n"
_REPLY_TO = re.compile(rb"^Reply-To:.*?<([^>]+)>", re.MULTILINE | re.DOTALL)


def mails(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.glob("new/*")]


@pytest.mark.parametrize("workers", [1, 2])
def test_exactly_one_of_two_answers_is_sent(routerd: Callable[..., RouterdDaemon], workers: int) -> None:
    """Each time: the customer has one mail, and the other's author has his own back."""
    members = free_port()
    daemon = routerd(config=CONFIG.format(members=members, workers=workers), rules={"10.yaml": RULES})
    with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60) as customer:
        for number in range(ROUNDS):
            raw = f"From: a{number}@klient.test\r\nSubject: {number}\r\nMessage-ID: <{number}@klient.test>\r\n\r\n?\r\n"
            customer.sendmail(f"a{number}@klient.test", ["support@example.com"], raw.encode())
    boxes = {name: daemon.folder / "mail" / name for name in ("ewa", "jan")}
    wait_for(lambda: all(len(mails(box)) == ROUNDS for box in boxes.values()), "the customers' mails")
    addresses = {name: answer_addresses(box) for name, box in boxes.items()}

    together = Barrier(2)
    sessions = two_sessions(daemon, members, workers)

    def answer(name: str) -> None:
        with sessions[name] as session:
            for number in range(ROUNDS):
                to = addresses[name][number]
                header = f"From: {name}@team.test\r\nTo: {to}\r\nSubject: Re: {number}\r\nMessage-ID: <{number}@{name}>"
                together.wait(60)
                session.sendmail(f"{name}@team.test", [to], f"{header}\r\n\r\n{name} says {number}\r\n".encode())

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(answer, boxes))

    outside = daemon.folder / "outside"
    wait_for(lambda: len(list(outside.glob("*/new/*"))) >= ROUNDS, "the answers")
    wait_for(lambda: len(returned(boxes)) >= ROUNDS, "the answers that were not sent")
    sent = {folder.name: [message_from_bytes(raw) for raw in mails(folder)] for folder in outside.iterdir()}
    assert {name: len(found) for name, found in sent.items()} == {f"a{number}": 1 for number in range(ROUNDS)}
    winners = {int(str(found[0]["Subject"]).removeprefix("Re: ")): found[0] for found in sent.values()}
    losers = returned(boxes)
    assert {
        number: {"ewa": "jan", "jan": "ewa"}[str(found["Message-ID"]).strip("<>").partition("@")[2]]
        for number, found in winners.items()
    } == losers


def two_sessions(daemon: RouterdDaemon, port: int, workers: int) -> dict[str, smtplib.SMTP]:
    """ewa's and jan's; where there are two workers, with one each."""
    ewa, *others = [smtplib.SMTP("127.0.0.1", port, timeout=60) for _ in range(2)]
    while workers == 2 and worker_of(ewa.sock, daemon) == worker_of(others[-1].sock, daemon):
        others.append(smtplib.SMTP("127.0.0.1", port, timeout=60))
    jan = others.pop()
    for other in others:
        other.quit()
    return {"ewa": ewa, "jan": jan}


def answer_addresses(box: Path) -> dict[int, str]:
    found = {}
    for raw in mails(box):
        reply_to = _REPLY_TO.search(raw)
        assert reply_to is not None
        found[int(message_from_bytes(raw)["Subject"])] = reply_to[1].decode()
    return found


def returned(boxes: dict[str, Path]) -> dict[int, str]:
    """Whose answer came back, by the round."""
    found = {}
    for name, box in boxes.items():
        for raw in mails(box):
            mail = message_from_bytes(raw, policy=policy.default)
            if str(mail["Subject"]).startswith("[not sent] Re: "):
                number = int(str(mail["Subject"]).removeprefix("[not sent] Re: "))
                assert f"> {name} says {number}" in mail.get_content()  # type: ignore[attr-defined]
                assert number not in found
                found[number] = name
    return found
