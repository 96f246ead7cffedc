import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import routerd
from routerd.intake.protocol import refusals, replies
from routerd.intake.protocol.terms import Terms
from routerd.message.envelope import Accepted, Protocol, QueueId, Refused

WHOLE = re.compile(rb"([245])[0-9]{2} \1\.[0-9]{1,3}\.[0-9]{1,3} [ -~]{1,500}\r\n")

REFUSING = ("Refused", "Declined", "Barred")


def refusals_in_the_source() -> Iterator[tuple[str, int, str]]:
    """Where each is written, with its code and status."""
    for file in sorted(Path(routerd.__file__).parent.rglob("*.py")):
        text = file.read_text("utf-8")
        if not any(f"{name}(" in text for name in REFUSING):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSING:
                code, status = (
                    argument.value if isinstance(argument, ast.Constant) else None for argument in node.args[:2]
                )
                if isinstance(code, int) and isinstance(status, str):
                    yield f"{file.name}:{node.lineno}", code, status


def test_every_refusal_has_a_status_of_its_class() -> None:
    """A 4xx says 4.x.x and a 5xx 5.x.x, wherever in routerd one is written (RFC 2034 4)."""
    found = list(refusals_in_the_source())
    assert len(found) > 60
    wrong = [
        (place, code, status)
        for place, code, status in found
        if not re.fullmatch(r"[45]\.[0-9]\.[0-9]{1,2}", status) or status[0] != str(code)[0] or not 400 <= code < 600
    ]
    assert not wrong


@pytest.mark.parametrize("name", [name for name, value in vars(refusals).items() if isinstance(value, Refused)])
def test_each_refusal_is_one_reply(name: str) -> None:
    """A code, its status, and why."""
    assert WHOLE.fullmatch(replies.refusal(vars(refusals)[name]))


@pytest.mark.parametrize("defect", refusals.OF_CONTENT)
def test_each_defect_of_content_has_its_reply(defect: object) -> None:
    assert WHOLE.fullmatch(replies.refusal(refusals.OF_CONTENT[defect]))  # type: ignore[index]


@pytest.mark.parametrize("name", [name for name, value in vars(replies).items() if isinstance(value, bytes)])
def test_each_reply_has_its_status(name: str) -> None:
    """But for 354, which RFC 2034 leaves out."""
    reply = vars(replies)[name]
    assert WHOLE.fullmatch(reply) or re.fullmatch(rb"354 [ -~]+\r\n", reply)


def test_replies_that_are_made() -> None:
    """Acceptance and help bear a status, the greeting and HELO's reply none."""
    terms = Terms(hostname="mx.desk.test", listener="x")
    assert WHOLE.fullmatch(replies.acceptance(Accepted(QueueId("Q"))))
    assert WHOLE.fullmatch(replies.help_reply(terms))
    assert replies.greeting(terms) == b"220 mx.desk.test ESMTP routerd\r\n"
    assert replies.helo_reply(terms) == b"250 mx.desk.test\r\n"


def test_help_names_what_is_there() -> None:
    """STARTTLS and AUTH where they are granted, LHLO instead of EHLO in LMTP."""
    plain = replies.help_reply(Terms(hostname="mx", listener="x"))
    assert b"STARTTLS" not in plain
    assert b"AUTH" not in plain
    full = replies.help_reply(Terms(hostname="mx", listener="x", protocol=Protocol.LMTP, starttls=True, auth=True))
    assert full.split()[2:] == b"LHLO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP STARTTLS AUTH".split()


@pytest.mark.parametrize("text", ["two\r\nlines", "x" * 5000, "tab\there", "\x7f", "\0"])
def test_a_refusal_is_one_short_ascii_line(text: str) -> None:
    """Whatever a rule's reject text holds, the client's view of the dialogue stays in step."""
    said = replies.refusal(Refused(550, "5.7.1", text))
    assert WHOLE.fullmatch(said)
    assert len(said) <= 512


def test_what_is_no_refusal_is_temporary() -> None:
    """A verdict with the code of a success is nonsense, and nonsense is never final."""
    assert replies.refusal(Refused(250, "2.0.0", "no refusal")).startswith(b"451 4.3.0")
