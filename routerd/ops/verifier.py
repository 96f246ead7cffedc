"""Verification (step 3) as the daemon does it: for whom the config says, by the resolver, counted."""

from dataclasses import replace
from functools import partial

import structlog

from routerd.auth.dns_answers import Stranger
from routerd.auth.results import AuthResults, believed_results
from routerd.auth.verification import NOT_VERIFIED, Compute, Verification, is_to_verify
from routerd.auth.verify import Incoming, verify
from routerd.config.settings import Settings
from routerd.message.client_key import client_key
from routerd.message.envelope import Received
from routerd.message.view import MessageView
from routerd.ops.dns import Resolver
from routerd.ops.metrics import Metrics

COUNTED = ("spf", "dkim", "dmarc", "arc")

log = structlog.get_logger()


class Verifier:
    def __init__(self, resolver: Resolver, metrics: Metrics) -> None:
        self._look_up = resolver.look_up
        self._metrics = metrics

    async def verify(self, view: MessageView, received: Received, settings: Settings, compute: Compute) -> Verification:
        """Nothing where nothing is to be verified. Raises only where the caller is cancelled."""
        client = received.client
        listener = settings.listener(client.listener)
        if not is_to_verify(listener.verify if listener is not None else None, client):
            return NOT_VERIFIED
        hop = believed_results(view, True, settings.authserv_ids) if client.trusted else None
        mail = Incoming(view, received.envelope, client, received.at, hop, settings.arc_sealers)
        stranger = Stranger(received.id if client.trusted else client_key(client.address))  # behind a hop are many
        verification = await verify(mail, partial(self._look_up, stranger=stranger), compute, self._tell)
        found = AuthResults(verification.results)
        for method in COUNTED:
            result = found.result(method)
            if result is not None:
                self._metrics.auth_results.labels(method, result).inc()
        return replace(verification, went_without=True) if stranger.went_without else verification

    def _tell(self, method: str, fault: Exception) -> None:
        log.error("verification_failed", method=method, reason=repr(fault), exc_info=fault)
