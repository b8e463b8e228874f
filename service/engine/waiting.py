"""Where work runs, and how a coroutine waits for what cannot be taken back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from time import perf_counter
from typing import Final, Protocol, TypeVar

from service.engine.fair import FairQueue, Item, Pace, Patience
from service.engine.memory import Memory
from service.engine.stopping import Stop, Stopped
from service.errors import Overloaded, StorageUnavailable

__all__ = ["PATIENT", "Meter", "Workers", "ended", "landed"]

T = TypeVar("T")

PATIENT: Final[ContextVar[bool]] = ContextVar("gradwire.patient", default=False)
"""Set where somebody has been told that the work will be done, however long it waits: it is not refused any more."""

_AT_ONCE: Final = 0.002
"""Seconds for which the event loop may compute."""
_TINY: Final = 1_000_000
"""Operations of which nobody asks how long they take: their number says little of it."""


class Meter(Protocol):
    """Who wants to know what computations take."""

    def computed(self, seconds: float, waited: float | None) -> None:
        """One has ended, after it had waited for a thread; None: it ran on the event loop."""

    def refused(self) -> None:
        """One was refused, since too much was there already."""


class Unmeasured:
    """A meter that forgets."""

    def computed(self, seconds: float, waited: float | None) -> None:
        """Forget it."""

    def refused(self) -> None:
        """Forget it."""


class Workers:
    """Computes on the event loop what is too small to be worth a thread, and the rest in threads.

    Args:
        inline_operations: up to this many operations run on the loop while nobody knows how long they take, and ten
            times as many where they are known to take at most 2 ms.
        threads: how many computations run at once.
        waiting: how many more may wait for one of them.
        patience: how long they may wait.
        memory: what all that run or wait may take, by estimate.
        meter: told of every computation.
    """

    def __init__(
        self,
        inline_operations: int,
        threads: int | None,
        waiting: int,
        *,
        patience: Patience = Patience(),  # noqa: B008  it is frozen
        memory: Memory | None = None,
        meter: Meter | None = None,
    ) -> None:
        count = threads or os.cpu_count() or 1
        self._inline_operations = inline_operations
        self._queue = FairQueue(count, waiting, patience)
        self._pace = Pace()
        self._memory = memory or Memory(None)
        self._meter = meter or Unmeasured()
        self._computing = ThreadPoolExecutor(count, "gradwire-compute")
        self._reading = ThreadPoolExecutor(4, "gradwire-read")

    @property
    def running(self) -> int:
        """Computations in threads."""
        return self._queue.running

    @property
    def depth(self) -> int:
        """Computations that wait for a thread."""
        return self._queue.depth

    @property
    def backlog(self) -> float:
        """Seconds that all of them will take, by estimate."""
        return self._queue.backlog(perf_counter())

    async def compute(
        self, work: Callable[[], T], operations: int, *, network: str = "", nbytes: int = 0, aside: bool = False
    ) -> T:
        """What `work` returns or raises; with `aside`, in a thread, however small it is.

        Raises `Overloaded` when too much is running or waiting already.
        """
        now = perf_counter()
        seconds = 0.0
        if operations > _TINY:
            seconds = self._pace.seconds(network, operations)
        if not aside and self._is_small(operations, seconds):
            answer = work()
            took = perf_counter() - now
            if operations > _TINY:
                self._pace.took(network, operations, took)
            self._meter.computed(took, None)
            return answer
        try:
            if not PATIENT.get():
                self._queue.admit(network, seconds, now)
            self._memory.take(nbytes, self._queue.backlog(now))
        except Overloaded:
            self._meter.refused()
            raise
        return await self._queued(work, Item(network, operations, seconds, now, nbytes))

    def _is_small(self, operations: int, seconds: float) -> bool:
        """Whether work is done here: a thread costs some 40 us, and others wait for what is done here."""
        most = self._inline_operations
        if operations <= most:
            return seconds <= _AT_ONCE
        return operations <= 10 * most and 0.0 < seconds <= _AT_ONCE

    async def _queued(self, work: Callable[[], T], item: Item) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        stop = Stop()
        item.start = lambda: self._begin(loop, lambda: stop.within(work), item, answer)
        item.drop = None if PATIENT.get() else lambda error: self._refuse(item, answer, error)
        self._queue.put(item)
        self._queue.start(item.since)
        try:
            return await answer
        except asyncio.CancelledError:
            if self._queue.remove(item):
                self._memory.give(item.nbytes)
            stop.ask()
            raise

    def _begin(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[], T], item: Item, answer: asyncio.Future[T]
    ) -> None:
        try:
            future = _submitted(self._computing, work)
        except StorageUnavailable as error:
            self._left(item)
            if not answer.done():
                answer.set_exception(error)
            return
        # Counted until it has ended, and not only until its caller has gone.
        future.add_done_callback(lambda done: _on_loop(loop, lambda: self._ended(item, done, answer)))

    def _ended(self, item: Item, done: Future[T], answer: asyncio.Future[T]) -> None:
        now = perf_counter()
        self._left(item)
        if not isinstance(done.exception(), Stopped):
            self._pace.took(item.network, item.operations, now - item.begun)
        self._meter.computed(now - item.begun, item.begun - item.since)
        if not answer.done():
            error = done.exception()
            if error is None:
                answer.set_result(done.result())
            else:
                answer.set_exception(error)
        self._queue.start(now)

    def _left(self, item: Item) -> None:
        self._queue.ended(item)
        self._memory.give(item.nbytes)

    def _refuse(self, item: Item, answer: asyncio.Future[T], error: Overloaded) -> None:
        self._memory.give(item.nbytes)
        self._meter.refused()
        if not answer.done():
            answer.set_exception(error)

    async def read(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises; for what waits for the disk."""
        return await asyncio.wrap_future(_submitted(self._reading, work))

    def close(self) -> None:
        """Wait for what is running."""
        self._computing.shutdown()
        self._reading.shutdown()


async def landed(future: Future[None], publish: Callable[[], None] | None = None) -> None:
    """Wait until a write is on disk, then publish it, though the caller be cancelled meanwhile.

    Once the store has the write, nobody can say that it will not happen: whoever leaves early would leave memory behind
    the disk. The cancellation is raised when all is done. A write that failed is not published; its error is raised. Writes
    are published in the order in which they came to the disk, by whoever waits for them in this loop.
    """
    cancelled: asyncio.CancelledError | None = None
    told = False
    # And not `future.done()`: of a write before this one, the loop may have been told and not have heard yet.
    while not told:
        try:
            await ended(future)
            told = True
        except asyncio.CancelledError as error:
            cancelled = error
    if publish is not None and future.exception() is None:
        publish()
    if cancelled is not None:
        raise cancelled
    future.result()


def ended(future: Future[None]) -> asyncio.Future[None]:
    """What is done when the write is, and says nothing of how it ended; cancelling it leaves the write alone."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()
    future.add_done_callback(lambda _: _on_loop(loop, lambda: None if told.done() else told.set_result(None)))
    return told


def _submitted(executor: ThreadPoolExecutor, work: Callable[[], T]) -> Future[T]:
    try:
        return executor.submit(work)
    except RuntimeError as error:
        raise StorageUnavailable("the engine is closed") from error


def _on_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
