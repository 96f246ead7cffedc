"""One destination's queue: what goes next, how many at once, and its rest after trouble."""

import pytest
from copies import a_copy

from routerd.delivery.lanes.lane import (
    FIRST_LIMIT,
    FIRST_REST_SECONDS,
    MAX_BACKLOG,
    MAX_LIMIT,
    MAX_REST_SECONDS,
    Job,
    Lane,
)
from routerd.delivery.outcome import Deferred, Delivered, Failed, Stage

DOWN = Deferred("connection refused", Stage.CONNECT)
BUSY = Deferred("too many connections", Stage.GREETING, "421 4.7.0 x", 421, "4.7.0")
TAKEN = Delivered("taken", Stage.CONTENT, "250 ok", 250)


def numbers_of(lane: Lane, count: int) -> list[int]:
    return [lane.next_job().copy.number for _ in range(count)]


def lane_at_work(active: int) -> Lane:
    """So many go at once, and the next hop has just taken one."""
    lane = Lane("smtp:x:25")
    while lane.limit < active:
        lane.learn(TAKEN, now=0)
    lane.learn(TAKEN, now=0)
    lane.active = active
    return lane


def test_success_lets_more_go_at_once_up_to_a_limit():
    """It starts low and grows by one a copy."""
    lane = Lane("smtp:x:25")
    assert lane.limit == FIRST_LIMIT
    lane.learn(TAKEN, now=0)
    assert lane.limit == FIRST_LIMIT + 1
    for _ in range(100):
        lane.learn(TAKEN, now=0)
    assert lane.limit == MAX_LIMIT


@pytest.mark.parametrize("outcome", [DOWN, BUSY])
def test_who_turns_away_one_connection_beside_others_gets_fewer(outcome):
    """He has a limit of his own: the copy need not wait for that, and nothing rests."""
    lane = lane_at_work(8)
    assert lane.is_crowded(outcome, now=1)
    lane.thin()
    assert lane.limit == 7
    assert lane.trouble(1) is None


def test_what_was_too_many_is_approached_slowly():
    """Up to there by one a success, beyond by one after as many as go at once."""
    lane = lane_at_work(8)
    for active in range(8, 3, -1):
        lane.active = active
        lane.thin()
    assert lane.limit == 3
    lane.learn(TAKEN, now=2)
    assert lane.limit == 3
    for _ in range(2):
        lane.learn(TAKEN, now=2)
    assert lane.limit == 4
    for _ in range(3):
        lane.learn(TAKEN, now=2)
    assert lane.limit == 4


def test_who_turns_all_away_is_in_trouble_not_crowded():
    """The last of those that went at once decides, and those that come after it during the rest."""
    lane = Lane("smtp:x:25", active=5)
    for active in range(5, 1, -1):
        lane.active = active
        assert lane.is_crowded(DOWN, now=1)
        lane.thin()
    lane.active = 1
    assert not lane.is_crowded(DOWN, now=1)
    lane.learn(DOWN, now=1)
    lane.active = 2
    assert not lane.is_crowded(DOWN, now=1.5)


@pytest.mark.parametrize(
    "outcome",
    [
        TAKEN,
        Deferred("busy", Stage.CONTENT, "421 x", 421),
        Deferred("sender's domain not found", Stage.MAIL, "450 4.1.8 x", 450, "4.1.8"),
        Failed("unknown", Stage.RCPT, "550 5.1.1 x", 550, "5.1.1"),
    ],
)
def test_only_what_says_nothing_of_the_copy_is_put_back(outcome):
    """An answer about the copy is its own affair."""
    assert not lane_at_work(5).is_crowded(outcome, now=1)


def test_trouble_of_the_destination_makes_it_rest_longer_each_time():
    """While it rests every copy is told why; then it begins with one at a time."""
    lane = Lane("smtp:x:25")
    lane.learn(DOWN, now=100)
    lane.learn(DOWN, now=100.1)  # another that was under way: counts once
    assert lane.trouble(100 + FIRST_REST_SECONDS - 0.1) == DOWN
    assert lane.trouble(100 + FIRST_REST_SECONDS) is None
    assert lane.limit == 1
    lane.learn(DOWN, now=200)
    assert lane.trouble(200 + 2 * FIRST_REST_SECONDS - 0.1) == DOWN
    for _ in range(2000):
        lane.learn(DOWN, now=10_000)
        lane.end_rest()
    lane.learn(DOWN, now=10_000)
    assert lane.trouble(10_000 + MAX_REST_SECONDS) is None
    lane.learn(TAKEN, now=20_000)
    lane.learn(DOWN, now=20_000)
    assert lane.trouble(20_000 + FIRST_REST_SECONDS) is None


def test_what_one_copy_meets_is_no_trouble_of_the_destination():
    """A refused sender, mailbox or content says nothing of the next copy; a 421 and a refused connection do."""
    for outcome in (
        Failed("unknown", Stage.RCPT, "550 5.1.1 x", 550, "5.1.1"),
        Deferred("sender's domain not found", Stage.MAIL, "450 4.1.8 x", 450, "4.1.8"),
        Deferred("greylisted", Stage.RCPT, "450 x", 450),
    ):
        lane = Lane("smtp:x:25")
        lane.learn(outcome, now=0)
        assert lane.trouble(0.1) is None
        assert lane.answers
    for outcome in (
        Deferred("busy", Stage.RCPT, "421 x", 421),
        Deferred("closed", Stage.MAIL),
        Deferred("later", Stage.GREETING, "450 x", 450),
    ):
        lane = Lane("smtp:x:25")
        lane.learn(outcome, now=0)
        assert lane.trouble(0.1) == outcome
        assert not lane.answers


def test_fresh_mail_and_retries_go_in_turn_each_oldest_first():
    """Neither a backlog of retries nor a flood of fresh mail starves the other."""
    lane = Lane("smtp:x:25")
    for number in range(1, 5):
        lane.add(Job(a_copy(number), None))
        lane.add(Job(a_copy(100 + number), None, is_fresh=True))
    assert numbers_of(lane, 8) == [101, 1, 102, 2, 103, 3, 104, 4]
    for number in range(1, 4):
        lane.add(Job(a_copy(number), None))
    assert numbers_of(lane, 3) == [1, 2, 3]


def test_a_copy_that_is_put_back_is_the_next():
    """It loses nothing but the time of a connection."""
    lane = Lane("smtp:x:25")
    for number in (1, 2):
        lane.add(Job(a_copy(number), None, is_fresh=True))
    job = lane.next_job()
    lane.put_back(job)
    assert numbers_of(lane, 2) == [1, 2]


def test_copies_are_taken_out_by_number_or_all():
    """Of both kinds, the others staying in their order."""
    lane = Lane("smtp:x:25")
    for number in range(1, 7):
        lane.add(Job(a_copy(number), None, is_fresh=number % 2 == 0))
    assert sorted(job.copy.number for job in lane.remove({1, 2, 99})) == [1, 2]
    assert lane.waiting == 4
    assert sorted(job.copy.number for job in lane.remove()) == [3, 4, 5, 6]
    assert lane.waiting == 0


def test_it_asks_for_more_while_there_is_room():
    """Only what the store has, only when little waits, and never beyond what may be in memory."""
    lane = Lane("smtp:x:25")
    assert not lane.is_hungry
    lane.has_more_in_store = True
    assert lane.is_hungry
    lane.numbers = set(range(MAX_BACKLOG))
    assert lane.is_full
    assert not lane.is_hungry
