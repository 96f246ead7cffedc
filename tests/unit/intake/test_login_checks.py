"""Logins: who may, and how little it tells those who may not."""

import asyncio
import threading
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from login_door import CONFIG, EWA, HERE, HOUR, JAN, Door, Hashing, cheap
from structlog.testing import capture_logs

from routerd.config.password_file import PasswordFile, read_passwords
from routerd.config.password_hash import PasswordHash
from routerd.config.settings import Member
from routerd.intake.clients.logins import BUSY, TOO_MANY_WRONG, WRONG, Logins
from routerd.intake.limits.counts import OwnCounts
from routerd.intake.protocol.events import LoggedIn
from routerd.message.envelope import Refused

# Who


@pytest.mark.parametrize("login", ["ewa", "EWA", "ewa@example.com", "Ewa@Example.COM", "ewa.nowak@example.com"])
async def test_member_by_any_name(door: Door, login: str) -> None:
    """The key, the mailbox and the other addresses, in any case."""
    assert await door.check(login, "open sesame") == LoggedIn("ewa")


async def test_names_and_passwords_however_they_were_typed(door: Door) -> None:
    """Composed or not, a letter is one letter; the case of a password counts."""
    door.write(Żaneta=cheap("zażółć gęślą"))
    door.logins.adopt(door.settings())
    assert await door.check("z\u0307aneta", "zaz\u0307o\u0301łc\u0301 ge\u0328s\u0301la\u0328") == LoggedIn("Żaneta")
    assert await door.check("ŻANETA", "Zażółć gęślą") == WRONG


async def test_unknown_names_take_as_long_as_the_dearest_hash(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the file's lines differ in cost, and in whatever order they stand."""
    tried: list[PasswordHash] = []
    door.write(ewa=EWA, jan=replace(JAN, ln=15, p=3), Żaneta=EWA)
    door.logins.adopt(door.settings())

    def note(kept: PasswordHash, password: str) -> bool:
        tried.append(kept)
        return False

    monkeypatch.setattr(PasswordHash, "is_of", note)
    assert await door.check("nobody", "open sesame") == WRONG
    assert [(kept.ln, kept.r, kept.p) for kept in tried] == [(15, 8, 3)]


async def test_reload_reads_the_file_beside_the_loop(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs holds up logins alone, and the first of them waits for what the new file says."""
    gate, readers = threading.Event(), set[str]()

    def read_late(path: Path, members: Mapping[str, Member]) -> PasswordFile:
        readers.add(threading.current_thread().name)
        assert gate.wait(60)
        return read_passwords(path, members)

    monkeypatch.setattr("routerd.intake.clients.logins.read_passwords", read_late)
    door.write(ewa=cheap("quite another"))
    settings = door.settings()
    loop = asyncio.get_running_loop()
    loop.call_later(0.2, gate.set)  # read on the loop it never came
    door.logins.adopt(settings)
    assert await door.check("ewa", "quite another") == LoggedIn("ewa")
    assert threading.current_thread().name not in readers


async def test_key_that_two_share_is_nobodys(door: Door) -> None:
    """Names that differ in case alone are no login; the addresses still are, and so is none of the other's."""
    settings = door.settings(CONFIG.replace("  jan: {", "  Ewa: {mailbox: other@example.com}\n  jan: {"))
    door.logins.adopt(settings)
    assert await door.check("ewa", "open sesame") == WRONG
    assert await door.check("ewa@example.com", "open sesame") == LoggedIn("ewa")


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("ewa", "sesam öffne dich"),
        ("ewa", ""),
        ("ewa", "open sesame "),
        ("ewa", "OPEN SESAME"),
        ("", "open sesame"),
        ("nobody", "open sesame"),
        ("support@example.com", "open sesame"),
        ("ewa@example.org", "open sesame"),
        ("ewa ", "open sesame"),
        ("zaneta@example.com", ""),
        ("\ud800", "\udfff"),
        ("ewa\0", "x" * 100_000),
    ],
)
async def test_wrong_login(door: Door, hashing: Hashing, login: str, password: str) -> None:
    """One answer and one hash's work, whether or not there is such a member, and whether he has a password."""
    assert await door.check(login, password) == WRONG
    assert hashing.made == 1


async def test_hash_is_made_off_the_loop(door: Door, hashing: Hashing) -> None:
    """In one thread, so that no more than one hash's memory is in use."""
    await asyncio.gather(*(door.check(name, "open sesame", f"192.0.2.{number}") for number, name in enumerate("abcd")))
    assert len(hashing.at_work) == 1
    assert hashing.at_work != {threading.current_thread().name}


