"""The products of a linear network, in any storage order: what `limit` runs, and what it is checked with.

A matrix is an array as mathematics has it (examples are rows) together with its storage, plain or transposed. BLAS writes columns,
so a product into a plain C-contiguous array is asked for as its transpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product as product_of

import numpy as np

from benchmarks.core.cases import Array, split
from benchmarks.core.engines import Task

Layout = tuple[bool, bool, bool]
"""Whether the weights, the activations and the inputs are stored transposed."""
LAYOUTS: list[Layout] = list(product_of((False, True), repeat=3))


@dataclass(frozen=True)
class Product:
    """c = beta c + alpha a b, all three as stored for Fortran: `trans_a` says that `a` is read transposed."""

    a: Array
    b: Array
    c: Array
    alpha: float
    beta: float
    trans_a: bool
    trans_b: bool


def stored(array: Array, is_transposed: bool) -> Array:
    """A copy with the storage asked for, still indexed as mathematics does."""
    return np.array(array, order="F" if is_transposed else "C")


def product(a: Array, b: Array, c: Array, alpha: float = 1.0, beta: float = 0.0) -> Product:
    """Bind c = beta c + alpha a b for BLAS, whatever the storage of each."""
    if not c.flags.f_contiguous:
        a, b, c = b.T, a.T, c.T
    trans_a, trans_b = not a.flags.f_contiguous, not b.flags.f_contiguous
    return Product(a.T if trans_a else a, b.T if trans_b else b, c, alpha, beta, trans_a, trans_b)


class Products:
    """The arrays of a network in one layout, and the products of the task's operation for each batch."""

    def __init__(self, task: Task, layout: Layout) -> None:
        weights_transposed, rows_transposed, inputs_transposed = layout
        case, dtype = task.case, task.vector.dtype
        self.task = task
        self.weights = [stored(w, weights_transposed) for w, _ in split(case, task.vector)]
        self.inputs = [stored(batch.x, inputs_transposed) for batch in task.batches]
        empty = [stored(np.zeros((case.batch, n), dtype), rows_transposed) for n in case.sizes[1:]]
        self.activations = empty
        self.deltas = [array.copy(order="K") for array in empty]
        self.deltas[-1][...] = task.batches[0].y
        is_step = task.operation == "step"
        self.targets = self.weights if is_step else [np.zeros_like(w) for w in self.weights]
        # So small that the weights do not wander off, however often it runs; `check` sets one that shows.
        self.alpha, self.beta = 1e-12, float(is_step)

    def of(self, batch: int) -> list[Product]:
        """All products of the operation, in order; the first layer's delta is not pulled back to the inputs."""
        previous = [self.inputs[batch], *self.activations[:-1]]
        bound = [product(a, w.T, z) for a, w, z in zip(previous, self.weights, self.activations, strict=True)]
        if self.task.operation == "forward":
            return bound
        for index in reversed(range(len(self.weights))):
            if index:
                bound.append(product(self.deltas[index], self.weights[index], self.deltas[index - 1]))
            bound.append(product(self.deltas[index].T, previous[index], self.targets[index], self.alpha, self.beta))
        return bound

    def expected(self) -> Array:
        """What one run over the first batch leaves, by NumPy in float64: outputs, or the weights' targets."""
        weights = [w.astype(np.float64) for w in self.weights]
        activations = [self.inputs[0].astype(np.float64)]
        for w in weights:
            activations.append(activations[-1] @ w.T)
        if self.task.operation == "forward":
            return activations[-1]
        delta, found = self.deltas[-1].astype(np.float64), []
        for index in reversed(range(len(weights))):
            found.append(self.beta * weights[index] + self.alpha * delta.T @ activations[index])
            delta = delta @ weights[index]
        return np.concatenate([array.ravel() for array in found[::-1]])

    def found(self) -> Array:
        """The same, as the products left it."""
        if self.task.operation == "forward":
            return np.ascontiguousarray(self.activations[-1])
        return np.concatenate([array.ravel() for array in self.targets])


def described(layout: Layout) -> str:
    """What is stored transposed, in words."""
    names = [name for name, is_chosen in zip(("weights", "activations", "inputs"), layout, strict=True) if is_chosen]
    return f"{' and '.join(names) or 'nothing'} transposed"
