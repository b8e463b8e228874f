"""One forward and backward pass over a batch of a fixed size, compiled into a list of bound calls.

Invariant: a pass computes what `feedforward` and `backprop` compute, up to rounding; it only allocates everything beforehand and
leaves Python as little as possible to do. It belongs to one set of weight arrays, which it reads (and, descending, writes) in
place, and to one thread at a time.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from core.network import Architecture, Parameters
from core.plans.blas import Blas
from core.plans.buffers import Buffers, every_layer
from core.plans.calls import Run, Step, dispatched
from core.plans.heads import head
from core.plans.kernels import kernel
from core.plans.native.program import Train, joined, training
from core.plans.threads import long_pass, threads_for, threads_of_step, use_threads
from core.plans.updates import Update
from core.plans.working import Working
from core.types import Array

__all__ = ["Passage", "Plan"]


SWEEP_BYTES = 512 * 1024
"""Up to here the slopes of all layers are taken in one sweep; beyond it, layer by layer while they are in the cache."""


COLD_RUNS = 8
"""Runs whose calls Python makes, before they are joined into one: that takes as long as some ten more runs would save."""

RELEASED_FROM = 2_000_000
"""Multiplications of a pass from which on other threads of Python go on meanwhile: a tenth of a millisecond, or so. For
a shorter one it costs more than it gives to take the lock back."""


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
        multiplications = self.batch * architecture.parameter_count
        self._threads, self._releases = threads_for(multiplications), multiplications >= RELEASED_FROM
        self._target: Array | None = None
        self._forward = self._forward_steps(squares)
        self._compile(self._forward)

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers."""
        return self._memory.nbytes

    def forward(self, x: Array) -> Array:
        """The outputs (n_L, m) for x (m, n_1), C-contiguous and of the network's dtype; in a buffer of this pass."""
        self._run(x, x, x)
        return self.buffers[-1].a

    def _compile(self, steps: list[Step]) -> None:
        self._steps = steps  # which keep the memory that programs only have addresses of
        self._runs: list[Run] = []
        self._cold, self._is_joined = COLD_RUNS, False

    def _run(self, x: Array, y: Array, target: Array) -> None:
        if self._threads > 1:
            with long_pass(self._threads):
                self._go_through(x, y, target)
        else:
            use_threads(1)
            self._go_through(x, y, target)

    def _go_through(self, x: Array, y: Array, target: Array) -> None:
        if self._cold:
            self._warm_up()
        for run in self._runs:
            run(x, y, target)

    def _warm_up(self) -> None:
        self._cold -= 1
        if not self._cold and (runs := joined(self._steps, self._releases, self._target)) is not None:
            self._runs, self._is_joined = runs, True
        elif not self._runs:
            self._runs = [dispatched(self._steps, self._releases)]

    def _forward_steps(self, squares: Array | None) -> list[Step]:
        """(z^l = a^{l-1} w^l^T + b^l, a^l = sigma(z^l)) for every layer."""
        first, z = self._working.layers[0], self.buffers[0].z
        # Every column of the first z starts as the biases, so that the product only adds to it.
        steps: list[Step] = [
            self._blas.spread(first.biases, z),
            self._blas.forward_from(self._kernels[0].scale, first.weights, z),
        ]
        for index, each in enumerate(self._kernels):
            buffers = self.buffers[index]
            if index:
                entering, joined_weights = self.buffers[index - 1].a_and_one, self._working.joined[index - 1]
                steps.append(self._blas.forward(each.scale, joined_weights, entering, buffers.z))
            if squares is not None:
                steps.append(self._blas.dot(buffers.z, buffers.z, squares[index : index + 1]))
            steps += each.activate(buffers)
        return steps


