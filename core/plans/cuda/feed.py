"""Batches out of the host's memory, copied to the device on a stream of their own while it computes on the one before.

Invariant: page-locked memory is filled only after the copy before has left it, and device memory only after the step before has
let go of it; both are events, so that nothing waits but the host for a copy that is two batches old.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from core.types import Array

__all__ = ["Feed"]


class Slot:
    """One batch on its way: page-locked memory, device memory, and the events between them."""

    def __init__(self, cupy: Any, batch: int, columns: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._pinned = [_pinned(cupy, (batch, units), dtype) for units in columns]
        self._arrays = [cupy.empty((batch, units), dtype) for units in columns]
        self.copied = cupy.cuda.Event(disable_timing=True)
        self.used = cupy.cuda.Event(disable_timing=True)
        # The memory may have been another's, whose work on the current stream is not done.
        self.used.record(cupy.cuda.get_current_stream())

    def fill(self, sources: tuple[Array, ...], rows: Array) -> None:
        """Gather the rows into page-locked memory."""
        self.copied.synchronize()
        for source, pinned in zip(sources, self._pinned, strict=True):
            source.take(rows, 0, pinned[: len(rows)], "clip")  # "raise" would go through a buffer

    def copy(self, stream: Any, count: int) -> None:
        """Start the copies of the first `count` rows."""
        stream.wait_event(self.used)
        for pinned, array in zip(self._pinned, self._arrays, strict=True):
            array[:count].set(pinned[:count], stream=stream)
        self.copied.record(stream)

    def rows(self, count: int) -> tuple[Array, Array]:
        """X and y of the batch, on the device."""
        x, y = (array[:count] for array in self._arrays)
        return x, y


class Feed:
    """The batches of x (M, n_1) and y (M, n_L), which are C-contiguous and of one dtype."""

    def __init__(self, cupy: Any, x: Array, y: Array, batch: int) -> None:
        self._cupy, self._sources, self._batch = cupy, (x, y), batch
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._slots = [Slot(cupy, batch, (x.shape[1], y.shape[1]), x.dtype) for _ in range(2)]

    def batches(self, order: Array) -> Iterator[tuple[Array, Array]]:
        """X and y on the device, batch after batch; each is good until the next but one is asked for."""
        computing = self._cupy.cuda.get_current_stream()
        try:
            for index, start in enumerate(range(0, len(order), self._batch)):
                slot, rows = self._slots[index % 2], order[start : start + self._batch]
                slot.fill(self._sources, rows)
                slot.copy(self._stream, len(rows))
                computing.wait_event(slot.copied)
                yield slot.rows(len(rows))
                slot.used.record(computing)
        finally:
            self._stream.synchronize()  # page-locked memory goes back only after the last copy


def _pinned(cupy: Any, shape: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    """Page-locked memory, from which a copy needs no help of the host."""
    memory = cupy.cuda.alloc_pinned_memory(max(1, shape[0] * shape[1] * dtype.itemsize))
    return np.ndarray(shape, dtype, buffer=memory)
