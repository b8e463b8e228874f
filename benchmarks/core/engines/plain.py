"""Gradwire's readable path, the one that the fast path is held to: feedforward, backprop and sgd_step as functions."""

from __future__ import annotations

from itertools import cycle

import numpy as np

from benchmarks.core.cases import Array
from benchmarks.core.engines import Engine, Task
from benchmarks.core.engines.gradwire import descent, parameters
from core import backprop, predict, sgd_step


class Plain:
    """One of the three, called on each batch in turn."""

    def __init__(self, task: Task) -> None:
        self.operation, self.parameters, self.state = task.operation, parameters(task), None
        self.options = descent(task.case)
        self.batches = cycle([(batch.x, batch.y) for batch in task.batches])
        self.found = np.empty(0)

    def run(self, count: int) -> None:
        act = {"forward": self.forward, "backprop": self.backprop, "step": self.step}[self.operation]
        for _ in range(count):
            act(*next(self.batches))

    def forward(self, x: Array, _y: Array) -> None:
        self.found = predict(np, self.parameters, x)

    def backprop(self, x: Array, y: Array) -> None:
        self.found = backprop(np, self.parameters, x, y).gradient.vector

    def step(self, x: Array, y: Array) -> None:
        step = sgd_step(np, self.parameters, self.state, x, y, self.options)
        self.parameters, self.state = step.parameters, step.state
        self.found = self.parameters.vector

    def result(self) -> Array:
        return np.array(self.found)


def build(task: Task) -> Engine:
    return Plain(task)
