"""The exposition that Prometheus scrapes."""

from routerd.ops.metrics import Metrics


def test_no_series_tells_when_a_counter_was_made() -> None:
    """`_created` would double the series of every counter and histogram."""
    metrics = Metrics()
    metrics.labels.labels("urgent").inc()
    metrics.accept_seconds.observe(0.1)
    text = metrics.exposition().decode()
    assert 'routerd_labels_total{label="urgent"} 1.0' in text
    assert "_created" not in text
