"""JAX: the whole operation under jit, parameters donated, the device waited for once a burst; lax.scan for epochs.

Variants: weights kept as (n_out, n_in), or `transposed` as (n_in, n_out); `scan-ahead` gathers an epoch's batches before the scan.
"""

from __future__ import annotations

from functools import partial
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.core.cases import Array, Case, split
from benchmarks.core.engines import Engine, Task, shuffled

ACTIVATIONS = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}


def weighted_inputs(case: Case, is_transposed: bool, parameters: Any, x: Any) -> Any:
    """z^L."""
    a = x
    for index, (w, b) in enumerate(parameters):
        z = (a @ w if is_transposed else a @ w.T) + b
        if index == len(parameters) - 1:
            return z
        a = ACTIVATIONS[case.activations[index]](z)
    raise AssertionError("a network has layers")


def outputs(case: Case, is_transposed: bool, parameters: Any, x: Any) -> Any:
    """a^L."""
    z = weighted_inputs(case, is_transposed, parameters, x)
    name = case.activations[-1]
    return jax.nn.softmax(z) if name == "softmax" else ACTIVATIONS[name](z)


def mean_cost(case: Case, is_transposed: bool, parameters: Any, x: Any, y: Any) -> Any:
    """C; the cross entropy from z."""
    if case.cost == "cross_entropy":
        logarithms = jax.nn.log_softmax(weighted_inputs(case, is_transposed, parameters, x))
        return -(y * logarithms).sum() / len(x)
    return 0.5 * ((outputs(case, is_transposed, parameters, x) - y) ** 2).sum() / len(x)


class Jax:
    """Holds the parameters as a list of (w, b) on the device, and the batches."""

    def __init__(self, task: Task) -> None:
        jax.config.update("jax_enable_x64", task.dtype == "float64")
        self.case, self.is_transposed = task.case, "transposed" in task.variant
        layers = split(task.case, task.vector)
        self.parameters = [(jnp.array(w.T.copy() if self.is_transposed else w), jnp.array(b)) for w, b in layers]
        self.batches = cycle([(jnp.array(batch.x), jnp.array(batch.y)) for batch in task.batches])
        self.gradient_of = jax.grad(partial(mean_cost, task.case, self.is_transposed))
        self.compiled = jax.jit(self.descend, donate_argnums=0)

    def descend(self, parameters: Any, x: Any, y: Any) -> Any:
        moves, rate = self.gradient_of(parameters, x, y), self.case.learning_rate
        return jax.tree.map(lambda value, move: value - rate * move, parameters, moves)

    def run(self, count: int) -> None:
        step, batches, parameters = self.compiled, self.batches, self.parameters
        for _ in range(count):
            parameters = step(parameters, *next(batches))
        self.parameters = jax.block_until_ready(parameters)

    def result(self) -> Array:
        return self.joined(self.parameters)

    def joined(self, layers: Any) -> Array:
        return np.concatenate(
            [np.asarray(part).ravel() for w, b in layers for part in (w.T if self.is_transposed else w, b)]
        )


class Forward(Jax):
    """Outputs under jit."""

    def run(self, count: int) -> None:
        forward, batches, parameters = self.forward, self.batches, self.parameters
        for _ in range(count):
            found = forward(parameters, next(batches)[0])
        self.found = jax.block_until_ready(found)

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.forward = jax.jit(partial(outputs, task.case, self.is_transposed))

    def result(self) -> Array:
        return np.asarray(self.found)


class Backprop(Jax):
    """The gradient under jit."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.gradient = jax.jit(self.gradient_of)

    def run(self, count: int) -> None:
        gradient, batches, parameters = self.gradient, self.batches, self.parameters
        for _ in range(count):
            found = gradient(parameters, *next(batches))
        self.found = jax.block_until_ready(found)

    def result(self) -> Array:
        return self.joined(self.found)


class Epochs(Jax):
    """One compiled scan over the batches of an epoch."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.x, self.y = next(self.batches)
        self.epoch = 0
        self.is_ahead = "scan-ahead" in task.variant
        self.compiled = jax.jit(self.scan, donate_argnums=0)

    def scan(self, parameters: Any, x: Any, y: Any, order: Any) -> Any:
        if self.is_ahead:
            batches = (x[order], y[order])
            return jax.lax.scan(lambda p, batch: (self.descend(p, *batch), None), parameters, batches)[0]
        return jax.lax.scan(lambda p, rows: (self.descend(p, x[rows], y[rows]), None), parameters, order)[0]

    def run(self, count: int) -> None:
        parameters = self.parameters
        for _ in range(count):
            order = shuffled(len(self.x), self.case.batch, self.epoch).astype(np.int32)
            parameters = self.compiled(parameters, self.x, self.y, order)
            self.epoch += 1
        self.parameters = jax.block_until_ready(parameters)


OPERATIONS = {"forward": Forward, "backprop": Backprop, "step": Jax, "epochs": Epochs}


def build(task: Task) -> Engine:
    return OPERATIONS[task.operation](task)
