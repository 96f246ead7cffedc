"""Metrics and health, asked over real connections."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest

from routerd.config.settings import HostPort, Http
from routerd.ops.metrics import Metrics
from routerd.store.base import CopyState, QueueCounts, StoreError
from routerd.store.protocol import Store
from routerd.web import server
from routerd.web.server import HttpServer, Phase


class _Store:
    """The two questions that the server asks."""

    def __init__(self) -> None:
        self.answer: QueueCounts | Exception = QueueCounts()
        self.hangs = False
        self.trouble = ""

    async def counts(self) -> QueueCounts:
        if self.hangs:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def free_bytes(self) -> int:
        return 12_345


@asynccontextmanager
async def _serving(
    store: _Store | None = None,
    writer: Callable[[], bool] = lambda: True,
    before_scrape: Callable[[], Awaitable[None]] | None = None,
    takes_mail: Callable[[], bool] = lambda: True,
    **keys: Any,
) -> AsyncIterator[tuple[HttpServer, httpx.AsyncClient]]:
    http = Http(address=HostPort(host="127.0.0.1", port=0), **keys)
    served = HttpServer(http, Metrics(), cast(Store, store or _Store()), writer, before_scrape, takes_mail)
    await served.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://{served.address}", trust_env=False) as client:
            yield served, client
    finally:
        await served.stop()


async def test_metrics_show_the_queue_as_it_is_now() -> None:
    """The queue's gauges are filled when they are asked for, with a state that emptied back at 0."""
    store = _Store()
    store.answer = QueueCounts({CopyState.QUEUED: 3}, datetime.now(UTC) - timedelta(hours=1))
    async with _serving(store) as (_, client):
        answer = await client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert 'routerd_queue_copies{state="queued"} 3.0' in answer.text
        assert 'routerd_queue_copies{state="held"} 0.0' in answer.text
        assert "routerd_store_free_bytes 12345.0" in answer.text
        [age] = [line.split()[1] for line in answer.text.splitlines() if line.startswith("routerd_queue_oldest_sec")]
        assert 3600 <= float(age) < 3700
        store.answer = QueueCounts()
        text = (await client.get("/metrics")).text
        assert 'routerd_queue_copies{state="queued"} 0.0' in text
        assert "routerd_queue_oldest_seconds 0.0" in text


async def test_workers_tell_before_a_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes too long, or is not there any more, keeps nobody waiting."""
    monkeypatch.setattr(server, "TELLING_SECONDS", 0.01)
    asked = []

    async def tell() -> None:
        asked.append(True)
        if len(asked) == 2:
            raise ConnectionResetError
        if len(asked) == 3:
            await asyncio.Event().wait()

    async with _serving(before_scrape=tell) as (_, client):
        for scrapes in range(1, 5):
            answer = await client.get("/metrics")
            assert answer.status_code == 200
            assert "routerd_unowned_messages_total 0.0" in answer.text
            assert len(asked) == scrapes


async def test_metrics_are_given_while_the_store_fails() -> None:
    """Trouble of the store does not blind the operator."""
    store = _Store()
    store.answer = StoreError("disk")
    async with _serving(store) as (_, client):
        answer = await client.get("/metrics")
        assert answer.status_code == 200
        assert "routerd_unowned_messages_total 0.0" in answer.text


async def test_ready_only_while_it_serves() -> None:
    """Before the start is finished and while it drains no balancer sends anything."""
    async with _serving() as (served, client):
        assert ((await client.get("/readyz")).status_code, served.phase) == (503, Phase.STARTING)
        assert (await client.get("/healthz")).status_code == 200
        served.phase = Phase.SERVING
        assert (await client.get("/readyz")).status_code == 200
        served.phase = Phase.DRAINING
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "draining\n")


async def test_not_ready_while_no_worker_runs() -> None:
    """Nobody would take what a balancer sends; it needs no restart, for the next worker is on its way."""
    runs = [False]
    async with _serving(takes_mail=lambda: runs[0]) as (served, client):
        served.phase = Phase.SERVING
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "no worker runs\n")
        assert (await client.get("/healthz")).status_code == 200
        runs[0] = True
        assert (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize("hangs", [True, False])
async def test_not_ready_while_the_store_fails(hangs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that raises or does not answer takes the node out, without its details."""
    monkeypatch.setattr(server, "STORE_SECONDS", 0.01)
    store = _Store()
    store.answer, store.hangs = StoreError("secret path"), hangs
    async with _serving(store) as (served, client):
        served.phase = Phase.SERVING
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "the store is failing\n")


