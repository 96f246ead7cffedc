"""Who may begin where not all can."""

from collections import Counter

from copies import a_copy

from routerd.delivery.lanes.lane import MAX_LIMIT, Job, Lane
from routerd.delivery.lanes.turns import Turn, Turns


def lane_with(name: str, copies: int, *, answers: bool = True, limit: int = MAX_LIMIT) -> Lane:
    lane = Lane(name, limit=limit, answers=answers)
    for number in range(copies):
        lane.add(Job(a_copy(number), None))
    return lane


def given(turns: Turns, *lanes: Lane) -> list[Turn]:
    for lane in lanes:
        turns.ask(lane)
    return _take(turns)


def ended(turns: Turns, turn: Turn) -> list[Turn]:
    """It made one attempt, gives its turn back and asks again."""
    turns.give_back(turn)
    return given(turns, turn.lane)


def _take(turns: Turns) -> list[Turn]:
    found = []
    for turn in turns.give():
        turn.begin()
        turn.lane.next_job()
        found.append(turn)
    return found


def test_alone_a_destination_has_as_many_as_its_limit():
    """The room of all is no affair of one."""
    turns = Turns(most=40)
    lane = lane_with("a", 100, limit=7)
    assert len(given(turns, lane)) == lane.active == 7
    assert not given(turns, lane)
    assert not turns.somebody_waits


def test_one_copy_sets_one_hand_to_work():
    """However many more the lane allows: they would find nothing when they come to it."""
    turns = Turns(most=40)
    lane = lane_with("a", 1)
    turns.ask(lane)
    (turn,) = turns.give()
    assert not lane.may_start
    lane.add(Job(a_copy(1), None))
    assert lane.may_start
    turn.begin()
    lane.next_job()
    assert len(given(turns, lane)) == 1


def test_where_it_is_crowded_destinations_take_turns():
    """A thousand copies for one weigh no more than ten for another."""
    turns = Turns(most=6)
    crowd = [lane_with("many", 1000), lane_with("few", 10), lane_with("also few", 10)]
    under_way = given(turns, crowd[0])
    assert len(under_way) == 6
    given(turns, *crowd[1:])
    assert turns.somebody_waits
    begun: Counter[str] = Counter()
    for _ in range(24):
        new = ended(turns, under_way.pop(0))
        begun.update(turn.lane.destination for turn in new)
        under_way += new
    assert begun["few"] == begun["also few"] >= 7
    assert begun["many"] >= 7


def test_those_that_do_not_answer_never_take_all_the_room():
    """A hundred dead destinations leave a quarter to whoever's next hop is well."""
    turns = Turns(most=40)
    dead = [lane_with(f"dead {number}", 50, answers=False) for number in range(100)]
    assert len(given(turns, *dead)) == 30
    assert {lane.active for lane in dead} == {0, 1}
    well = lane_with("well", 50)
    assert len(given(turns, well)) == 10
    assert well.active == 10


def test_one_that_is_new_is_not_behind_all_copies_of_the_dead():
    """Few dead ones with many copies each take half the room at most, so that a first attempt elsewhere finds some."""
    turns = Turns(most=40)
    assert len(given(turns, *[lane_with(f"dead {number}", 50, answers=False) for number in range(5)])) == 20
    new = lane_with("new", 50, answers=False)
    assert len(given(turns, new)) == 1


def test_who_has_room_kept_does_not_take_that_of_the_others():
    """When one that answers gives back, an unproven one has its turn as well."""
    turns = Turns(most=8)
    well, new = lane_with("well", 100), lane_with("new", 100, answers=False)
    under_way = given(turns, well)
    assert not given(turns, new)
    begun: Counter[str] = Counter()
    for _ in range(20):
        fresh = ended(turns, under_way.pop(0))
        begun.update(turn.lane.destination for turn in fresh)
        under_way += fresh
    assert begun["new"] >= 5
    assert begun["well"] >= 5


def test_who_thought_otherwise_takes_nobodys_turn():
    """A lane that has nothing left when its turn comes is passed over."""
    turns = Turns(most=1)
    first, second, third = (lane_with(name, 2) for name in ("a", "b", "c"))
    (turn,) = given(turns, first, second, third)
    second.remove()
    turns.give_back(turn)
    (turn,) = _take(turns)
    assert turn.lane is third


def test_turns_given_back_leave_nothing_behind():
    """A lane that was new and answers by now is counted as what it was."""
    turns = Turns(most=4)
    lane = lane_with("a", 1000, answers=False)
    for _ in range(50):
        for turn in given(turns, lane):
            lane.answers = not lane.answers
            turns.give_back(turn)
    lane.remove()
    assert len(given(turns, lane_with("b", 10, answers=False))) == 2
    assert len(given(turns, lane_with("c", 10))) == 2
