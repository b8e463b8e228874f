"""HIPS autograd: NumPy code, differentiated by operator overloading."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import grad

from benchmarks.core.cases import Array, Case, join, split
from benchmarks.core.engines import Engine, Task

ACTIVATIONS = {
    "sigmoid": lambda z: 0.5 * (anp.tanh(0.5 * z) + 1.0),
    "tanh": anp.tanh,
    "relu": lambda z: anp.maximum(z, 0),
}


def weighted_inputs(case: Case, parameters: Any, x: Array) -> Any:
    """z^L."""
    a: Any = x
    for index, (w, b) in enumerate(parameters):
        a = anp.dot(a, w.T) + b
        if index < len(parameters) - 1:
            a = ACTIVATIONS[case.activations[index]](a)
    return a


def outputs(case: Case, parameters: Any, x: Array) -> Any:
    """a^L."""
    z = weighted_inputs(case, parameters, x)
    if case.activations[-1] != "softmax":
        return ACTIVATIONS[case.activations[-1]](z)
    e = anp.exp(z - anp.max(z, axis=1, keepdims=True))
    return e / anp.sum(e, axis=1, keepdims=True)


def mean_cost(case: Case, parameters: Any, x: Array, y: Array) -> Any:
    """C; the cross entropy from z."""
    if case.cost == "quadratic":
        return 0.5 / len(x) * anp.sum((outputs(case, parameters, x) - y) ** 2)
    z = weighted_inputs(case, parameters, x)
    shifted = z - anp.max(z, axis=1, keepdims=True)
    total = anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))
    return -anp.sum(y * (shifted - total)) / len(x)


class Autograd:
    """One of the operations, on each batch in turn; a step writes into its own arrays."""

    def __init__(self, task: Task) -> None:
        self.case, self.operation = task.case, task.operation
        self.parameters = [(w.copy(), b.copy()) for w, b in split(task.case, task.vector)]
        self.batches = cycle(task.batches)
        self.gradient_of = grad(lambda parameters, x, y: mean_cost(task.case, parameters, x, y))
        self.found: Any = None

    def run(self, count: int) -> None:
        for _ in range(count):
            batch = next(self.batches)
            if self.operation == "forward":
                self.found = outputs(self.case, self.parameters, batch.x)
                continue
            self.found = self.gradient_of(self.parameters, batch.x, batch.y)
            if self.operation == "step":
                self.descend()

    def descend(self) -> None:
        for (w, b), (gw, gb) in zip(self.parameters, self.found, strict=True):
            np.subtract(w, self.case.learning_rate * gw, w)
            np.subtract(b, self.case.learning_rate * gb, b)

    def result(self) -> Array:
        if self.operation == "forward":
            return self.found
        return join(self.parameters if self.operation == "step" else self.found)


def build(task: Task) -> Engine:
    return Autograd(task)
