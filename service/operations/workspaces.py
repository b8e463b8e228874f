"""Compiled passes of the networks that compute now: kept from request to request, each used by one request at a time.

Invariant: at most `limit` bytes are kept besides what is in use; the least recently used go first. What is too large to be
kept, and every other backend than NumPy, takes the plain path of core.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeVar

from core.backend import Backend
from core.backprop import backprop
from core.feedforward import predict
from core.network import Parameters
from core.optimizers import Options
from core.plans.threads import steady, threads_of_step
from core.plans.workspace import Workspace
from core.step import Step, sgd_step
from core.types import Array
from service.engine.base import Snapshot

__all__ = ["Way", "Workspaces"]

T = TypeVar("T")

_LIMIT: Final = 256 * 2**20
_LARGEST: Final = 64 * 2**20
"""Bytes of one network's parameters, or of one batch's numbers, beyond which nothing is compiled."""
_LARGEST_PRODUCT: Final = 100_000_000
"""Operations of one matrix product. SciPy's BLAS calls, of which compiled passes are made, keep the interpreter's lock to
their end, and with it the event loop; NumPy's products, of the plain path, let it go."""


@dataclass(frozen=True)
class Way:
    """How a step is computed: what is computed the same way from the same numbers has the same bits."""

    compiled: bool
    threads: int
    """Of NumPy's and SciPy's products."""


class Workspaces:
    """Workspaces by network, as many of each as have been in use at once; for any number of threads.

    Args:
        backend: whose arrays come in.
        limit: bytes of the workspaces that nobody uses.
    """

    def __init__(self, backend: Backend, limit: int = _LIMIT) -> None:
        self._backend = backend
        self._limit = limit
        self._lock = threading.Lock()
        self._idle: OrderedDict[str, list[tuple[int, Workspace]]] = OrderedDict()
        self._held = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the workspaces that nobody uses."""
        return self._held

    def predict(self, snapshot: Snapshot, x: Array) -> Array:
        """The outputs (m, n_L) for x (m, n_1); raises as `core.predict`."""
        parameters = snapshot.parameters
        if not self._fits(snapshot, len(x)):
            return predict(self._backend.xp, parameters, x)
        return self._with(snapshot, lambda workspace: workspace.predict(parameters, x))

    def backprop(self, snapshot: Snapshot, x: Array, y: Array) -> tuple[float, Parameters]:
        """C and its mean gradient; raises as `core.backprop`."""
        parameters = snapshot.parameters
        if not self._fits(snapshot, len(x)):
            found = backprop(self._backend.xp, parameters, x, y)
            return found.cost, found.gradient
        return self._with(snapshot, lambda workspace: workspace.backprop(parameters, x, y))

    def step(self, snapshot: Snapshot, x: Array, y: Array, options: Options) -> Step:
        """The next parameters and optimizer state; raises as `core.sgd_step`."""
        parameters, state = snapshot.parameters, snapshot.optimizer
        if not self._fits(snapshot, len(x)):
            return sgd_step(self._backend.xp, parameters, state, x, y, options)
        return self._with(snapshot, lambda workspace: workspace.step(parameters, state, x, y, options))

    def way(self, snapshot: Snapshot, rows: int) -> Way:
        """How `step` computes a batch of so many rows."""
        compiled = self._fits(snapshot, rows)
        return Way(compiled, threads_of_step(rows, snapshot.architecture.parameter_count) if compiled else 1)

    def step_by(self, way: Way, snapshot: Snapshot, x: Array, y: Array, options: Options) -> Step:
        """As `step`, the way that is given, whatever else is computed meanwhile."""
        parameters, state = snapshot.parameters, snapshot.optimizer
        with steady(way.threads) if self._backend.name == "numpy" else nullcontext():
            if not way.compiled:
                return sgd_step(self._backend.xp, parameters, state, x, y, options)
            return self._with(snapshot, lambda workspace: workspace.step(parameters, state, x, y, options))

    def _fits(self, snapshot: Snapshot, rows: int) -> bool:
        architecture, vector = snapshot.architecture, snapshot.parameters.vector
        if self._backend.name != "numpy" or vector.nbytes > _LARGEST:
            return False
        sizes = architecture.sizes
        largest = 2 * rows * max(before * after for before, after in pairwise(sizes))
        return rows * sum(sizes) * vector.itemsize <= _LARGEST and largest <= _LARGEST_PRODUCT

    def _with(self, snapshot: Snapshot, work: Callable[[Workspace], T]) -> T:
        network = snapshot.record.id
        workspace = self._taken(network) or Workspace(snapshot.architecture)
        try:
            return work(workspace)
        finally:
            self._give_back(network, workspace)

    def _taken(self, network: str) -> Workspace | None:
        with self._lock:
            idle = self._idle.get(network)
            if not idle:
                return None
            nbytes, workspace = idle.pop()
            self._held -= nbytes
            return workspace

    def _give_back(self, network: str, workspace: Workspace) -> None:
        nbytes = workspace.nbytes
        with self._lock:
            self._idle.setdefault(network, []).append((nbytes, workspace))
            self._idle.move_to_end(network)
            self._held += nbytes
            while self._held > self._limit:
                _, leaving = self._idle.popitem(last=False)
                self._held -= sum(size for size, _ in leaving)
