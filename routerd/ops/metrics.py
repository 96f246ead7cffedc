"""The Prometheus metrics of one daemon, each named once."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from time import perf_counter
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from routerd.desk.reply_due import Withheld
from routerd.ops.rejections import REASONS

# a second series beside each counter and histogram, which nobody asks for
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_DELIVERY_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 5, 30, 120, 600)
_BYTES = (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000, 4_000_000, 16_000_000, 64_000_000)
_DELIVERIES = "Attempts by outcome; also deferred is a copy that waits, untried, for a next hop in trouble"
_ASSIGNMENTS = 'Messages given to a member: "" where `reports` names nobody'
_BY_ITSELF = "What members' mailboxes seem to have said by themselves: answers held, notes shown to nobody"
_RESPONSE_SECONDS = (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 172_800, 345_600, 604_800)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128)


Fold = Callable[[Iterable[float]], float]


class _Timing:
    """What passes within a `with`. The library's own costs three times as much, at each step of each message."""

    __slots__ = ("_began", "_histogram")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram

    def __enter__(self) -> Self:
        self._began = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._histogram.observe(perf_counter() - self._began)


class _QuickHistogram(Histogram):
    """The library's, at half of what an observation costs: it looks at each bucket, and asks twice whether it may."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:  # noqa: ARG002 - the library's
        self._sum.inc(amount)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)

    def time(self) -> _Timing:  # type: ignore[override]
        return _Timing(self)


class Series:
    """Makes metrics, and knows them by their names."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.counters: dict[str, Counter] = {}
        self.histograms: dict[str, Histogram] = {}
        self.gauges: dict[str, Gauge] = {}
        self.folds: dict[str, Fold] = {}  # of the gauges that workers say something of

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        made = self.counters[name] = Counter(f"routerd_{name}", text, labels, registry=self.registry)
        return made

    def gauge(self, name: str, text: str, *labels: str, over_workers: Fold | None = None) -> Gauge:
        """`over_workers`: what is made of what each worker says; None: it is the daemon's, and they say nothing."""
        made = self.gauges[name] = Gauge(f"routerd_{name}", text, labels, registry=self.registry)
        if over_workers is not None:
            self.folds[name] = over_workers
        return made

    def histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        made = _QuickHistogram(f"routerd_{name}", text, labels, buckets=buckets, registry=self.registry)
        self.histograms[name] = made
        return made


