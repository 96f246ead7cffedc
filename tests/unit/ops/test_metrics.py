"""The exposition that Prometheus scrapes."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from routerd.ops.metrics import _SECONDS, Metrics


def test_no_series_tells_when_a_counter_was_made() -> None:
    """`_created` would double the series of every counter and histogram."""
    metrics = Metrics()
    metrics.labels.labels("urgent").inc()
    metrics.accept_seconds.observe(0.1)
    text = metrics.exposition().decode()
    assert 'routerd_labels_total{label="urgent"} 1.0' in text
    assert "_created" not in text


def test_a_histogram_counts_as_the_library_does() -> None:
    """Ours looks for the bucket in its own way: at a bound, below the least and beyond the last it finds the same."""
    metrics, registry = Metrics(), CollectorRegistry()
    theirs = Histogram(
        "routerd_step_seconds", "One step of a message's way", ["step"], buckets=_SECONDS, registry=registry
    )
    for seconds in (0.0, 0.0005, 0.00051, 0.7, 60, 61, *_SECONDS):
        theirs.labels("view").observe(seconds)
        metrics.step_seconds.labels("view").observe(seconds)
    text = metrics.exposition().decode()
    assert all(line in text for line in generate_latest(registry).decode().splitlines())


def test_what_passes_within_a_with_is_observed_whatever_happens_in_it() -> None:
    """A step that fails took its time, too."""
    step = Metrics().step_seconds.labels("view")
    try:
        with step.time():
            raise LookupError
    except LookupError:
        pass
    assert step._sum.get() > 0
