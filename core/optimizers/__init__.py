"""Optimizers: one algorithm a file, pure updates on the flat vector, state as arrays.

`make_options(kind, ...)` gives checked options; `update` makes the next parameters and the next state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from core.errors import InvalidOptions
from core.network import Architecture
from core.optimizers.adadelta import ADADELTA, AdadeltaOptions
from core.optimizers.adagrad import ADAGRAD, AdagradOptions
from core.optimizers.adam import ADAM, AdamOptions
from core.optimizers.adamw import ADAMW, AdamWOptions
from core.optimizers.base import Optimizer, OptimizerState, Options
from core.optimizers.clipping import clipped
from core.optimizers.nadam import NADAM, NAdamOptions
from core.optimizers.rmsprop import RMSPROP, RMSpropOptions
from core.optimizers.sgd import SGD, SgdOptions
from core.types import Array, ArrayModule

__all__ = [
    "OPTIMIZERS",
    "AdadeltaOptions",
    "AdagradOptions",
    "AdamOptions",
    "AdamWOptions",
    "NAdamOptions",
    "Optimizer",
    "OptimizerState",
    "Options",
    "RMSpropOptions",
    "SgdOptions",
    "make_options",
    "update",
    "weights_only",
]

OPTIMIZERS: Mapping[str, Optimizer] = {
    optimizer.options.kind: optimizer for optimizer in (SGD, ADAM, ADAMW, NADAM, RMSPROP, ADAGRAD, ADADELTA)
}
"""Every optimizer by its name on the wire."""


def make_options(kind: str, values: Mapping[str, Any]) -> Options:
    """The options of a kind from their values by name.

    Raises:
        InvalidOptions: an unknown kind or option, or a value out of its range.
    """
    if kind not in OPTIMIZERS:
        raise InvalidOptions(f"unknown optimizer; known are {', '.join(OPTIMIZERS)}", ("kind",))
    options = OPTIMIZERS[kind].options
    known = [field.name for field in fields(options)]
    for name in values:
        if name not in known:
            raise InvalidOptions(f"{kind} has no such option; it has {', '.join(known)}", (name,))
    return options(**values)


def update(
    xp: ArrayModule,
    architecture: Architecture,
    theta: Array,
    gradient: Array,
    norm: float,
    state: OptimizerState | None,
    options: Options,
) -> tuple[Array, OptimizerState]:
    """The next parameters (P,) and the next state, from the mean gradient (P,) and its global L2 norm.

    What was remembered is given up when the kind changes. Nothing that was passed is written to.
    """
    arrays = state.arrays if state is not None and state.kind == options.kind else {}
    decays = None if options.decay_biases or options.weight_decay == 0 else weights_only(xp, architecture, theta)
    gradient = clipped(xp, gradient, norm, options)
    theta, remembered = OPTIMIZERS[options.kind].update(xp, theta, gradient, arrays, options, decays)
    return theta, OptimizerState(options.kind, remembered)


def weights_only(xp: ArrayModule, architecture: Architecture, theta: Array) -> Array:
    """1 for every weight and 0 for every bias; (P,)."""
    mask = np.ones(architecture.parameter_count, architecture.dtype)
    for place in architecture.layout:
        mask[place.split : place.stop] = 0
    result: Array = xp.asarray(mask, dtype=theta.dtype)
    return result