async def test_hostile_names_and_passwords_take_no_time(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes the square of its length to normalise is not normalised, nor kept, however long it is."""
    asked = []
    plain = unicodedata.normalize
    monkeypatch.setattr(unicodedata, "normalize", lambda form, text: asked.append(len(text)) or plain(form, text))
    marks = "a" + "\u0301" * 2000 + "\u0316" * 2000
    assert await door.check(marks, marks) == WRONG
    assert await door.check("ewa", marks) == WRONG
    assert max(asked) < 320
    assert max(map(len, door.logins._tries._wrong_of_login._since)) == 32


# What is remembered


async def test_right_login_is_remembered(door: Door, hashing: Hashing) -> None:
    """A client that logs in for each message costs one hash an hour."""
    for _ in range(20):
        assert await door.check("ewa", "open sesame") == LoggedIn("ewa")
    assert hashing.made == 1
    door.now += HOUR + 1
    assert await door.check("ewa", "open sesame") == LoggedIn("ewa")
    assert hashing.made == 2


async def test_neither_password_nor_hash_is_remembered(door: Door) -> None:
    """What is kept says nothing without the secret of this daemon."""
    await door.check("ewa", "open sesame")
    other = Logins(door.settings(), OwnCounts(lambda count: b"x" * count))
    await other.check("ewa", "open sesame", HERE)
    assert not door.logins._tries._right.keys() & other._tries._right.keys()
    assert "sesame" not in repr(door.logins._tries._right)
    other.close()


async def test_what_is_remembered_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and passwords from outside take no memory without end."""
    monkeypatch.setattr("routerd.intake.clients.login_tries._REMEMBERED", 5)
    monkeypatch.setattr(PasswordHash, "is_of", lambda kept, password: True)
    for number in range(30):
        await door.check(f"guess{number}", "x", f"192.0.2.{number}")
    assert len(door.logins._tries._right) == 5
    assert not door.logins._in_work


# The file


async def test_changed_file_is_taken_up(door: Door) -> None:
    """A new password holds within seconds and the old one no more, remembered or not."""
    assert await door.check("ewa", "open sesame") == LoggedIn("ewa")
    assert await door.check("ewa", "quite new") == WRONG
    door.write(ewa=cheap("quite new"))
    door.now += 3
    assert await door.check("ewa", "open sesame") == WRONG
    assert await door.check("ewa", "quite new") == LoggedIn("ewa")
    assert await door.check("jan", "sesam öffne dich") == WRONG


@pytest.mark.parametrize("trouble", ["jna", "unreadable", "gone", "open"])
async def test_bad_file_never_takes_effect(door: Door, trouble: str) -> None:
    """The last good one stays, and the log says once what is wrong."""
    if trouble == "jna":
        door.write(ewa=cheap("quite new"), jna=JAN)
    elif trouble == "open":
        door.file.chmod(0o644)
    else:
        door.file.unlink()
        if trouble == "unreadable":
            door.file.mkdir()
    with capture_logs() as logged:
        for _ in range(3):
            door.now += 3
            assert await door.check("ewa", "open sesame") == LoggedIn("ewa")
    assert [entry["event"] for entry in logged] == ["passwords_refused"]
    assert str(door.file) in logged[0]["problem"]


async def test_file_is_not_looked_at_for_every_login(door: Door) -> None:
    """Every two seconds is enough."""
    await door.check("ewa", "open sesame")
    door.write(ewa=cheap("quite new"))
    assert await door.check("ewa", "open sesame") == LoggedIn("ewa")


async def test_reload_decides_who_is_a_member(door: Door) -> None:
    """A member who is gone from the config is gone from the logins, and so is everybody without a file."""
    assert await door.check("ewa", "open sesame") == LoggedIn("ewa")
    door.write(jan=JAN)
    door.logins.adopt(door.settings(CONFIG.replace("  ewa: ", "  ola: ")))
    assert await door.check("ewa", "open sesame") == WRONG
    assert await door.check("jan", "sesam öffne dich") == LoggedIn("jan")
    door.logins.adopt(door.settings().model_copy(update={"passwords": None}))
    assert await door.check("jan", "sesam öffne dich") == WRONG


@pytest.mark.parametrize("error", [MemoryError(), ValueError("memory limit exceeded")])
async def test_hash_that_cannot_be_made(door: Door, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Says nothing of the password, is not remembered, and counts as no wrong one."""

    def fail(kept: PasswordHash, password: str) -> bool:
        raise error

    with monkeypatch.context() as patched, capture_logs() as logged:
        patched.setattr(PasswordHash, "is_of", fail)
        for _ in range(12):
            assert await door.check("ewa", "open sesame") == BUSY
    assert {entry["event"] for entry in logged} == {"password_not_tried"}
    assert await door.check("ewa", "open sesame") == LoggedIn("ewa")


# The end and the log


async def test_closing_answers_who_waits(door: Door, hashing: Hashing) -> None:
    """What waits for its turn is told to come again; what is in work ends."""
    hashing.gate.clear()
    begun = [asyncio.create_task(door.check("ewa", "open sesame", f"192.0.3.{number}")) for number in range(3)]
    while not hashing.made:
        await asyncio.sleep(0)
    door.logins.close()
    hashing.gate.set()
    assert await asyncio.gather(*begun) == [LoggedIn("ewa"), BUSY, BUSY]
    assert await door.check("jan", "sesam öffne dich") == BUSY


async def test_log_has_neither_password_nor_foreign_name(door: Door) -> None:
    """Who types the password where the name belongs does not find it in the log."""
    with capture_logs() as logged:
        await door.check("ewa", "mistyped")
        await door.check("open sesame", "ewa")
    assert [(entry["event"], entry["member"], entry["client"]) for entry in logged] == [
        ("password_wrong", "ewa", HERE),
        ("password_wrong", None, HERE),
    ]
    assert "sesame" not in repr(logged)
    assert "mistyped" not in repr(logged)


@pytest.mark.parametrize("refused", [WRONG, TOO_MANY_WRONG, BUSY])
def test_replies(refused: Refused) -> None:
    """RFC 4954 section 6: 535 5.7.8 for a wrong one, 454 4.7.0 where another time may help."""
    assert (refused.code, refused.status) == ((535, "5.7.8") if refused is WRONG else (454, "4.7.0"))
