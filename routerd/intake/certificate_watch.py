"""Says in time that the certificate ends: senders with a policy (MTA-STS, DANE) and members then send no more."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from routerd.config.certificate import trouble_ahead
from routerd.intake.tls import ServerContext
from routerd.ops.metrics import Metrics

log = structlog.get_logger()

_DAY = timedelta(days=1)


class CertificateWatch:
    """Of the certificate in force; a reload brings another one."""

    def __init__(self, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._gauge = metrics.certificate_expires
        self._now = now
        self._tls: ServerContext | None = None
        self._said_at: datetime | None = None

    def adopt(self, tls: ServerContext | None) -> None:
        self._tls = tls
        self._said_at = None
        self._gauge.clear()
        if tls is not None and tls.good_until is not None:
            self._gauge.labels(str(tls.certificate)).set(tls.good_until.timestamp())

    def look(self) -> None:
        """To be called now and then; says the same once a day."""
        tls, now = self._tls, self._now()
        if tls is None or tls.good_until is None or (self._said_at is not None and now - self._said_at < _DAY):
            return
        said = trouble_ahead(tls.good_until, now)
        if said is not None:
            self._said_at = now
            log.warning("certificate_expires", certificate=tls.certificate, reason=said)
