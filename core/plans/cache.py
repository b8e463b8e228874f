"""The compiled plans that are kept: one for each batch size, the most recently used ones, bounded in number and in bytes.

Invariant: before a plan is made, others leave until it fits; one that is larger than the limit is kept alone. The cache knows
nothing of its owner, so that all memory goes back as soon as the owner does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, ValuesView
from typing import Generic, Protocol, TypeVar

__all__ = ["MAX_BYTES", "MAX_PLANS", "PlanCache"]

MAX_PLANS = 4
"""Batch sizes that are kept compiled. An epoch has two: the full one and the last."""
MAX_BYTES = 256 * 1024 * 1024
"""Bytes of the buffers that are kept."""


class Sized(Protocol):
    """Anything that says how many bytes it holds."""

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers."""


P = TypeVar("P", bound=Sized)


class PlanCache(Generic[P]):
    """Plans by their batch size, each of `row_bytes` bytes a row of the batch."""

    def __init__(self, row_bytes: int, max_plans: int = MAX_PLANS, max_bytes: int = MAX_BYTES) -> None:
        self._row_bytes, self._max_plans, self._max_bytes = row_bytes, max_plans, max_bytes
        self._plans: OrderedDict[int, P] = OrderedDict()
        self.nbytes = 0
        """Bytes of all buffers that are kept."""

    def get(self, batch: int, compile_for: Callable[[int], P]) -> P:
        """The plan for batches of that size, made where it is missing; it is the most recently used one from now on."""
        plan = self._plans.get(batch)
        if plan is None:
            return self._made(batch, compile_for)
        self._plans.move_to_end(batch)
        return plan

    def values(self) -> ValuesView[P]:
        """All plans that are kept."""
        return self._plans.values()

    def _made(self, batch: int, compile_for: Callable[[int], P]) -> P:
        room = self._max_bytes - self._row_bytes * batch
        while self._plans and (len(self._plans) >= self._max_plans or self.nbytes > room):
            _, leaving = self._plans.popitem(last=False)
            self.nbytes -= leaving.nbytes
        plan = self._plans[batch] = compile_for(batch)
        self.nbytes += plan.nbytes
        return plan
