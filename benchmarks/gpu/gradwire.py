"""Gradwire on CuPy, by the readable path. The seam to core: a compiled plan for the device goes in here."""

from __future__ import annotations

from itertools import cycle

from benchmarks.core.cases import Array
from benchmarks.core.engines import Engine, Task
from benchmarks.core.engines.gradwire import architecture, descent
from core import Parameters, backprop, predict, select, sgd_step


class OnDevice:
    """The readable path with CuPy as its array module; the batches are on the device from the start."""

    note = "the readable path on CuPy"

    def __init__(self, task: Task) -> None:
        self.backend = select("cupy")
        self.xp = self.backend.xp
        start = architecture(task.case, task.dtype)
        self.parameters = Parameters(start, self.xp.asarray(task.vector))
        self.options, self.state, self.operation = descent(task.case), None, task.operation
        self.batches = cycle([(self.xp.asarray(batch.x), self.xp.asarray(batch.y)) for batch in task.batches])

    def run(self, count: int) -> None:
        act = {"forward": self.forward, "backprop": self.backprop, "step": self.step}[self.operation]
        for _ in range(count):
            self.found = act(*next(self.batches))
        self.xp.cuda.get_current_stream().synchronize()

    def forward(self, x: Array, _y: Array) -> Array:
        return predict(self.xp, self.parameters, x)

    def backprop(self, x: Array, y: Array) -> Array:
        return backprop(self.xp, self.parameters, x, y).gradient.vector

    def step(self, x: Array, y: Array) -> Array:
        moved = sgd_step(self.xp, self.parameters, self.state, x, y, self.options)
        self.parameters, self.state = moved.parameters, moved.state
        return moved.parameters.vector

    def result(self) -> Array:
        return self.xp.asnumpy(self.found)


def build(task: Task) -> Engine:
    return OnDevice(task)
