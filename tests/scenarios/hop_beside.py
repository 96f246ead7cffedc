"""A scripted next hop beside the test, for daemons in processes of their own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scripted_next_hop import Answer, NextHop


@contextmanager
def next_hop_beside(answer: Answer, *, port: int = 0) -> Iterator[NextHop]:
    """It serves from a thread of its own until the end; `answer` of what it gives may change meanwhile."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="next-hop")
    thread.start()

    def run(work: Callable[[], object]) -> object:
        async def done() -> object:
            found = work()
            return await found if asyncio.iscoroutine(found) else found

        return asyncio.run_coroutine_threadsafe(done(), loop).result(30)

    hop = NextHop(answer, port=port)
    run(hop.start)
    try:
        yield hop
    finally:
        run(hop.stop)
        run(_end_all)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _end_all() -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # a stream's callback chokes on a cancelled task
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
