"""How the optimizer's update meets the backward pass: what its products write to, and what remains to be done after them.

Invariant: a rule moves the parameters exactly as `core.optimizers.update` does, up to rounding. Plain descent happens inside the
products; momentum leaves one pass over the velocity; everything else takes the gradient as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeGuard, TypeVar

import numpy as np
from scipy.linalg import blas

from core.finite import quiet, require_finite_parameters
from core.network import Parameters
from core.optimizers import OptimizerState, Options, SgdOptions, update
from core.plans.updates import Update, accumulate, descend
from core.plans.working import Working
from core.step import gradient_norm
from core.types import NUMPY, Array

__all__ = ["Descent", "Rule", "Velocity", "is_plain_descent", "is_plain_momentum", "rule_for"]

T = TypeVar("T")


class Rule(Protocol[T]):
    """One optimizer on one working copy of the parameters."""

    is_in_products: bool
    """Whether nothing remains after the products, ever."""

    def update_for(self, batch: int) -> Update[T]:
        """What the products of a batch of that size do now."""

    def finish(self) -> bool:
        """What remains after the products; whether `update_for` answers something else from now on."""

    def state(self) -> OptimizerState:
        """What is remembered, as arrays of its own."""


def rule_for(working: Working, state: OptimizerState | None, options: Options) -> Rule[Working]:
    """The fastest rule for these options; a state of another kind is given up."""
    kept = state if state is not None and state.kind == options.kind else None
    if is_plain_descent(options):
        return Descent(working, kept, options)
    if is_plain_momentum(options):
        return _velocity(working, kept, options)
    return _Gradient(working, kept, options)


def is_plain_descent(options: Options) -> TypeGuard[SgdOptions]:
    """Whether the products can be the whole update."""
    return _is_linear(options) and options.momentum == 0 and (options.weight_decay == 0 or options.decay_biases)


def is_plain_momentum(options: Options) -> TypeGuard[SgdOptions]:
    """Whether the products can make the velocity."""
    return _is_linear(options) and options.momentum > 0 and not options.nesterov and options.weight_decay == 0


def _is_linear(options: Options) -> TypeGuard[SgdOptions]:
    return isinstance(options, SgdOptions) and options.clip_norm is None and options.clip_value is None


class Descent(Generic[T]):
    """Plain gradient descent, weight decay included: the products are the update."""

    is_in_products = True

    def __init__(self, theta: T, state: OptimizerState | None, options: SgdOptions) -> None:
        self._theta, self._options = theta, options
        self._remembered = dict(state.arrays) if state else {}

    def update_for(self, batch: int) -> Update[T]:
        """What the products of a batch of that size do now."""
        return descend(self._theta, batch, self._options.learning_rate, self._options.weight_decay)

    def finish(self) -> bool:
        """What remains after the products; whether `update_for` answers something else from now on."""
        return False

    def state(self) -> OptimizerState:
        """What is remembered, as arrays of its own."""
        return OptimizerState("sgd", {name: array.copy() for name, array in self._remembered.items()})


class Velocity(Generic[T]):
    """Momentum: the products make v <- mu v + (1 - tau) g, and what remains is theta <- theta - eta v.

    Args:
        velocity: v, or zeros where there is none yet (`has_started`).
        move: the pass that remains.
        copied_out: v as a flat vector (P,) of its own.
    """

    is_in_products = False

    def __init__(
        self,
        velocity: T,
        has_started: bool,
        options: SgdOptions,
        move: Callable[[], object],
        copied_out: Callable[[], Array],
    ) -> None:
        self._velocity, self._has_started, self._options = velocity, has_started, options
        self._move, self._copied_out = move, copied_out

    def update_for(self, batch: int) -> Update[T]:
        """What the products of a batch of that size do now."""
        if not self._has_started:  # v <- g, without dampening: PyTorch's first step
            return accumulate(self._velocity, batch)
        return Update(self._velocity, (1 - self._options.dampening) / batch, self._options.momentum)

    def finish(self) -> bool:
        """What remains after the products; whether `update_for` answers something else from now on."""
        self._move()
        first, self._has_started = not self._has_started, True
        return first

    def state(self) -> OptimizerState:
        """What is remembered, as arrays of its own."""
        return OptimizerState("sgd", {"velocity": self._copied_out()} if self._has_started else {})


def _velocity(working: Working, state: OptimizerState | None, options: SgdOptions) -> Velocity[Working]:
    remembered = state.arrays.get("velocity") if state else None
    velocity, theta = Working(working.architecture), working.vector
    if remembered is not None:
        velocity.load(Parameters(working.architecture, remembered))
    axpy = blas.saxpy if theta.dtype == np.float32 else blas.daxpy

    def move() -> None:
        axpy(velocity.vector, theta, theta.size, -options.learning_rate)

    return Velocity(velocity, remembered is not None, options, move, lambda: velocity.parameters().vector)


class _Gradient:
    """Any other optimizer: the gradient first, then its own pure update of the flat vectors."""

    is_in_products = False

    def __init__(self, working: Working, state: OptimizerState | None, options: Options) -> None:
        self._working, self._state, self._options = working, state, options
        self._theta = working.parameters()
        self._gradient = Working(working.architecture)

    def update_for(self, batch: int) -> Update[Working]:
        return accumulate(self._gradient, batch)

    def finish(self) -> bool:
        architecture, options, gradient = self._working.architecture, self._options, self._gradient.parameters()
        if options.clip_value is not None:  # which would make an infinity finite again
            require_finite_parameters(NUMPY, gradient, "gradient")
        norm = gradient_norm(NUMPY, gradient) if options.clip_norm is not None else 0.0
        with quiet():
            moved, self._state = update(
                NUMPY, architecture, self._theta.vector, gradient.vector, norm, self._state, options
            )
        self._theta = Parameters(architecture, moved)
        self._working.load(self._theta)
        return False

    def state(self) -> OptimizerState:
        kept: dict[str, Array] = dict(self._state.arrays) if self._state else {}
        return OptimizerState(self._options.kind, {name: np.array(array) for name, array in kept.items()})
