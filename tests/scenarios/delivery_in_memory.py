"""A worker whose queue is in memory, and its policy."""

from contextlib import asynccontextmanager

from worker_at_work import at_work

from routerd.config.settings import Addresses, Settings
from routerd.delivery.attempt import Policy
from routerd.delivery.letter import ReturnPaths
from routerd.delivery.routes import Routes
from routerd.delivery.transports.connection import Timeouts
from routerd.delivery.transports.smtp import DEFAULT_TIMEOUTS
from routerd.delivery.worker import Worker
from routerd.message.key_ring import KeyRing
from routerd.ops.metrics import Metrics

KEY = KeyRing.begun(b"k" * 32)
QUICK = Timeouts(  # for those who never answer: a slow machine may take longer than this for anything else
    **dict.fromkeys(("connect", "greeting", "hello", "tls", "mail", "rcpt", "data", "content", "send"), 0.5)
)


def policy_for(*routes, line=lambda copy, reason, tried: None, return_path="inbox", **retry):
    settings = Settings.model_validate(
        {
            "hostname": "mx.desk.test",
            "postmaster": "jan",
            "members": {"jan": {"mailbox": "jan@example.com"}},
            "inboxes": {"support@desk.test": {"default": "jan"}},
            "delivery": list(routes),
            "retry": retry,
        }
    )
    paths = ReturnPaths(return_path, Addresses(), KEY)
    return Policy(settings.hostname, Routes(settings), settings.retry, paths, line)


def to(hop, **keys):
    return {"domain": "*", "smtp": f"127.0.0.1:{hop.port}", **keys}


@asynccontextmanager
async def running(queue, policy, timeouts=DEFAULT_TIMEOUTS, metrics=None):
    worker = Worker(queue, policy, metrics or Metrics(), timeouts=timeouts)
    async with at_work(worker):
        yield worker
