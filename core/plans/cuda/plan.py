"""One forward and backward pass on a CUDA device, as a list of bound launches.

Invariant: as `core.plans.plan`, and nothing in `run` waits for the device or reads from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.costs import OutputLayer, output_layer
from core.network import Architecture, LayerParameters, Parameters
from core.plans.cuda.blas import Cublas
from core.plans.cuda.kernels import Kernels
from core.plans.updates import Update
from core.types import Array

__all__ = ["CudaPlan", "plan_bytes"]

Call = Callable[[], object]


@dataclass(frozen=True)
class Arrays:
    """One layer's z, a and delta, all (m, n_l) and C-contiguous."""

    z: Array
    a: Array
    delta: Array


def plan_bytes(architecture: Architecture) -> int:
    """Bytes of a plan's arrays for one row of a batch."""
    return 3 * sum(architecture.sizes[1:]) * np.dtype(architecture.dtype).itemsize


class CudaPlan:
    """Forward, backward and update of `layers` over batches of `batch` rows."""

    def __init__(
        self,
        cublas: Cublas,
        kernels: Kernels,
        architecture: Architecture,
        layers: Sequence[LayerParameters],
        batch: int,
        update: Update[Parameters],
    ) -> None:
        self.batch = batch
        self._blas, self._kernels, self._layers = cublas, kernels, layers
        self._names = [layer.activation for layer in architecture.layers]
        self._head = output_layer(architecture.cost, self._names[-1])
        self._allocate(kernels.cupy, architecture)
        self._bind_forward()
        last = self._arrays[-1]
        self._error = kernels.error(architecture.cost, self._names[-1], last.z, last.a, last.delta) or _defined(
            self._head, kernels.cupy, last
        )
        self.bind(update)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays of all layers."""
        return self._memory.nbytes

    def _allocate(self, cupy: Any, architecture: Architecture) -> None:
        """One block of memory, cut layer by layer: z, a and delta are apart, as bandwidth is what the device has most of."""
        self._memory: Array = cupy.zeros((3, self.batch * sum(architecture.sizes[1:])), architecture.dtype)
        self._arrays: list[Arrays] = []
        offset = 0
        for units in architecture.sizes[1:]:
            cut = [block[offset : offset + units * self.batch].reshape(self.batch, units) for block in self._memory]
            self._arrays.append(Arrays(*cut))
            offset += units * self.batch

    def _bind_forward(self) -> None:
        """Z^l = a^{l-1} w^l^T, then z^l += b^l and a^l = sigma(z^l) in one launch; the first product waits for its x."""
        self._forward: list[Call] = []
        for index, (name, parameters) in enumerate(zip(self._names, self._layers, strict=True)):
            at = self._arrays[index]
            if index:
                self._forward.append(self._blas.forward(self._arrays[index - 1].a, parameters.weights, at.z))
            self._forward.append(self._kernels.activate(name, parameters.biases, at.z, at.a))
        self._first = self._blas.forward_from(self._layers[0].weights, self._arrays[0].z)

    def bind(self, update: Update[Parameters]) -> None:
        """Bind the backward pass, whose products go where `update` says."""
        self._update = update  # bound calls hold addresses: its arrays must stay
        self._backward: list[Call] = []
        for index in range(len(self._arrays) - 2, -1, -1):
            at, following = self._arrays[index], self._arrays[index + 1]
            # (2) needs w^{l+1} as it was in the forward pass, so it comes before that layer's update.
            self._backward.append(self._blas.backward(following.delta, self._layers[index + 1].weights, at.delta))
            target, factor, keep = update.target.layers[index + 1], update.factor, update.keep
            self._backward.append(self._blas.outer(factor, following.delta, at.a, keep, target.weights))
            self._backward.append(self._blas.column_sums(factor, following.delta, keep, target.biases))
            if self._names[index] != "identity":
                self._backward.append(self._kernels.pull(self._names[index], at.z, at.a, at.delta))
        delta, target = self._arrays[0].delta, update.target.layers[0]
        self._backward.append(self._blas.column_sums(update.factor, delta, update.keep, target.biases))
        self._last_product = self._blas.outer_from(update.factor, delta, update.keep, target.weights)

    def run(self, x: Array, y: Array) -> None:
        """Launch forward, backward and update, once; x (m, n_1) and y (m, n_L) on the device, C-contiguous, of the dtype."""
        x_t = x.T
        self._first(x_t)
        for call in self._forward:
            call()
        self._error(y)
        for call in self._backward:
            call()
        self._last_product(x_t)

    def costs(self, y: Array) -> Array:
        """C_x (m,) of the batch that went through last, on the device."""
        return self._head.value(self._kernels.cupy, y, self._arrays[-1].z, self._arrays[-1].a)


def _defined(head: OutputLayer, cupy: Any, last: Arrays) -> Callable[[Array], object]:
    """Delta^L by its definition, in as many launches as that takes."""

    def error(y: Array) -> None:
        last.delta[...] = head.error(cupy, y, last.z, last.a)

    return error
