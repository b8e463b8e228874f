"""One forward and backward pass over a batch of a fixed size, compiled into a list of bound calls.

Invariant: a pass computes what `feedforward` and `backprop` compute, up to rounding; it only allocates everything beforehand and
leaves Python as little as possible to do. It belongs to one set of weight arrays, which it reads (and, descending, writes) in
place, and to one thread at a time.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from core.network import Architecture
from core.plans.blas import Blas, Call
from core.plans.buffers import Buffers, every_layer
from core.plans.heads import head
from core.plans.kernels import kernel
from core.plans.threads import threads_for, threads_of_step, use_threads
from core.plans.updates import Update
from core.plans.working import Working
from core.types import Array

__all__ = ["Passage", "Plan"]


SWEEP_BYTES = 512 * 1024
"""Up to here the slopes of all layers are taken in one sweep; beyond it, layer by layer while they are in the cache."""


class Passage:
    """The forward pass through `layers`, in the buffers that it is given.

    Where there are `squares` (L-1,), each layer leaves sum z^2 there: not finite, where a z is not.
    """

    def __init__(
        self,
        architecture: Architecture,
        working: Working,
        memory: Array,
        buffers: list[Buffers],
        squares: Array | None = None,
    ) -> None:
        self.batch = buffers[0].z.shape[1]
        self.buffers, self._memory, self._working = buffers, memory, working
        self._blas = Blas(architecture.dtype)
        self._kernels = [kernel(layer.activation) for layer in architecture.layers]
        self._threads = threads_for(self.batch * architecture.parameter_count)
        self._bind_forward(squares)

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers."""
        return self._memory.nbytes

    def _bind_forward(self, squares: Array | None) -> None:
        """(z^l = a^{l-1} w^l^T + b^l, a^l = sigma(z^l)) for every layer; the first product waits for its x."""
        first = self._working.layers[0]
        # Every column of the first z starts as the biases, so that the product only adds to it.
        self._before = partial(np.copyto, self.buffers[0].z, first.biases[:, np.newaxis])
        self._first = self._blas.forward_from(self._kernels[0].scale, first.weights, self.buffers[0].z)
        self._after: list[Call] = []
        for index, each in enumerate(self._kernels):
            buffers = self.buffers[index]
            if index:
                entering, joined = self.buffers[index - 1].a_and_one, self._working.joined[index - 1]
                self._after.append(self._blas.forward(each.scale, joined, entering, buffers.z))
            if squares is not None:
                z = buffers.z.reshape(-1)
                self._after.append(partial(np.dot, z, z, squares[index : index + 1].reshape(())))
            self._after += each.activate(buffers)

    def forward(self, x: Array) -> Array:
        """The outputs (n_L, m) for x (m, n_1), C-contiguous and of the network's dtype; in a buffer of this pass."""
        use_threads(self._threads)
        self._before()
        self._first(x.T)
        for call in self._after:
            call()
        return self.buffers[-1].a


class Plan(Passage):
    """Forward, backward and update of `layers` over batches of `batch` rows."""

    def __init__(
        self,
        architecture: Architecture,
        working: Working,
        batch: int,
        update: Update[Working],
        squares: Array | None = None,
    ) -> None:
        # The output layer keeps its z: the cost is computed from it.
        apart = [kernel(layer.activation).keeps_z for layer in architecture.layers[:-1]] + [True]
        super().__init__(architecture, working, *every_layer(architecture, batch, apart), squares)
        self._threads = threads_of_step(batch, architecture.parameter_count)
        last = architecture.layers[-1].activation
        self._head = head(architecture.cost, last, self.buffers[-1], self._kernels[-1].scale)
        self.bind(update)

    def bind(self, update: Update[Working]) -> None:
        """Compile the backward pass, whose products go where `update` says."""
        slopes = self._sweep()
        calls: list[Call] = list(slopes or [])
        last = len(self.buffers) - 1
        for index in range(last, -1, -1):
            buffers = self.buffers[index]
            if index < last:
                delta, joined = self.buffers[index + 1].delta, self._working.joined[index]
                # (2) needs w^{l+1} as it was in the forward pass, so it comes before that layer's update.
                calls.append(self._blas.backward(joined, delta, buffers.delta_and_none))
                target = update.target.joined[index]
                calls.append(self._blas.outer(update.factor, delta, buffers.a_and_one, update.keep, target))
            if index < last or not self._head.complete:
                calls += [_times(buffers)] if slopes else self._kernels[index].pull(buffers)
        delta, first = self.buffers[0].delta, update.target.layers[0]
        calls.append(self._blas.row_sums(update.factor, delta, update.keep, first.biases))
        self._last_product = self._blas.outer_from(update.factor, delta, update.keep, first.weights)
        self._backward = calls

    def _sweep(self) -> list[Call] | None:
        """Sigma' of all layers at once, where they share an activation that allows it and stay in the cache."""
        slope = self._kernels[0].slope
        shared = all(each is self._kernels[0] for each in self._kernels)
        if slope is None or not shared or self._memory[1].nbytes > SWEEP_BYTES:
            return None
        return slope(self._memory[1], self._memory[3])

    def run(self, x: Array, y: Array) -> None:
        """Forward, backward and update, once; y (m, n_L)."""
        use_threads(self._threads)
        x_t = x.T
        self._before()
        self._first(x_t)
        for call in self._after:
            call()
        self._head.error(y)
        for call in self._backward:
            call()
        self._last_product(x_t)

    def cost(self, y: Array) -> float:
        """C of the batch that went through last."""
        return self._head.total(y) / self.batch


def _times(buffers: Buffers) -> Call:
    return partial(np.multiply, buffers.delta, buffers.scratch, buffers.delta)
