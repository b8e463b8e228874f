"""How the optimizer's update meets the backward pass: what its products write to, and what remains to be done after them.

Invariant: a rule moves the parameters exactly as `core.optimizers.update` does, up to rounding. Plain descent happens inside the
products; momentum leaves one pass over the velocity; everything else takes the gradient as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeGuard

import numpy as np
from scipy.linalg import blas

from core.finite import quiet, require_finite_parameters
from core.network import Parameters
from core.optimizers import OptimizerState, Options, SgdOptions, update
from core.plans.updates import Update, accumulate, descend
from core.step import gradient_norm
from core.types import NUMPY, Array, ArrayModule

__all__ = ["Descent", "Rule", "Velocity", "is_plain_descent", "is_plain_momentum", "rule_for"]


class Rule(Protocol):
    """One optimizer on one working copy of the parameters."""

    def update_for(self, batch: int) -> Update:
        """What the products of a batch of that size do now."""

    def finish(self) -> bool:
        """What remains after the products; whether `update_for` answers something else from now on."""

    def state(self) -> OptimizerState:
        """What is remembered, as arrays of its own."""


def rule_for(parameters: Parameters, state: OptimizerState | None, options: Options) -> Rule:
    """The fastest rule for these options; a state of another kind is given up."""
    kept = state if state is not None and state.kind == options.kind else None
    if is_plain_descent(options):
        return Descent(parameters, kept, options)
    if is_plain_momentum(options):
        axpy = blas.saxpy if parameters.vector.dtype == np.float32 else blas.daxpy

        def add(velocity: Array, theta: Array) -> None:
            axpy(velocity, theta, theta.size, -options.learning_rate)

        return Velocity(NUMPY, parameters, kept, options, add)
    return _Gradient(parameters, kept, options)


def is_plain_descent(options: Options) -> TypeGuard[SgdOptions]:
    """Whether the products can be the whole update."""
    return _is_linear(options) and options.momentum == 0


def is_plain_momentum(options: Options) -> TypeGuard[SgdOptions]:
    """Whether the products can make the velocity."""
    return _is_linear(options) and options.momentum > 0 and not options.nesterov and options.weight_decay == 0


def _is_linear(options: Options) -> TypeGuard[SgdOptions]:
    return isinstance(options, SgdOptions) and options.clip_norm is None and options.clip_value is None


class Descent:
    """Plain gradient descent, weight decay included: the products are the update."""

    def __init__(self, parameters: Parameters, state: OptimizerState | None, options: SgdOptions) -> None:
        self._parameters, self._options = parameters, options
        self._remembered = dict(state.arrays) if state else {}

    def update_for(self, batch: int) -> Update:
        """What the products of a batch of that size do now."""
        options = self._options
        return descend(
            self._parameters.layers, batch, options.learning_rate, options.weight_decay, options.decay_biases
        )

    def finish(self) -> bool:
        """What remains after the products; whether `update_for` answers something else from now on."""
        return False

    def state(self) -> OptimizerState:
        """What is remembered, as arrays of its own."""
        return OptimizerState("sgd", {name: array.copy() for name, array in self._remembered.items()})


class Velocity:
    """Momentum: the products make v <- mu v + (1 - tau) g, and theta <- theta - eta v, which is `add`, is one pass after them."""

    def __init__(
        self,
        xp: ArrayModule,
        parameters: Parameters,
        state: OptimizerState | None,
        options: SgdOptions,
        add: Callable[[Array, Array], None],
    ) -> None:
        self._theta, self._options, self._add = parameters.vector, options, add
        self._started = state is not None and "velocity" in state.arrays
        vector = state.arrays["velocity"].copy() if state and self._started else xp.zeros_like(self._theta)
        self._velocity = Parameters(parameters.architecture, vector)

    def update_for(self, batch: int) -> Update:
        """What the products of a batch of that size do now."""
        if not self._started:  # v <- g, without dampening: PyTorch's first step
            return accumulate(self._velocity.layers, batch)
        momentum = self._options.momentum
        return Update(self._velocity.layers, (1 - self._options.dampening) / batch, momentum, momentum)

    def finish(self) -> bool:
        """What remains after the products; whether `update_for` answers something else from now on."""
        self._add(self._velocity.vector, self._theta)
        first, self._started = not self._started, True
        return first

    def state(self) -> OptimizerState:
        """What is remembered, as arrays of its own."""
        return OptimizerState("sgd", {"velocity": self._velocity.vector.copy()} if self._started else {})


class _Gradient:
    """Any other optimizer: the gradient first, then its own pure update."""

    def __init__(self, parameters: Parameters, state: OptimizerState | None, options: Options) -> None:
        self._parameters, self._state, self._options = parameters, state, options
        self._gradient = Parameters(parameters.architecture, np.zeros_like(parameters.vector))

    def update_for(self, batch: int) -> Update:
        return accumulate(self._gradient.layers, batch)

    def finish(self) -> bool:
        theta, options = self._parameters.vector, self._options
        if options.clip_value is not None:  # which would make an infinity finite again
            require_finite_parameters(NUMPY, self._gradient, "gradient")
        norm = gradient_norm(NUMPY, self._gradient) if options.clip_norm is not None else 0.0
        with quiet():
            moved, state = update(
                NUMPY, self._parameters.architecture, theta, self._gradient.vector, norm, self._state, options
            )
        np.copyto(theta, moved)
        # A first velocity is the gradient itself, whose array the next step writes over.
        kept = {name: array.copy() if array is self._gradient.vector else array for name, array in state.arrays.items()}
        self._state = OptimizerState(state.kind, kept)
        return False

    def state(self) -> OptimizerState:
        kept: dict[str, Array] = dict(self._state.arrays) if self._state else {}
        return OptimizerState(self._options.kind, {name: np.array(array) for name, array in kept.items()})