class Metrics:
    """Labels hold only what the config names; an address from outside is never a label."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.series = series = Series()
        self.registry = series.registry
        self._names_members = True
        counter, gauge, histogram = series.counter, series.gauge, series.histogram
        self.messages_received = counter("messages_received", "Messages by what was answered", "listener", "result")
        self.message_bytes = histogram("message_bytes", "Size of accepted messages", _BYTES)
        self.accept_seconds = histogram("accept_seconds", "From the end of DATA to the answer", _SECONDS)
        self.step_seconds = histogram("step_seconds", "One step of a message's way", _SECONDS, "step")
        self.commit_batch_messages = histogram("commit_batch_messages", "Messages made durable by one fsync", _BATCH)
        self.commit_seconds = histogram("commit_seconds", "One transaction of the writer", _SECONDS)
        self.first_response_seconds = histogram(
            "first_response_seconds", "From a message to the first answer", _RESPONSE_SECONDS, "inbox", "team"
        )
        self.answers = counter("answers", "Members' answers that went out", "inbox")
        self.answers_held = counter("answers_held", "Second answers held: somebody else had answered meanwhile")
        self.said_by_itself = counter("said_by_itself", _BY_ITSELF, "what")
        self.rule_matches = counter("rule_matches", "Messages that a rule matched", "rule")
        self.rule_trials = counter("rule_trials", "Messages that a rule on trial matched, without effect", "rule")
        self.rule_errors = counter("rule_errors", "Rules that failed while they ran", "rule")
        self.assignments = counter("assignments", _ASSIGNMENTS, "inbox", "member")
        self.labels = counter("labels", "Labels given", "label")
        self.notes = counter("notes", "Notes of members, passed on to colleagues")
        self.commands = counter("commands", "Commands of members, by what became of them", "command", "result")
        self.auto_replies = counter("auto_replies", "Automatic replies, by what became of them", "result")
        self.unowned_messages = counter("unowned_messages", "Accepted messages without an owner; stays 0")
        self.undecided_messages = counter("undecided_messages", "Messages taken without rules (label routerd-error)")
        self.overdue = counter("overdue", "Conversations that became overdue: promised, and not answered in time")
        self.conversations = gauge("conversations", "Conversations by how they stand", "inbox", "state")
        self.away_members = gauge("away_members", "Members who are away now")
        self.deliveries = counter("deliveries", _DELIVERIES, "transport", "outcome")
        self.delivery_seconds = histogram("delivery_seconds", "One attempt", _DELIVERY_SECONDS, "transport")
        self.queue_copies = gauge("queue_copies", "Copies in the queue", "state")
        self.queue_oldest_seconds = gauge("queue_oldest_seconds", "Age of the oldest copy in the queue")
        self.reroutes = counter("reroutes", "Copies given to the next in line", "reason")
        self.bounces = counter("bounces", "Reports that came back for copies, by what they do", "action", "result")
        self.bounces_sent_back = counter("bounces_sent_back", "Bounces taken on to the sender (return_path: srs)")
        self.notices = counter("notices", "Notices to the postmaster, by the weightiest of what they tell", "kind")
        self.late_copies = counter("late_copies", "Copies that waited longer than retry.warn")
        self.connections = gauge("connections", "Open connections", "listener", over_workers=sum)
        # Each worker sees what all of them hold.
        self.memory_in_flight_bytes = gauge(
            "memory_in_flight_bytes", "Messages in memory until they are answered", over_workers=max
        )
        self.pressure = gauge(
            "pressure", "Of memory, disk and store on strangers: 0 none, 1 they get no more in", over_workers=max
        )
        self.certificate_expires = gauge(
            "certificate_expires_timestamp_seconds", "When the certificate ends, in Unix time", "certificate"
        )
        self.rejections = counter("rejections", "Commands and messages refused", "reason")
        self.dns_questions = counter("dns_questions", "Questions that servers were asked", "kind", "result")
        self.dns_seconds = histogram("dns_seconds", "One question, over all servers", _SECONDS)
        self.logins = counter("logins", "Tries to log in, by what was answered", "result")
        self.dns_list_answers = counter("dns_list_answers", "Clients by what a DNS list says", "zone", "result")
        self.auth_results = counter("auth_results", "Messages by what verification says", "method", "result")
        self.reverse_names = counter("reverse_names", "Clients by what their reverse name proves", "result")
        self.ruleset_info = gauge("ruleset_info", "1 for the ruleset in force", "revision")
        self.ruleset_rules = gauge("ruleset_rules", "Rules in force")
        self.workers = gauge("workers", "Processes that take mail in at present; where one does all, 1")
        self.workers_wanted = gauge("workers_wanted", "Processes that are to take mail in")
        self.worker_ends = counter("worker_ends", "Workers that died; each is replaced")
        self.reloads = counter("reloads", "Reloads of config and rules", "result")
        self.store_free_bytes = gauge("store_free_bytes", "Room left where the state lives")
        self.store_trouble = gauge("store_trouble", "1: nothing can be written; the database or its disk is damaged")
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """What alerts look at is there before it has happened."""
        self.unowned_messages.inc(0)
        for reason in REASONS:
            self.rejections.labels(reason).inc(0)
        for kind in ("held", "rerouted", "failed", "late", "nobody_to_tell"):
            self.notices.labels(kind).inc(0)
        for result in ("sent", *Withheld):
            self.auto_replies.labels(str(result)).inc(0)
        for result in ("ok", "wrong", "postponed"):
            self.logins.labels(result).inc(0)
        for result in ("ok", "error"):
            self.reloads.labels(result).inc(0)

    def name_members(self, are_named: bool) -> None:
        """Whether series may name members from now on; where they may not, those that did are gone."""
        if self._names_members and not are_named:
            self.assignments.clear()
        self._names_members = are_named

    def assigned(self, inbox: str, member: str) -> None:
        self.assignments.labels(inbox, member if self._names_members else "").inc()

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
