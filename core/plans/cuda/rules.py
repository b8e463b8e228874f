"""How an optimizer meets the products on a CUDA device, without ever waiting for it.

Invariant: as `core.plans.rules`; nothing in `finish` reads from the device. Steps are counted on the host, clipping happens on
the device, and an infinite gradient that clipping would bring back becomes no number, which nothing brings back.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from core.network import Parameters
from core.optimizers import OPTIMIZERS, OptimizerState, Options, SgdOptions, weights_only
from core.plans.cuda.kernels import Kernels
from core.plans.rules import Descent, Rule, Velocity, is_plain_descent, is_plain_momentum
from core.plans.updates import Update, accumulate
from core.types import Array

__all__ = ["cuda_rule_for"]


def cuda_rule_for(
    kernels: Kernels, parameters: Parameters, state: OptimizerState | None, options: Options
) -> Rule[Parameters]:
    """The fastest rule for these options; a state of another kind is given up."""
    kept = state if state is not None and state.kind == options.kind else None
    if is_plain_descent(options):
        return Descent(parameters, kept, options)
    if is_plain_momentum(options):
        return _velocity(kernels, parameters, kept, options)
    return CudaGradient(kernels.cupy, parameters, kept, options)


def _velocity(
    kernels: Kernels, parameters: Parameters, state: OptimizerState | None, options: SgdOptions
) -> Velocity[Parameters]:
    remembered = state.arrays.get("velocity") if state else None
    vector = kernels.cupy.zeros_like(parameters.vector) if remembered is None else remembered.copy()
    velocity, descend = Parameters(parameters.architecture, vector), kernels.descend(options.learning_rate)
    move = partial(descend, vector, parameters.vector)
    return Velocity(velocity, remembered is not None, options, move, vector.copy)


class HostScalars:
    """CuPy, but that the counts which an optimizer remembers stay in the host's memory, where reading them waits for nobody."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy

    def asarray(self, obj: float, *, dtype: Any = None) -> Array:
        """The array () of a number."""
        return np.asarray(obj, dtype=dtype)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cupy, name)


class CudaGradient:
    """Any other optimizer: the gradient first, then its own pure update."""

    is_in_products = False

    def __init__(self, cupy: Any, parameters: Parameters, state: OptimizerState | None, options: Options) -> None:
        self._cupy, self._xp, self._options, self._theta = cupy, HostScalars(cupy), options, parameters.vector
        self._gradient = Parameters(parameters.architecture, cupy.zeros_like(parameters.vector))
        kept = state.arrays if state else {}
        self._arrays = {name: array.copy() if array.ndim else cupy.asnumpy(array) for name, array in kept.items()}
        spares = options.weight_decay != 0 and not options.decay_biases
        self._decays = weights_only(cupy, parameters.architecture, parameters.vector) if spares else None

    def update_for(self, batch: int) -> Update[Parameters]:
        """The mean gradient, into an array of its own."""
        return accumulate(self._gradient, batch)

    def finish(self) -> bool:
        """Clip, update, and write the parameters over."""
        gradient = self._clipped(self._gradient.vector)
        optimizer = OPTIMIZERS[self._options.kind]
        moved, arrays = optimizer.update(
            self._xp,
            self._theta,
            gradient,
            self._arrays,
            self._options,
            self._decays,
        )
        self._theta[...] = moved
        # A first velocity is the gradient itself, whose array the next step writes over.
        self._arrays = {
            name: array.copy() if array is self._gradient.vector else array for name, array in arrays.items()
        }
        return False

    def state(self) -> OptimizerState:
        """What is remembered, on the device, as arrays of its own."""
        return OptimizerState(
            self._options.kind, {name: self._cupy.array(array) for name, array in self._arrays.items()}
        )

    def _clipped(self, g: Array) -> Array:
        """As `core.optimizers.clipping`, with the norm left on the device."""
        cupy, options = self._cupy, self._options
        if options.clip_norm is not None:
            sizes = cupy.abs(g)
            largest = cupy.max(sizes)
            scaled = sizes / cupy.where(largest == 0, cupy.ones_like(largest), largest)
            norm = largest * cupy.sqrt(cupy.sum(scaled * scaled))
            g = g * cupy.minimum(1, options.clip_norm / (norm + 1e-6))
        if options.clip_value is not None:
            edge = options.clip_value
            g = cupy.where(cupy.isfinite(g), cupy.maximum(cupy.minimum(g, edge), -edge), cupy.nan * g)
        return g
