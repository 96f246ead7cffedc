"""What operators see of deliveries: logs and metrics."""

from collections.abc import Callable

import structlog

from routerd.delivery.outcome import Deferred, Delivered, Failed, Outcome
from routerd.ops.metrics import Metrics
from routerd.store.base import Conclusion, Copy, Done, Forgo, Hold, Reroute, RetryAt

MAX_LATE = 100_000  # copies remembered as logged late; beyond that they are only not logged

log = structlog.get_logger()

_WORDS: dict[type[Outcome], str] = {Delivered: "delivered", Deferred: "deferred", Failed: "failed"}


class Report:
    """One per worker. `annotated`, `sent` and `wrote` are told how many seconds steps 7 and 8 took of a copy, and step
    9 of a group."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.annotated: Callable[[float], None] = metrics.step_seconds.labels("annotate").observe
        self.wrote: Callable[[float], None] = metrics.step_seconds.labels("conclude").observe
        self.sent: Callable[[float], None] = metrics.step_seconds.labels("deliver").observe
        self._late: set[int] = set()
        # `labels` is slow: asked once for each pair.
        self._counted: dict[tuple[str, type[Outcome]], tuple[Callable[[], None], Callable[[float], None]]] = {}

    def attempted(self, transport: str, outcome: Outcome, seconds: float) -> None:
        count, observe = self._counting(transport, outcome)
        count()
        observe(seconds)

    def concluded_without_attempt(self, transport: str, outcome: Outcome) -> None:
        """It counts all the same: else a next hop that is down would show by one attempt now and then."""
        count, _ = self._counting(transport, outcome)
        count()

    def _counting(self, transport: str, outcome: Outcome) -> tuple[Callable[[], None], Callable[[float], None]]:
        counted = self._counted.get((transport, type(outcome)))
        if counted is None:
            counted = self._counted[transport, type(outcome)] = (
                self._metrics.deliveries.labels(transport, _WORDS[type(outcome)]).inc,
                self._metrics.delivery_seconds.labels(transport).observe,
            )
        return counted

    def concluded(self, copy: Copy, conclusion: Conclusion, outcome: Outcome, new: tuple[Copy, ...]) -> None:
        """Once it is written."""
        about = {
            "id": copy.queue_id,
            "copy": copy.id,
            "member": copy.member,
            "destination": copy.destination,
            "attempts": copy.attempts + 1,
            "stage": outcome.stage.value,
            "reply": outcome.reply,
        }
        if outcome.host:
            about["host"] = outcome.host
        match conclusion:
            case Done():
                log.info("copy_delivered", **about)
            case RetryAt(at, reason):
                log.warning("copy_deferred", **about, reason=reason, next_attempt_at=at)
            case Hold(reason):
                log.error("copy_held", **about, reason=reason)
            case Forgo(reason):
                log.warning("copy_failed", **about, reason=reason)
            case Reroute(reason) if new:
                self._metrics.reroutes.labels("refused" if isinstance(outcome, Failed) else "late").inc()
                log.warning("copy_rerouted", **about, reason=reason, to=[other.member for other in new])
            case Reroute(reason):
                log.error("copy_held", **about, reason=f"{reason}; nobody is left in line")
        self._note_late(copy, isinstance(conclusion, RetryAt) and conclusion.late != "", outcome)

    def _note_late(self, copy: Copy, is_late: bool, outcome: Outcome) -> None:
        if not is_late:
            self._late.discard(copy.number)
        elif copy.number not in self._late and len(self._late) < MAX_LATE:
            self._late.add(copy.number)
            self._metrics.late_copies.inc()
            log.warning(
                "copy_late",
                id=copy.queue_id,
                copy=copy.id,
                member=copy.member,
                destination=copy.destination,
                since=copy.created_at,
                reason=outcome.reason,
            )
