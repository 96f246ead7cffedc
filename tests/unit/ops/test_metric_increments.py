"""What several processes counted, shown as if one had."""

import pickle
import random
from collections.abc import Callable

from routerd.ops.metric_increments import Growth, Increments, Sums
from routerd.ops.metrics import Metrics


def told(increments: Increments) -> Growth:
    """By way of a pipe."""
    growth: Growth = pickle.loads(pickle.dumps(increments.take()))
    return growth


def lines(metrics: Metrics) -> dict[str, float]:
    text = metrics.exposition().decode()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#")
    }


DEEDS: list[Callable[[Metrics, random.Random], None]] = [
    lambda metrics, chance: metrics.messages_received.labels("mx", chance.choice(["accepted", "rejected"])).inc(),
    lambda metrics, chance: metrics.step_seconds.labels(chance.choice(["view", "verify"])).observe(chance.random()),
    lambda metrics, chance: metrics.message_bytes.observe(chance.randrange(100_000_000)),
    lambda metrics, chance: metrics.undecided_messages.inc(),
    lambda metrics, chance: metrics.rejections.labels("no_memory").inc(chance.randrange(5)),
]


def test_the_sum_over_processes_is_what_one_would_have_counted() -> None:
    """Counters and histograms, whoever counts what and whenever it is told."""
    chance = random.Random(8)
    alone, hub = Metrics(), Metrics()
    workers = [Metrics() for _ in range(3)]
    increments, sums = [Increments(worker) for worker in workers], Sums(hub)
    for _ in range(500):
        deed, seed, one = chance.choice(DEEDS), chance.random(), chance.randrange(4)
        deed(alone, random.Random(seed))
        deed((*workers, hub)[one], random.Random(seed))
        if chance.random() < 0.1:
            teller = chance.randrange(3)
            sums.add(teller, told(increments[teller]))
    for number, one_of in enumerate(increments):
        sums.add(number, told(one_of))
    summed, counted = lines(hub), lines(alone)
    assert summed.keys() == counted.keys()
    for name, value in counted.items():
        assert abs(summed[name] - value) <= 1e-9 * value, name  # floats that are added in another order


def test_nothing_is_told_twice() -> None:
    """What did not grow is not mentioned; a series that is new is, though it stands at 0."""
    worker = Metrics()
    increments = Increments(worker)
    told(increments)
    again = told(increments)
    assert (again.counters, again.histograms) == ((), ())
    worker.messages_received.labels("mx", "deferred")
    assert told(increments).counters == ((("messages_received", ("mx", "deferred")), 0.0),)
    worker.messages_received.labels("mx", "deferred").inc(2)
    assert told(increments).counters == ((("messages_received", ("mx", "deferred")), 2.0),)
    assert told(increments).counters == ()


def test_a_series_begun_anew_counts_from_nothing() -> None:
    """Members' names go where reports are not to bear them; what is counted afterwards is no less."""
    worker = Metrics()
    increments = Increments(worker)
    worker.assigned("support@example.com", "ewa")
    worker.assigned("support@example.com", "ewa")
    told(increments)
    worker.name_members(False)
    worker.name_members(True)
    worker.assigned("support@example.com", "ewa")
    assert told(increments).counters == ((("assignments", ("support@example.com", "ewa")), 1.0),)


def test_open_connections_are_those_of_all() -> None:
    """A worker that dies takes its own along, and a listener that nobody has any more is shown no more."""
    hub = Metrics()
    sums = Sums(hub)
    first, second = Metrics(), Metrics()
    first.connections.labels("mx").set_function(lambda: 3)
    second.connections.labels("mx").set(4)
    second.connections.labels("submission").set(1)
    for _ in range(2):
        sums.add(1, told(Increments(first)))
        sums.add(2, told(Increments(second)))
    mx, submission = 'routerd_connections{listener="mx"}', 'routerd_connections{listener="submission"}'
    assert [lines(hub)[mx], lines(hub)[submission]] == [7, 1]
    sums.forget(2)
    assert lines(hub)[mx] == 3
    assert submission not in lines(hub)
    sums.forget(1)
    assert mx not in lines(hub)


def test_what_each_worker_sees_of_all_is_not_added_up() -> None:
    """The highest pressure, the most memory; with nobody left there is none."""
    hub = Metrics()
    sums = Sums(hub)
    for number, pressure in enumerate((0.25, 0.5)):
        worker = Metrics()
        worker.pressure.set(pressure)
        worker.memory_in_flight_bytes.set(1000)
        sums.add(number, told(Increments(worker)))
    shown = lines(hub)
    assert shown["routerd_pressure"] == 0.5
    assert shown["routerd_memory_in_flight_bytes"] == 1000
    for number in range(3):
        sums.forget(number)  # also one that never told
    assert lines(hub)["routerd_pressure"] == 0


def test_gauges_of_the_daemon_are_left_alone() -> None:
    """Of the queue and the rules in force a worker knows nothing."""
    hub, worker = Metrics(), Metrics()
    hub.ruleset_rules.set(100)
    hub.queue_copies.labels("queued").set(5)
    worker.ruleset_rules.set(1)
    Sums(hub).add(1, told(Increments(worker)))
    assert lines(hub)["routerd_ruleset_rules"] == 100
    assert lines(hub)['routerd_queue_copies{state="queued"}'] == 5
    assert worker.series.folds.keys() == {"connections", "memory_in_flight_bytes", "pressure"}
