"""The metrics of several processes as one: what each has counted is told to the one that is asked for them.

A worker counts into a registry of its own, as if it were alone, and tells now and then by how much that has grown. The
sum is exact but for what a worker had not told yet when it died.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar, cast

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from routerd.ops.metrics import Metrics

Labels = tuple[str, ...]
Name = tuple[str, Labels]
"""Of a series: its metric's, and the values of its labels."""

M = TypeVar("M", bound=MetricWrapperBase)


@dataclass(frozen=True, slots=True)
class Growth:
    """Of one worker's metrics since it told last; made of plain values, to be pickled. What did not grow is left out,
    but for series that are new: they are shown from the beginning, as 0.
    """

    counters: tuple[tuple[Name, float], ...] = ()
    histograms: tuple[tuple[Name, float, tuple[tuple[int, float], ...]], ...] = ()  # sum, and by number of bucket
    gauges: tuple[tuple[Name, float], ...] = ()  # as they are now: all that `Series.folds` names


class Increments:
    """`metrics`: a worker's own, made for it: all that they have counted is its. Not for several threads at once;
    others may count meanwhile.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._series = metrics.series
        self._counted: dict[str, dict[Labels, tuple[Counter, float]]] = {}
        self._observed: dict[str, dict[Labels, tuple[Histogram, float, list[float]]]] = {}

    def take(self) -> Growth:
        """By how much they have grown since it was taken last."""
        counters = [found for name, counter in self._series.counters.items() for found in self._grown(name, counter)]
        histograms = [
            found for name, histogram in self._series.histograms.items() for found in self._filled(name, histogram)
        ]
        gauges = [found for name in self._series.folds for found in _readings(name, self._series.gauges[name])]
        return Growth(tuple(counters), tuple(histograms), tuple(gauges))

    def _grown(self, name: str, counter: Counter) -> Iterator[tuple[Name, float]]:
        before, now = self._counted.get(name, {}), {}
        for labels, child in _children(counter):
            value = child._value.get()
            # A series that was cleared and begun anew is another child: it has grown from 0.
            same, last = before.get(labels, (None, 0.0))
            if same is not child:
                last = 0.0
            now[labels] = (child, value)
            if value != last or same is None:
                yield (name, labels), value - last
        self._counted[name] = now

    def _filled(self, name: str, histogram: Histogram) -> Iterator[tuple[Name, float, tuple[tuple[int, float], ...]]]:
        before, now = self._observed.get(name, {}), {}
        for labels, child in _children(histogram):
            total, counts = child._sum.get(), [bucket.get() for bucket in child._buckets]
            same, last_total, last_counts = before.get(labels, (None, 0.0, []))
            if same is not child:
                last_total, last_counts = 0.0, [0.0] * len(counts)
            now[labels] = (child, total, counts)
            if same is None or total != last_total or counts != last_counts:
                pairs = enumerate(zip(counts, last_counts, strict=True))
                yield (name, labels), total - last_total, tuple((at, a - b) for at, (a, b) in pairs if a != b)
        self._observed[name] = now


class Sums:
    """Adds what workers tell to the metrics that are asked for. A worker is known by any number of its own, never used
    for another that tells at the same time.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._series = metrics.series
        self._gauges: dict[int, dict[Name, float]] = {}  # by worker

    def add(self, worker: int, growth: Growth) -> None:
        for (name, labels), more in growth.counters:
            _child(self._series.counters[name], labels).inc(more)
        for (name, labels), more, counts in growth.histograms:
            histogram = _child(self._series.histograms[name], labels)
            histogram._sum.inc(more)
            for at, count in counts:
                histogram._buckets[at].inc(count)
        self._show(worker, dict(growth.gauges))

    def forget(self, worker: int) -> None:
        """It is dead, if it ever told: what its gauges said holds no more; what it counted stays."""
        self._show(worker, {})
        del self._gauges[worker]

    def _show(self, worker: int, gauges: dict[Name, float]) -> None:
        before = self._gauges.get(worker, {})
        self._gauges[worker] = gauges
        for series in before | gauges:
            name, labels = series
            gauge = self._series.gauges[name]
            values = [of_one[series] for of_one in self._gauges.values() if series in of_one]
            if values or not labels:
                _child(gauge, labels).set(self._series.folds[name](values) if values else 0.0)
            else:
                gauge.remove(*labels)


def _children(metric: M) -> list[tuple[Labels, M]]:
    """Of each series; a metric without labels is one itself."""
    if not metric._labelnames:
        return [((), metric)]
    with metric._lock:
        return list(cast(dict[Labels, M], metric._metrics).items())


def _child(metric: M, labels: Labels) -> M:
    return metric.labels(*labels) if labels else metric


def _readings(name: str, gauge: Gauge) -> Iterator[tuple[Name, float]]:
    """By the library's own way to ask: a gauge may be a function."""
    for labels, child in _children(gauge):
        for sample in child._child_samples():
            yield (name, labels), sample.value
