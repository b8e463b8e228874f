"""The trainer of a backend.

Invariant: callers see one interface; which memory the arrays are in is the backend's.
"""

from __future__ import annotations

from typing import Protocol

from core.backend import Backend
from core.network import Parameters
from core.optimizers import OptimizerState, Options
from core.plans.cuda.trainer import CudaTrainer
from core.plans.trainer import Trainer
from core.types import Array

__all__ = ["Training", "trainer"]


class Training(Protocol):
    """What trains in place: `Trainer`, or `CudaTrainer`."""

    def step(self, x: Array, y: Array) -> None:
        """One update by the mean gradient of a batch."""

    def cost(self) -> float:
        """C of the last batch, before its update."""

    def epoch(self, x: Array, y: Array, batch: int, order: Array) -> None:
        """One pass over x and y in batches of `batch` rows taken in `order`."""

    def parameters(self) -> Parameters:
        """A copy of the parameters as they are now."""

    def state(self) -> OptimizerState:
        """A copy of what the optimizer remembers."""

    @property
    def nbytes(self) -> int:
        """Bytes that are held."""


def trainer(
    backend: Backend, parameters: Parameters, options: Options, state: OptimizerState | None = None
) -> Training:
    """In-place training on the backend's device, from parameters and a state that are there."""
    if backend.name == "cupy":
        return CudaTrainer(backend, parameters, options, state)
    return Trainer(parameters, options, state)