class Plan(Passage):
    """Forward, backward and update of `layers` over batches of `batch` rows.

    Where there are `squares` (L,), a run also finds the cost, and the last of them is the sum of the squares of all that the
    update's target holds then.
    """

    def __init__(
        self,
        architecture: Architecture,
        working: Working,
        batch: int,
        update: Update[Working] | Update[Parameters],
        squares: Array | None = None,
    ) -> None:
        # The output layer keeps its z: the cost is computed from it.
        apart = [kernel(layer.activation).keeps_z for layer in architecture.layers[:-1]] + [True]
        super().__init__(architecture, working, *every_layer(architecture, batch, apart), squares)
        self._squares = squares
        self._threads = threads_of_step(batch, architecture.parameter_count)
        last = architecture.layers[-1].activation
        self._head = head(architecture.cost, last, self.buffers[-1], self._kernels[-1].scale)
        self._cost = dispatched(self._head.cost, self._releases)
        self.bind(update)

    def bind(self, update: Update[Working] | Update[Parameters]) -> None:
        """Compile the pass, with a backward pass whose products go where `update` says."""
        slopes = self._sweep()
        steps = [*self._forward, *self._head.error, *(slopes or ())]
        last = len(self.buffers) - 1
        for index in range(last, -1, -1):
            buffers = self.buffers[index]
            if index < last:
                delta, joined_weights = self.buffers[index + 1].delta, self._working.joined[index]
                # (2) needs w^{l+1} as it was in the forward pass, so it comes before that layer's update.
                steps.append(self._blas.backward(joined_weights, delta, buffers.delta_and_none))
                steps += self._update_of(update, index)
            if index < last or not self._head.complete:
                steps += [_times(buffers)] if slopes else self._kernels[index].pull(buffers)
        delta, first = self.buffers[0].delta, update.target.layers[0]
        steps.append(self._blas.row_sums(update.factor, delta, update.keep, first.biases))
        steps.append(self._blas.outer_from(update.factor, delta, update.keep, first.weights))
        if self._squares is not None:
            self._target = update.target.vector
            steps += [*self._head.cost, self._blas.dot(self._target, self._target, self._squares[-1:])]
        self._training: Train | None = None
        self._compile(steps)

    def _update_of(self, update: Update[Working] | Update[Parameters], index: int) -> list[Step]:
        """Equations 3 and 4 of the layer behind the layer `index`: one product where its biases lie beside its weights."""
        delta, buffers, target = self.buffers[index + 1].delta, self.buffers[index], update.target
        if isinstance(target, Working):
            return [self._blas.outer(update.factor, delta, buffers.a_and_one, update.keep, target.joined[index])]
        layer = target.layers[index + 1]
        return [
            self._blas.outer(update.factor, delta, buffers.a, update.keep, layer.weights),
            self._blas.row_sums(update.factor, delta, update.keep, layer.biases),
        ]

    def _sweep(self) -> list[Step] | None:
        """Sigma' of all layers at once, where they share an activation that allows it and stay in the cache."""
        slope = self._kernels[0].slope
        shared = all(each is self._kernels[0] for each in self._kernels)
        if slope is None or not shared or self._memory[1].nbytes > SWEEP_BYTES:
            return None
        return slope(self._memory[1], self._memory[3])

    def run(self, x: Array, y: Array, into: Array | None = None) -> None:
        """Forward, backward and update, once; y (m, n_L).

        Where there are `squares`, the update may go `into` an array like the target's vector, which may be another one each time.
        """
        if into is None or self._target is None:
            self._run(x, y, x if self._target is None else self._target)
            return
        self._run(x, y, into)
        if not self._is_joined:
            np.copyto(into, self._target)

    def train(self, x: Array, y: Array, order: Array, rows: Array, answers: Array) -> bool:
        """`run` for batch after batch of x (M, n_1) and y (M, n_L), as fast as the machine can; whether that can be here.

        `order` (k m,) has the numbers of their rows; `rows` and `answers` have the last batch afterwards.
        """
        if self._training is None:
            self._training = training(self._steps)
        if self._training is not None:
            use_threads(self._threads)
            self._training(x, y, order, rows, answers)
        return self._training is not None

    def cost(self, y: Array) -> float:
        """C of the batch that went through last."""
        if self._squares is None:
            self._cost(y, y, y)
        return float(self._head.total[0]) * self._head.share / self.batch


def _times(buffers: Buffers) -> Step:
    return partial(np.multiply, buffers.delta, buffers.scratch, buffers.delta)
