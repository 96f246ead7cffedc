"""One listener: what its clients are granted, its certificate, its metrics."""

import asyncio
import ssl
from collections.abc import Sequence

import structlog

from routerd.config.settings import Listener, ListenTls, Settings
from routerd.intake.clients.peer import Peer
from routerd.intake.listener_terms import terms_of
from routerd.intake.protocol.events import LoggedIn
from routerd.intake.protocol.terms import Terms
from routerd.intake.reception import Reception
from routerd.message.envelope import ClientFindings, Refused, Verdict

log = structlog.get_logger()


class Gate:
    """A reload calls `adopt`; sessions that are there keep their terms."""

    def __init__(
        self,
        reception: Reception,
        settings: Settings,
        listener: Listener,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.reception = reception
        self.name = listener.name
        self.open_connections = 0
        self.adopt(settings, listener, tls)
        metrics = reception.metrics
        metrics.connections.labels(self.name).set_function(lambda: self.open_connections)
        self._receiving = metrics.step_seconds.labels("receive")
        self._results = {
            result: metrics.messages_received.labels(self.name, result)
            for result in ("accepted", "deferred", "rejected")
        }

    def adopt(self, settings: Settings, listener: Listener, tls: ssl.SSLContext | None) -> None:
        """`tls` is the certificate as read anew: the next handshake has it."""
        self.tls = None if listener.tls is ListenTls.NONE else tls
        self.is_implicit_tls = listener.tls is ListenTls.IMPLICIT
        self._reverse_name = listener.reverse_name
        self._in_lists = listener.auth == "none"
        self._greet_delay_seconds = listener.greet_delay.total_seconds()
        self._terms = {
            trusted: terms_of(settings, listener, has_tls=self.tls is not None, trusted=trusted)
            for trusted in (False, True)
        }

    def terms(self, *, trusted: bool) -> Terms:
        return self._terms[trusted]

    # Before the greeting

    def look_up(self, peer: Peer) -> "asyncio.Task[ClientFindings] | None":
        """Asks DNS about the client; None: nothing is asked."""
        look_up = self.reception.look_up
        if look_up is None or peer.trusted:
            return None
        if not look_up.asks(peer.address, self._reverse_name, in_lists=self._in_lists):
            return None
        return self.reception.accompany(look_up.findings(peer.address, self._reverse_name, in_lists=self._in_lists))

    @property
    def may_refuse_clients(self) -> bool:
        """Whether what DNS says must be known before the greeting."""
        look_up = self.reception.look_up
        return look_up is not None and look_up.may_refuse(self._reverse_name, in_lists=self._in_lists)

    def refused_client(self, findings: ClientFindings, peer: Peer) -> tuple[Refused, str] | None:
        """Whether its mail is unwanted, with the word under which that is counted."""
        look_up = self.reception.look_up
        return look_up.refused_client(findings, self._reverse_name, peer.address) if look_up is not None else None

    def greeting_delay_seconds(self, peer: Peer) -> float:
        strain_seconds = self.reception.pressure.delay_seconds(trusted=peer.trusted)
        return strain_seconds if peer.trusted else max(self._greet_delay_seconds, strain_seconds)

    # Counting

    def count_refusal(
        self, reason: str, refused: Refused | None, about: str, peer: Peer, sender: str | None = None
    ) -> None:
        """`refused`: None where nothing was said; `sender`: of the message that it was about, where there is one."""
        self.reception.count_refusal(reason)
        if not self._is_logged(peer):
            return
        log.info(
            "connection_refused" if refused is None else "command_refused",
            reason=reason,
            reply=refused and f"{refused.code} {refused.status} {refused.text}",
            about=about,
            **({} if sender is None else {"sender": sender}),
            client=peer.address,
            listener=self.name,
        )

    def note_unlisted_proxy(self, peer: Peer) -> None:
        """A PROXY header came from who is not in `proxies`: what is refused next looks like anything but that."""
        if self._is_logged(peer):
            log.warning(
                "proxy_not_listed",
                reason=f"{peer.address} sends a PROXY header, but is not in 'proxies'",
                client=peer.address,
                listener=self.name,
            )

    def _is_logged(self, peer: Peer) -> bool:
        """Whether what this client was refused gets a line."""
        now = asyncio.get_running_loop().time()
        return peer.trusted or self.reception.refusal_log.takes(peer.key or "", now)

    def count_login(self, answer: LoggedIn | Refused) -> None:
        """A refusal that is temporary says nothing of the password."""
        result = "ok" if isinstance(answer, LoggedIn) else "wrong" if answer.code >= 500 else "postponed"
        self.reception.metrics.logins.labels(result).inc()

    def count_received(self, seconds: float) -> None:
        """`seconds`: what a message, up to the end of its content, and the commands before it took of ours."""
        self._receiving.observe(seconds)

    def count_verdicts(self, verdicts: Sequence[Verdict], size_bytes: int, seconds: float) -> None:
        """A message counts as accepted if it was for any recipient, else as deferred if any may come again."""
        metrics = self.reception.metrics
        metrics.accept_seconds.observe(seconds)
        refused = [verdict for verdict in verdicts if isinstance(verdict, Refused)]
        if len(refused) < len(verdicts):
            metrics.message_bytes.observe(size_bytes)
            self._results["accepted"].inc()
        elif any(verdict.code < 500 for verdict in refused):
            self._results["deferred"].inc()
        else:
            self._results["rejected"].inc()
