"""Compiled passes of the networks that compute now: kept from request to request, each used by one request at a time.

Invariant: at most `limit` bytes are kept besides what is in use; the least recently used go first. What is too large to be
kept, and every other backend than NumPy, takes the plain path of core.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

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
        self._idle: OrderedDict[str, list[_Kept]] = OrderedDict()
        self._held = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the workspaces that nobody uses."""
        return self._held

    def predict(self, snapshot: Snapshot, x: Array) -> Array:
        """The outputs (m, n_L) for x (m, n_1); raises as `core.predict`."""
        parameters = snapshot.parameters
        kept = self._taken(snapshot, len(x))
        if kept is None:
            return predict(self._backend.xp, parameters, x)
        try:
            return kept.workspace.predict(parameters, x)
        finally:
            self._give_back(kept)

    def backprop(self, snapshot: Snapshot, x: Array, y: Array) -> tuple[float, Parameters]:
        """C and its mean gradient; raises as `core.backprop`."""
        parameters = snapshot.parameters
        kept = self._taken(snapshot, len(x))
        if kept is None:
            found = backprop(self._backend.xp, parameters, x, y)
            return found.cost, found.gradient
        try:
            return kept.workspace.backprop(parameters, x, y)
        finally:
            self._give_back(kept)

    def step(self, snapshot: Snapshot, x: Array, y: Array, options: Options) -> Step:
        """The next parameters and optimizer state; raises as `core.sgd_step`."""
        parameters, state = snapshot.parameters, snapshot.optimizer
        kept = self._taken(snapshot, len(x))
        if kept is None:
            return sgd_step(self._backend.xp, parameters, state, x, y, options)
        try:
            return kept.workspace.step(parameters, state, x, y, options)
        finally:
            self._give_back(kept)

    def way(self, snapshot: Snapshot, rows: int) -> Way:
        """How `step` computes a batch of so many rows."""
        compiled = rows <= self._most_rows(snapshot)
        return Way(compiled, threads_of_step(rows, snapshot.architecture.parameter_count) if compiled else 1)

    def step_by(self, way: Way, snapshot: Snapshot, x: Array, y: Array, options: Options) -> Step:
        """As `step`, the way that is given, whatever else is computed meanwhile."""
        parameters, state = snapshot.parameters, snapshot.optimizer
        with steady(way.threads) if self._backend.name == "numpy" else nullcontext():
            if not way.compiled:
                return sgd_step(self._backend.xp, parameters, state, x, y, options)
            kept = self._idle_one(snapshot) or self._made(snapshot)
            try:
                return kept.workspace.step(parameters, state, x, y, options)
            finally:
                self._give_back(kept)

    def _taken(self, snapshot: Snapshot, rows: int) -> _Kept | None:
        """A workspace that nobody else has; None where the batch is none for it."""
        kept = self._idle_one(snapshot)
        if kept is None and rows <= self._most_rows(snapshot):
            return self._made(snapshot)
        if kept is not None and rows > kept.most_rows:
            self._give_back(kept)
            return None
        return kept

    def _idle_one(self, snapshot: Snapshot) -> _Kept | None:
        with self._lock:
            idle = self._idle.get(snapshot.record.id)
            if not idle:
                return None
            kept = idle.pop()
            self._held -= kept.nbytes
            return kept

    def _made(self, snapshot: Snapshot) -> _Kept:
        return _Kept(snapshot.record.id, Workspace(snapshot.architecture), self._most_rows(snapshot))

    def _give_back(self, kept: _Kept) -> None:
        nbytes = kept.nbytes = kept.workspace.nbytes
        with self._lock:
            self._idle.setdefault(kept.network, []).append(kept)
            self._idle.move_to_end(kept.network)
            self._held += nbytes
            while self._held > self._limit:
                _, leaving = self._idle.popitem(last=False)
                self._held -= sum(each.nbytes for each in leaving)

    def _most_rows(self, snapshot: Snapshot) -> int:
        """The largest batch that is compiled for; 0 for a network that is not."""
        vector, sizes = snapshot.parameters.vector, snapshot.architecture.sizes
        if self._backend.name != "numpy" or vector.nbytes > _LARGEST:
            return 0
        product = 2 * max(before * after for before, after in pairwise(sizes))
        return int(min(_LARGEST // (sum(sizes) * vector.itemsize), _LARGEST_PRODUCT // product))


@dataclass(slots=True)
class _Kept:
    """A workspace between two requests."""

    network: str
    workspace: Workspace
    most_rows: int
    nbytes: int = 0