async def test_not_alive_without_the_writer() -> None:
    """A dead writer thread is what only a restart mends."""
    async with _serving(writer=lambda: False) as (served, client):
        served.phase = Phase.SERVING
        assert (await client.get("/healthz")).status_code == 503
        assert (await client.get("/readyz")).status_code == 503


async def test_a_token_is_asked_of_everyone() -> None:
    """Without it, or with another, nothing is told; not even which pages there are."""
    async with _serving(token="s3cret") as (_, client):
        for path in ("/metrics", "/healthz", "/readyz", "/nothing"):
            assert (await client.get(path)).status_code == 401
        for wrong in ("Bearer s3cre", "s3cret", "Bearer s3cret2", "Basic s3cret", "Bearer \u00e9"):
            sent = {"Authorization": wrong.encode("latin-1")}
            assert (await client.get("/metrics", headers=sent)).status_code == 401  # type: ignore[arg-type]
        assert (await client.get("/metrics", headers={"Authorization": "Bearer s3cret"})).status_code == 200


@pytest.mark.parametrize(
    ("client", "status"),
    [
        (("192.0.2.9", 1), 200),
        (("198.51.100.1", 1), 403),
        (("::ffff:192.0.2.9", 1), 200),
        (("::ffff:198.51.100.1", 1), 403),
        (("2001:db8::1%eth0", 1), 200),
        (("127.0.0.1", 1), 200),
        (("::1", 1), 200),
        (None, 403),
    ],
)
async def test_allow_lets_in_its_networks_and_loopback(client: tuple[str, int] | None, status: int) -> None:
    """A mapped IPv4 address on a dual-stack socket is the same client."""
    http = Http(address=HostPort(host="::", port=0), allow=("192.0.2.0/24", "2001:db8::/32"))  # type: ignore[arg-type]
    served = HttpServer(http, Metrics(), cast(Store, _Store()), lambda: True)
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/healthz", "headers": [], "query_string": b"", "client": client}
    await served._app(scope, cast(Any, lambda: None), send)
    assert sent[0]["status"] == status


async def test_a_forwarded_address_is_not_believed() -> None:
    """X-Forwarded-For does not make one client pass for another."""
    async with _serving() as (served, client):
        seen: list[Any] = []

        async def spy(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["client"][0])
            await server._verdict(None)(scope, receive, send)

        served._app._app = spy  # type: ignore[assignment]
        await client.get("/healthz", headers={"X-Forwarded-For": "192.0.2.1"})
        assert seen == ["127.0.0.1"]


async def test_only_reading_is_answered() -> None:
    """There is nothing to change by HTTP."""
    async with _serving() as (_, client):
        assert (await client.post("/metrics")).status_code == 405
        assert (await client.get("/")).status_code == 404


async def test_the_signals_stay_with_the_daemon() -> None:
    """SIGTERM drains; uvicorn must not take it for its own."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with _serving():
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_an_address_in_use_is_an_error_at_start() -> None:
    """The daemon does not start without its metrics unnoticed."""
    async with _serving() as (served, _):
        second = HttpServer(Http(address=served.address), Metrics(), cast(Store, _Store()), lambda: True)
        with pytest.raises(OSError, match="in use"):
            await second.start()
        await second.stop()


async def test_silent_and_too_many_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens connections and asks nothing does not keep them, nor can he have them all."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(server, "CONNECTION_SECONDS", 0.2)
    async with _serving() as (served, _):
        opened = [await asyncio.open_connection("127.0.0.1", served.address.port) for _ in range(5)]
        for reader, writer in opened:
            async with asyncio.timeout(60):
                with suppress(ConnectionResetError):
                    assert await reader.read() == b""
            writer.close()


def test_a_queue_from_the_future_is_not_younger_than_now() -> None:
    """A clock that was set back gives 0, not a negative age."""
    metrics = Metrics()
    now = datetime.now(UTC)
    server.fill_queue_gauges(metrics, QueueCounts({}, now + timedelta(hours=1)), now)
    assert metrics.registry.get_sample_value("routerd_queue_oldest_seconds") == 0
