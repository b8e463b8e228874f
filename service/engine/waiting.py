"""Where work runs, and how a coroutine waits for what cannot be taken back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from service.errors import Overloaded, StorageUnavailable

__all__ = ["Workers", "landed"]

T = TypeVar("T")


class Workers:
    """Computes on the event loop what is too small to be worth a thread, and the rest in threads.

    Args:
        inline_operations: up to this many floating-point operations run on the loop: about 2 ms of one core.
        threads: how many computations run at once.
        waiting: how many more may wait for one of them.
    """

    def __init__(self, inline_operations: int, threads: int | None, waiting: int) -> None:
        count = threads or os.cpu_count() or 1
        self._inline_operations = inline_operations
        self._room = count + waiting
        self._busy = 0
        self._computing = ThreadPoolExecutor(count, "gradwire-compute")
        self._reading = ThreadPoolExecutor(4, "gradwire-read")

    async def compute(self, work: Callable[[], T], operations: int) -> T:
        """What `work` returns or raises. Raises `Overloaded` when no more can wait."""
        if operations <= self._inline_operations:
            return work()
        if self._busy >= self._room:
            raise Overloaded(f"{self._busy} computations are running or waiting")
        future = _submitted(self._computing, work)
        self._busy += 1
        # Counted until it has ended, and not only until its caller has gone.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: _on_loop(loop, self._ended))
        return await asyncio.wrap_future(future)

    async def read(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises; for what waits for the disk."""
        return await asyncio.wrap_future(_submitted(self._reading, work))

    def close(self) -> None:
        """Wait for what is running."""
        self._computing.shutdown()
        self._reading.shutdown()

    def _ended(self) -> None:
        self._busy -= 1


async def landed(future: Future[None], publish: Callable[[], None] | None = None) -> None:
    """Wait until a write is on disk, then publish it, though the caller be cancelled meanwhile.

    Once the store has the write, nobody can say that it will not happen: whoever leaves early would leave memory behind
    the disk. The cancellation is raised when all is done. A write that failed is not published; its error is raised.
    """
    write = asyncio.wrap_future(future)
    cancelled: asyncio.CancelledError | None = None
    while not write.done():
        try:
            await asyncio.wait([write])
        except asyncio.CancelledError as error:
            cancelled = error
    if publish is not None and write.exception() is None:
        publish()
    if cancelled is not None:
        raise cancelled
    write.result()


def _submitted(executor: ThreadPoolExecutor, work: Callable[[], T]) -> Future[T]:
    try:
        return executor.submit(work)
    except RuntimeError as error:
        raise StorageUnavailable("the engine is closed") from error


def _on_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
