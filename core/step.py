"""One update of a network by the mean gradient of a batch.

Invariant: pure: the old parameters and the old state are never written to, and what is returned is finite.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.backprop import backprop
from core.finite import all_finite, quiet, require_finite, require_finite_parameters
from core.network import Architecture, Parameters
from core.optimizers import OptimizerState, Options, update
from core.types import Array, ArrayModule

__all__ = ["Step", "descend", "gradient_norm", "require_finite_step", "sgd_step"]


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
        sizes = xp.abs(gradient.vector)
        largest = xp.max(sizes)
        if float(largest) == 0.0:
            return 0.0
        scaled = sizes / largest
        norm = largest * xp.sqrt(xp.sum(scaled * scaled))
        if not all_finite(xp, norm):
            require_finite(xp, norm, _layer_at(gradient.architecture, int(xp.argmax(sizes))), "gradient norm")
    return float(norm)


def _layer_at(architecture: Architecture, index: int) -> int:
    """The layer (2..L) that holds entry `index` of the flat vector."""
    return next(place.layer for place in architecture.layout if index < place.stop)


def sgd_step(
    xp: ArrayModule, parameters: Parameters, state: OptimizerState | None, x: Array, y: Array, options: Options
) -> Step:
    """The next parameters and optimizer state for x (m, n_1) and y (m, n_L), or labels (m,).

    Raises:
        InvalidBatch: shapes that do not fit, or labels out of range.
        NonFiniteError: names the first layer that left the finite numbers, in the pass or by the update.
    """
    found = backprop(xp, parameters, x, y)
    return descend(xp, parameters, state, found.cost, found.gradient, options)


def descend(
    xp: ArrayModule,
    parameters: Parameters,
    state: OptimizerState | None,
    cost: float,
    gradient: Parameters,
    options: Options,
) -> Step:
    """The step that a cost and its mean gradient make. Raises `NonFiniteError`, with the layer that the update took away."""
    norm = gradient_norm(xp, gradient)
    architecture = parameters.architecture
    with quiet():
        vector, state = update(xp, architecture, parameters.vector, gradient.vector, norm, state, options)
    step = Step(Parameters(architecture, vector), state, cost, norm)
    require_finite_step(xp, step)
    return step


def require_finite_step(xp: ArrayModule, step: Step) -> None:
    """Raise `NonFiniteError` for the first layer that the update moved out of the finite numbers, or what it remembers."""
    with quiet():
        require_finite_parameters(xp, step.parameters, "updated parameters")
        for name, array in step.state.arrays.items():
            if array.ndim:  # a count or a factor below 1 cannot leave
                require_finite_parameters(xp, Parameters(step.parameters.architecture, array), f"optimizer's {name}")
