"""Activations in place: each kernel turns z into a, and delta into sigma'(z) delta, without allocating.

Invariant: a kernel computes what its namesake in `core.activations` computes; an activation without a kernel of its own runs
through that namesake (`General`). What is fast, and why, is in docs/performance.md: `maximum` and `sign` are slow ufuncs,
`tanh` is a fast one, constants are 0-d arrays, and a factor 1/2 costs nothing where the product that makes z applies it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from core.activations import ACTIVATIONS, Activation
from core.plans.blas import Blas
from core.plans.buffers import Buffers
from core.plans.calls import Step
from core.types import NUMPY, Array

__all__ = ["Kernel", "kernel"]


@dataclass(frozen=True)
class Kernel:
    """How one activation runs in place."""

    activate: Callable[[Buffers], list[Step]]
    """Bind a = sigma(z), from z times `scale`."""
    pull: Callable[[Buffers], list[Step]]
    """Bind delta <- J_sigma^T delta."""
    slope: Callable[[Array, Array], list[Step]] | None = None
    """Bind out = sigma'(z) from a alone, where that is possible: one call then serves the joined buffers of many layers."""
    scale: float = 1.0
    """The factor by which the kernel wants z: 1/2 for the two that would halve it first."""
    keeps_z: bool = False
    """Whether `pull` needs z, so that a must not overwrite it."""


def _pull_by_slope(slope: Callable[[Array, Array], list[Step]]) -> Callable[[Buffers], list[Step]]:
    def pull(layer: Buffers) -> list[Step]:
        return [*slope(layer.a, layer.scratch), partial(np.multiply, layer.delta, layer.scratch, layer.delta)]

    return pull


def _sigmoid(layer: Buffers) -> list[Step]:
    """Sigma(z) = (1 + tanh(z/2)) / 2: it overflows nowhere, and is exact to an ulp of 1."""
    half, a = np.array(0.5, layer.z.dtype), layer.a
    return [partial(np.tanh, layer.z, a), partial(np.multiply, a, half, a), partial(np.add, a, half, a)]


def _sigmoid_slope(a: Array, out: Array) -> list[Step]:
    return [partial(np.multiply, a, a, out), partial(np.subtract, a, out, out)]


def _tanh(layer: Buffers) -> list[Step]:
    return [partial(np.tanh, layer.z, layer.a)]


def _tanh_slope(a: Array, out: Array) -> list[Step]:
    return [partial(np.multiply, a, a, out), partial(np.subtract, np.array(1, a.dtype), out, out)]


def _relu(layer: Buffers) -> list[Step]:
    """max(z, 0) = z/2 + |z/2|, exactly."""
    return [partial(np.absolute, layer.z, layer.scratch), partial(np.add, layer.z, layer.scratch, layer.a)]


def _relu_pull(layer: Buffers) -> list[Step]:
    zero, mask = np.array(0, layer.a.dtype), layer.mask
    return [partial(np.greater, layer.a, zero, mask), partial(np.multiply, layer.delta, mask, layer.delta)]


def _identity(layer: Buffers) -> list[Step]:
    return [partial(np.copyto, layer.a, layer.z)] if layer.keeps_z else []


def _softmax(layer: Buffers) -> list[Step]:
    """e^(z - max z) / sum; z itself is shifted, which no cost and no slope of a softmax notices."""
    z, a = layer.z, layer.a
    top, total = np.empty((1, z.shape[1]), z.dtype), np.empty((1, z.shape[1]), z.dtype)
    return [
        partial(np.maximum.reduce, z, 0, None, top, True),
        partial(np.subtract, z, top, z),
        partial(np.exp, z, a),
        Blas(z.dtype).column_sums(a, total.reshape(-1)),
        partial(np.divide, a, total, a),
    ]


def _softmax_pull(layer: Buffers) -> list[Step]:
    """A (delta - sum_k delta_k a_k)."""
    a, delta, scratch = layer.a, layer.delta, layer.scratch
    total = np.empty((1, a.shape[1]), a.dtype)
    return [
        partial(np.multiply, delta, a, scratch),
        Blas(a.dtype).column_sums(scratch, total.reshape(-1)),
        partial(np.subtract, delta, total, delta),
        partial(np.multiply, delta, a, delta),
    ]


def _general(activation: Activation) -> Kernel:
    """An activation without a kernel of its own, through its definition."""

    def activate(layer: Buffers) -> list[Step]:
        return [lambda: np.copyto(layer.a, activation.value(NUMPY, layer.z))]

    def pull(layer: Buffers) -> list[Step]:
        return [lambda: np.copyto(layer.delta, activation.pullback(NUMPY, layer.delta, layer.z, layer.a))]

    return Kernel(activate, pull, keeps_z=True)


KERNELS = {
    "identity": Kernel(_identity, lambda _layer: []),
    "sigmoid": Kernel(_sigmoid, _pull_by_slope(_sigmoid_slope), _sigmoid_slope, scale=0.5),
    "tanh": Kernel(_tanh, _pull_by_slope(_tanh_slope), _tanh_slope),
    "relu": Kernel(_relu, _relu_pull, scale=0.5),
    "softmax": Kernel(_softmax, _softmax_pull),
}


def kernel(name: str) -> Kernel:
    """The kernel of an activation, by its name."""
    return KERNELS.get(name) or _general(ACTIVATIONS[name])
