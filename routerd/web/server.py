"""HTTP beside the mail: `/metrics`, `/healthz` and `/readyz`, in the daemon's own loop."""

import asyncio
import contextlib
import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from routerd.config.settings import HostPort, Http
from routerd.ops.metrics import Metrics
from routerd.store.base import CopyState, QueueCounts
from routerd.store.protocol import Store

MAX_CONNECTIONS = 64
MAX_HEAD_BYTES = 16_384
CONNECTION_SECONDS = 30.0  # a connection lives no longer between two answers, whatever it sends
STORE_SECONDS = 5.0
TELLING_SECONDS = 0.5
CLOSING_SECONDS = 2

log = structlog.get_logger()


class Phase(StrEnum):
    """Where the daemon is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class HttpServer:
    """Serves from `start` to `stop`. The daemon moves `phase`; only while SERVING is `/readyz` 200.

    `is_writer_alive` says whether the store's writer can work: without it nothing can be accepted any more, which
    only a restart mends, so `/healthz` fails. What a restart does not mend fails `/readyz` alone, as where `takes_mail`
    says that no process is there which does. `before_scrape` has other processes tell what they have counted; who takes
    too long is shown as he told last.
    """

    def __init__(
        self,
        http: Http,
        metrics: Metrics,
        store: Store,
        is_writer_alive: Callable[[], bool],
        before_scrape: Callable[[], Awaitable[None]] | None = None,
        takes_mail: Callable[[], bool] = lambda: True,
    ) -> None:
        self.phase = Phase.STARTING
        self._metrics = metrics
        self._store = store
        self._is_writer_alive = is_writer_alive
        self._before_scrape = before_scrape
        self._takes_mail = takes_mail
        self._endpoint = http.address
        self._app = _Guard(self._routes(), http)
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._bound: HostPort | None = None

    @property
    def address(self) -> HostPort:
        """Where it listens: the port that the system gave, if the config says 0."""
        return self._bound or self._endpoint

    async def start(self) -> None:
        """Returns when it answers. Raises OSError where the address cannot be had."""
        listening = await _bind(self._endpoint)
        self._bound = HostPort(host=self._endpoint.host, port=listening.getsockname()[1])
        config = uvicorn.Config(
            self._app,
            http=_BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # X-Forwarded-For would let any local client pass for another
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            timeout_graceful_shutdown=CLOSING_SECONDS,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]), name="http")
        started = asyncio.create_task(self._server.answering.wait())
        await asyncio.wait({started, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._serving.done():
            self._serving.result()

    async def stop(self) -> None:
        """Answers what is being asked, for a short while, and closes."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._server = self._serving = None

    def _routes(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/metrics", self._serve_metrics),
                Route("/healthz", self._serve_health),
                Route("/readyz", self._serve_readiness),
            ]
        )

    async def _serve_metrics(self, _request: Request) -> Response:
        self._metrics.store_trouble.set(bool(self._store.trouble))
        if self._before_scrape is not None:
            try:
                async with asyncio.timeout(TELLING_SECONDS):
                    await self._before_scrape()
            except Exception as error:
                log.warning("scrape_incomplete", error=repr(error))
        try:
            fill_queue_gauges(self._metrics, await self._counts(), datetime.now(UTC))
            self._metrics.store_free_bytes.set(self._store.free_bytes())
        except Exception as error:  # the other metrics are wanted most when the store is in trouble
            log.warning("scrape_incomplete", error=repr(error))
        return Response(self._metrics.exposition(), media_type=self._metrics.content_type)

    async def _serve_health(self, _request: Request) -> Response:
        """That it answers at all shows that the loop turns."""
        return _verdict(None if self._is_writer_alive() else self._store.trouble or "the store's writer has died")

    async def _serve_readiness(self, _request: Request) -> Response:
        if self.phase is not Phase.SERVING:
            return _verdict(self.phase.value)
        if self._store.trouble or not self._is_writer_alive():
            return _verdict(self._store.trouble or "the store's writer has died")
        if not self._takes_mail():
            return _verdict("no worker runs")
        try:
            await self._counts()
        except Exception as error:
            log.warning("store_not_ready", error=repr(error))
            return _verdict("the store is failing")
        return _verdict(None)

    async def _counts(self) -> QueueCounts:
        async with asyncio.timeout(STORE_SECONDS):
            return await self._store.counts()


def fill_queue_gauges(metrics: Metrics, counts: QueueCounts, now: datetime) -> None:
    for state in (CopyState.QUEUED, CopyState.HELD):
        metrics.queue_copies.labels(state.value).set(counts.copies.get(state, 0))
    age = (now - counts.oldest_at).total_seconds() if counts.oldest_at else 0.0
    metrics.queue_oldest_seconds.set(max(age, 0.0))


def _verdict(trouble: str | None) -> Response:
    return PlainTextResponse(f"{trouble or 'ok'}\n", 503 if trouble else 200, {"Cache-Control": "no-store"})


class _Guard:
    """Lets in whom `http:` names: the networks of `allow` and loopback, with the token where one is set."""

    def __init__(self, app: ASGIApp, http: Http) -> None:
        self._app = app
        self._allow = http.allow
        self._expected = None if http.token is None else f"Bearer {http.token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._app
        if not self._is_allowed(scope.get("client")):
            answer = PlainTextResponse("not allowed from here\n", 403)
        elif not self._has_token(scope["headers"]):
            answer = PlainTextResponse("a token is needed\n", 401, {"WWW-Authenticate": "Bearer"})
        await answer(scope, receive, send)

    def _is_allowed(self, client: tuple[str, int] | None) -> bool:
        if not self._allow:
            return True
        if client is None:
            return False
        address = ipaddress.ip_address(client[0].partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address  # ::ffff:192.0.2.1 on a dual-stack socket
        return address.is_loopback or any(address in network for network in self._allow)

    def _has_token(self, headers: list[tuple[bytes, bytes]]) -> bool:
        if self._expected is None:
            return True
        given = [value for name, value in headers if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


class _Server(uvicorn.Server):
    """uvicorn, which leaves the signals to the daemon and says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()


class _BoundedProtocol(H11Protocol):
    """uvicorn waits for ever for a request that does not come, and takes any number of such connections."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._deadline = self.loop.call_later(CONNECTION_SECONDS, self._close_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        deadline = getattr(self, "_deadline", None)
        if deadline is not None:
            deadline.cancel()
        super().connection_lost(exc)

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
        else:
            self._deadline = self.loop.call_later(CONNECTION_SECONDS, self._close_if_idle)


async def _bind(endpoint: HostPort) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
