"""Dialogues without sockets, whole and octet by octet; and logins."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from intake_partner import TERMS, Answer, Heard, Partner, accept_all
from login_door import Door, Hashing

from routerd.config import password_hash
from routerd.message.envelope import Protocol


@pytest.fixture
def converse() -> Callable[..., Heard]:
    """Feeds the lines (CRLF is added; bytes go as they are) whole and in pieces of 1 and 7; the outcome is one."""

    def run(
        *lines: str | bytes,
        trusted: bool = False,
        answer: Answer = accept_all,
        room: bool = True,
        in_tls: bool = False,
        **terms: object,
    ) -> Heard:
        data = b"".join(line if isinstance(line, bytes) else line.encode() + b"\r\n" for line in lines)
        outcomes = []
        for chunk in (None, 1, 7):
            partner = Partner(replace(TERMS, **terms), trusted=trusted, answer=answer, room=room, in_tls=in_tls)  # type: ignore[arg-type]
            partner.send(data, chunk)
            outcomes.append(partner.heard)
        assert outcomes[0] == outcomes[1] == outcomes[2]
        return outcomes[0]

    return run


@pytest.fixture
def lmtp() -> dict[str, object]:
    return {"protocol": Protocol.LMTP}


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """Hashes are cheap there, those of nobody's passwords, too."""
    for name, value in (("_LEAST_WORK_BYTES", 1), ("_LN", 10), ("_P", 1)):
        monkeypatch.setattr(password_hash, name, value)
    door = Door(tmp_path)
    yield door
    door.logins.close()


@pytest.fixture
def hashing(monkeypatch: pytest.MonkeyPatch) -> Hashing:
    return Hashing(monkeypatch)
