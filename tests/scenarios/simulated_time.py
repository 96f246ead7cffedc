"""An event loop whose clock jumps to the next timer when nothing else is to be done: hours pass in a moment."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

GRACE_SECONDS = 0.005  # for what the kernel still carries from one socket of this process to another


class SimulatedLoop(asyncio.SelectorEventLoop):
    """While a thread works for the loop, time stands still as well."""

    def __init__(self) -> None:
        self.passed = 0.0
        self._working = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return super().time() + self.passed

    @property
    def is_waiting_for_a_thread(self) -> bool:
        return self._working > 0

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        self._working += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._worked)
        return future

    def _worked(self, future: Any) -> None:
        self._working -= 1


class _Selector(selectors.DefaultSelector):  # type: ignore[valid-type, misc]
    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0 or self._loop.is_waiting_for_a_thread:
            return super().select(timeout)
        ready = super().select(min(timeout, GRACE_SECONDS))
        if not ready:
            self._loop.passed += timeout
        return ready


def run(work: Coroutine[Any, Any, Any]) -> None:
    """asyncio.run with simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(work)
