"""Gradwire's fast path, through the public names of `core` alone. The seam to core is this file."""

from __future__ import annotations

from itertools import cycle

import numpy as np

from benchmarks.core.cases import Array, Case
from benchmarks.core.engines import Engine, Task, shuffled
from core import Architecture, Gradients, Layer, Options, Parameters, Predictor, Trainer, make_options


def architecture(case: Case, dtype: str) -> Architecture:
    """The case as core says it."""
    layers = tuple(Layer(units, name) for units, name in zip(case.sizes[1:], case.activations, strict=True))
    return Architecture(case.sizes[0], layers, case.cost, dtype)


def parameters(task: Task) -> Parameters:
    """The task's start, in a vector of its own."""
    return Parameters(architecture(task.case, task.dtype), task.vector.copy())


def descent(case: Case) -> Options:
    """Plain SGD."""
    return make_options("sgd", {"learning_rate": case.learning_rate})


class Forward:
    """`Predictor.predict`: outputs, without a trace."""

    def __init__(self, task: Task) -> None:
        self.predictor = Predictor(parameters(task))
        self.batches = cycle([batch.x for batch in task.batches])

    def run(self, count: int) -> None:
        predict, batches = self.predictor.predict, self.batches
        for _ in range(count):
            self.outputs = predict(next(batches))

    def result(self) -> Array:
        return self.outputs


class Backprop:
    """`Gradients.backprop`: the cost and the mean gradient, in an array of its own."""

    def __init__(self, task: Task) -> None:
        self.gradients = Gradients(parameters(task))
        self.batches = cycle([(batch.x, batch.y) for batch in task.batches])

    def run(self, count: int) -> None:
        backprop, batches = self.gradients.backprop, self.batches
        for _ in range(count):
            _, self.gradient = backprop(*next(batches))

    def result(self) -> Array:
        return self.gradient.vector


class Step:
    """`Trainer.step`."""

    def __init__(self, task: Task) -> None:
        self.trainer = Trainer(parameters(task), descent(task.case))
        self.batches = cycle([(batch.x, batch.y) for batch in task.batches])

    def run(self, count: int) -> None:
        step, batches = self.trainer.step, self.batches
        for _ in range(count):
            step(*next(batches))

    def result(self) -> Array:
        return np.array(self.trainer.parameters().vector)


class Epochs(Step):
    """`Trainer.epoch`: shuffled batches, gathered one by one."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.data, self.batch, self.epoch = task.batches[0], task.case.batch, 0

    def run(self, count: int) -> None:
        x, y = self.data.x, self.data.y
        for _ in range(count):
            self.trainer.epoch(x, y, self.batch, shuffled(len(x), self.batch, self.epoch).ravel())
            self.epoch += 1


OPERATIONS = {"forward": Forward, "backprop": Backprop, "step": Step, "epochs": Epochs}


def build(task: Task) -> Engine:
    return OPERATIONS[task.operation](task)
