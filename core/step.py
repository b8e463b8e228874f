"""One update of a network by the mean gradient of a batch.

Invariant: pure: the old parameters and the old state are never written to, and what is returned is finite.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.backprop import backprop
from core.finite import quiet, require_finite
from core.network import Parameters
from core.optimizers import OptimizerState, Options, update
from core.types import Array, ArrayModule

__all__ = ["Step", "gradient_norm", "sgd_step"]


@dataclass(frozen=True, eq=False)
class Step:
    """What one update made."""

    parameters: Parameters
    state: OptimizerState
    cost: float
    """C of the batch before the update."""
    gradient_norm: float
    """The mean gradient's global L2 norm, before any clipping."""


def gradient_norm(xp: ArrayModule, gradient: Parameters) -> float:
    """The global L2 norm of a gradient, scaled by its largest entry so that no square overflows."""
    with quiet():
        largest = xp.max(xp.abs(gradient.vector))
        if float(largest) == 0.0:
            return 0.0
        scaled = gradient.vector / largest
        norm = largest * xp.sqrt(xp.sum(scaled * scaled))
    require_finite(xp, norm, None, "gradient norm")
    return float(norm)


def sgd_step(
    xp: ArrayModule, parameters: Parameters, state: OptimizerState | None, x: Array, y: Array, options: Options
) -> Step:
    """The next parameters and optimizer state for x (m, n_1) and y (m, n_L), or labels (m,).

    Raises:
        InvalidBatch: shapes that do not fit, or labels out of range.
        NonFiniteError: names the first layer that left the finite numbers, in the pass or by the update.
    """
    found = backprop(xp, parameters, x, y)
    norm = gradient_norm(xp, found.gradient)
    architecture = parameters.architecture
    with quiet():
        vector, state = update(xp, architecture, parameters.vector, found.gradient.vector, norm, state, options)
        moved = Parameters(architecture, vector)
        for layer in moved.layers:
            require_finite(xp, layer.weights, layer.layer, "updated weights")
            require_finite(xp, layer.biases, layer.layer, "updated biases")
        for name, array in state.arrays.items():
            require_finite(xp, array, None, f"optimizer's {name}")
    return Step(moved, state, found.cost, norm)
