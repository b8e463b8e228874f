"""Compiled passes of the networks that compute now: kept from request to request, each used by one request at a time.

Invariant: at most `limit` bytes are kept besides what is in use; the least recently used go first. Networks that are too large
to be kept, and every other backend than NumPy, take the plain path of core.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Final

from core.backend import Backend
from core.backprop import backprop
from core.feedforward import predict
from core.network import Parameters
from core.optimizers import Options
from core.pieces import backprop_by_pieces, predict_by_pieces
from core.plans.threads import steady, threads_of_step
from core.plans.workspace import ALL, Workspace
from core.step import Step, descend
from core.types import Array
from service.engine.base import Snapshot
from service.engine.stopping import stop_point

__all__ = ["Way", "Workspaces"]

_LIMIT: Final = 256 * 2**20
_OBJECTS: Final = 48 * 2**10
"""Bytes of all that a pass through a layer is made of besides its numbers: of a small network, nearly everything."""
_LARGEST: Final = 64 * 2**20
"""Bytes of one network's parameters beyond which nothing is compiled."""
_PIECE: Final = 16 * 2**20
"""Bytes of the numbers in a piece of a batch: of two layers for outputs, of all layers (some four times that) for gradients."""
_PIECE_OPERATIONS: Final = 50_000_000_000
"""Of a piece: half a second or so of one core, after which it is seen that nobody waits any more."""


@dataclass(frozen=True)
class Way:
    """How a step is computed: what is computed the same way from the same numbers has the same bits."""

    compiled: bool
    threads: int
    """Of NumPy's and SciPy's products."""
    rows: int = ALL
    """Of a piece, at most."""


class Workspaces:
    """Workspaces by network, as many of each as have been in use at once; for any number of threads.

    On NumPy a large batch is worked on piece by piece, and between two of them it is asked whether to go on.

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
        parameters, kept = snapshot.parameters, self._taken(snapshot)
        if kept is None:
            through = partial(predict, self._backend.xp, parameters)
            return predict_by_pieces(through, parameters, x, self._rows_forward(snapshot), stop_point)
        try:
            return kept.workspace.predict(parameters, x, kept.rows_forward)
        finally:
            self._give_back(kept)

    def backprop(self, snapshot: Snapshot, x: Array, y: Array) -> tuple[float, Parameters]:
        """C and its mean gradient; raises as `core.backprop`."""
        parameters, kept = snapshot.parameters, self._taken(snapshot)
        if kept is None:
            return self._plain_backprop(parameters, x, y, self._rows(snapshot))
        try:
            return kept.workspace.backprop(parameters, x, y, kept.rows)
        finally:
            self._give_back(kept)

    def step(self, snapshot: Snapshot, x: Array, y: Array, options: Options) -> Step:
        """The next parameters and optimizer state; raises as `core.sgd_step`."""
        return self._step(self._taken(snapshot), None, snapshot, x, y, options)

    def way(self, snapshot: Snapshot, rows: int) -> Way:
        """How `step` computes a batch of so many rows."""
        compiled, most = self._is_compiled(snapshot), self._rows(snapshot)
        threads = threads_of_step(min(rows, most), snapshot.architecture.parameter_count) if compiled else 1
        return Way(compiled, threads, most)

    def step_by(self, way: Way, snapshot: Snapshot, x: Array, y: Array, options: Options) -> Step:
        """As `step`, the way that is given, whatever else is computed meanwhile."""
        with steady(way.threads) if self._backend.name == "numpy" else nullcontext():
            kept = (self._idle_one(snapshot) or self._made(snapshot)) if way.compiled else None
            return self._step(kept, way.rows, snapshot, x, y, options)

    def _step(
        self, kept: _Kept | None, rows: int | None, snapshot: Snapshot, x: Array, y: Array, options: Options
    ) -> Step:
        parameters, state = snapshot.parameters, snapshot.optimizer
        if kept is None:
            cost, gradient = self._plain_backprop(parameters, x, y, rows or self._rows(snapshot))
            return descend(self._backend.xp, parameters, state, cost, gradient, options)
        try:
            return kept.workspace.step(parameters, state, x, y, options, rows or kept.rows)
        finally:
            self._give_back(kept)

    def _plain_backprop(self, parameters: Parameters, x: Array, y: Array, rows: int) -> tuple[float, Parameters]:
        def through(x: Array, y: Array) -> tuple[float, Parameters]:
            found = backprop(self._backend.xp, parameters, x, y)
            return found.cost, found.gradient

        return backprop_by_pieces(through, parameters, x, y, rows, stop_point)

    def _taken(self, snapshot: Snapshot) -> _Kept | None:
        """A workspace that nobody else has until it is given back; None where nothing is compiled."""
        return self._idle_one(snapshot) or (self._made(snapshot) if self._is_compiled(snapshot) else None)

    def _made(self, snapshot: Snapshot) -> _Kept:
        architecture = snapshot.architecture
        objects, workspace = _OBJECTS * len(architecture.layers), Workspace(architecture, stop_point)
        return _Kept(snapshot.record.id, workspace, objects, self._rows(snapshot), self._rows_forward(snapshot))

    def _idle_one(self, snapshot: Snapshot) -> _Kept | None:
        with self._lock:
            idle = self._idle.get(snapshot.record.id)
            if not idle:
                return None
            kept = idle.pop()
            self._held -= kept.nbytes
            return kept

    def _give_back(self, kept: _Kept) -> None:
        nbytes = kept.nbytes = kept.workspace.nbytes + kept.objects
        with self._lock:
            self._idle.setdefault(kept.network, []).append(kept)
            self._idle.move_to_end(kept.network)
            self._held += nbytes
            while self._held > self._limit:
                _, leaving = self._idle.popitem(last=False)
                self._held -= sum(each.nbytes for each in leaving)

    def _is_compiled(self, snapshot: Snapshot) -> bool:
        return self._backend.name == "numpy" and snapshot.parameters.vector.nbytes <= _LARGEST

    def _rows(self, snapshot: Snapshot) -> int:
        """Of a piece of a batch that gradients are taken of, at most."""
        return self._rows_of(snapshot, sum(snapshot.architecture.sizes), 6)

    def _rows_forward(self, snapshot: Snapshot) -> int:
        """Of a piece of a batch that only outputs are wanted of, at most."""
        return self._rows_of(snapshot, 2 * max(snapshot.architecture.sizes), 2)

    def _rows_of(self, snapshot: Snapshot, numbers: int, operations: int) -> int:
        """By the numbers that are kept of an example, and the operations for each weight and example."""
        if self._backend.name != "numpy":
            return ALL
        parameters = snapshot.parameters.vector
        by_bytes = _PIECE // (numbers * parameters.itemsize)
        return max(1, min(by_bytes, _PIECE_OPERATIONS // (operations * parameters.size)))


@dataclass(slots=True)
class _Kept:
    """A workspace between two requests."""

    network: str
    workspace: Workspace
    objects: int
    """Bytes of what it has besides numbers."""
    rows: int
    """Of a piece, at most; where only outputs are wanted, `rows_forward`."""
    rows_forward: int
    nbytes: int = 0
