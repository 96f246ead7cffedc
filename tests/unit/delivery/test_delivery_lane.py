"""One destination's queue: how many at once, and its rest after trouble."""

from routerd.delivery.lane import FIRST_LIMIT, FIRST_REST_SECONDS, MAX_LIMIT, MAX_REST_SECONDS, Lane
from routerd.delivery.outcome import Deferred, Delivered, Failed, Stage

DOWN = Deferred("connection refused", Stage.CONNECT)
TAKEN = Delivered("taken", Stage.CONTENT, "250 ok", 250)


def test_success_lets_more_go_at_once_up_to_a_limit():
    """It starts low and grows by one a copy."""
    lane = Lane("smtp:x:25")
    assert lane.limit == FIRST_LIMIT
    for _ in range(100):
        lane.learn(TAKEN, now=0)
    assert lane.limit == MAX_LIMIT


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
    for outcome in (Deferred("busy", Stage.RCPT, "421 x", 421), Deferred("closed", Stage.MAIL)):
        lane = Lane("smtp:x:25")
        lane.learn(outcome, now=0)
        assert lane.trouble(0.1) == outcome
