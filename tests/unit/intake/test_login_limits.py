"""Logins: how often one may be wrong, and how many are looked at at once."""

import asyncio

from login_door import HERE, HOUR, THERE, Door, Hashing

from routerd.intake.clients.logins import BUSY, TOO_MANY_WRONG, WRONG
from routerd.intake.protocol.events import LoggedIn


async def test_wrong_passwords_of_one_login_are_limited(door: Door, hashing: Hashing) -> None:
    """Ten an hour from one client; then no hash is made, and the right one is not let in from there either."""
    assert await door.fail(10) == {WRONG}
    assert await door.fail(3) == {TOO_MANY_WRONG}
    assert await door.check("EWA@example.com", "another") == WRONG
    assert await door.check("ewa", "open sesame") == TOO_MANY_WRONG
    assert hashing.made == 11
    door.now += HOUR + 1
    assert await door.check("ewa", "open sesame") == LoggedIn("ewa")


async def test_stranger_locks_nobody_out(door: Door) -> None:
    """What a stranger guessed wrong counts for the stranger's address alone."""
    await door.fail(40, client=THERE)
    assert await door.check("ewa", "open sesame", THERE) == TOO_MANY_WRONG
    assert await door.check("ewa", "open sesame", HERE) == LoggedIn("ewa")


async def test_colleague_locks_out_nobody_who_was_in(door: Door) -> None:
    """Behind one address: who logged in from it goes on doing so, others wait."""
    assert await door.check("ewa", "open sesame") == LoggedIn("ewa")
    for number in range(30):
        assert await door.check(f"guess{number}", "x") == WRONG
    assert await door.check("jan", "sesam öffne dich") == TOO_MANY_WRONG
    assert await door.check("ewa", "open sesame") == LoggedIn("ewa")
    assert await door.check("jan", "sesam öffne dich", THERE) == LoggedIn("jan")


async def test_same_wrong_password_is_counted_once(door: Door, hashing: Hashing) -> None:
    """A telephone that was not told of the new password guesses nothing, and costs one hash."""
    for _ in range(50):
        assert await door.check("ewa", "last year's") == WRONG
    assert hashing.made == 1
    assert await door.check("ewa", "open sesame") == LoggedIn("ewa")


async def test_too_many_at_once(door: Door, hashing: Hashing) -> None:
    """Two of one client and nine of all are in work or wait; more are told to come again, and nothing is counted."""
    hashing.gate.clear()
    begun = [asyncio.create_task(door.check("ewa", f"x{number}", HERE)) for number in range(2)]
    await asyncio.sleep(0)
    assert await door.check("ewa", "x9", HERE) == BUSY
    begun += [asyncio.create_task(door.check("ewa", "x", f"192.0.3.{number}")) for number in range(7)]
    await asyncio.sleep(0)
    assert await door.check("ewa", "open sesame", THERE) == BUSY
    hashing.gate.set()
    assert await asyncio.gather(*begun) == [WRONG] * 9
    assert await door.check("ewa", "open sesame", THERE) == LoggedIn("ewa")


async def test_who_was_right_from_there_finds_a_place(door: Door, hashing: Hashing) -> None:
    """Strangers at many addresses who keep all places busy shut no member out of where he works."""
    assert await door.check("ewa", "open sesame", THERE) == LoggedIn("ewa")
    hashing.gate.clear()
    begun = [asyncio.create_task(door.check("ewa", "x", f"192.0.3.{number}")) for number in range(9)]
    await asyncio.sleep(0)
    assert await door.check("jan", "mistyped", THERE) == BUSY
    begun.append(asyncio.create_task(door.check("ewa", "mistyped", THERE)))
    await asyncio.sleep(0)
    hashing.gate.set()
    assert await asyncio.gather(*begun) == [WRONG] * 10


async def test_client_that_left_gives_its_place_back(door: Door, hashing: Hashing) -> None:
    """A check that is cancelled while it waits costs no hash."""
    hashing.gate.clear()
    begun = [asyncio.create_task(door.check("ewa", "x", f"192.0.3.{number}")) for number in range(9)]
    await asyncio.sleep(0)
    for task in begun[1:]:
        task.cancel()
    await asyncio.gather(*begun[1:], return_exceptions=True)
    hashing.gate.set()
    assert await begun[0] == WRONG
    assert await door.check("ewa", "open sesame") == LoggedIn("ewa")
    assert hashing.made == 2
