"""Gradwire on CuPy: a step by `CudaTrainer`, forward and backprop by the readable path, which is what core has for them there."""

from __future__ import annotations

from itertools import cycle
from time import perf_counter

from benchmarks.core.cases import Array
from benchmarks.core.engines import Engine, Task
from benchmarks.core.engines.gradwire import architecture, descent
from core import Parameters, backprop, predict, select, trainer

PROBE = 20
"""Steps in one look at the launches: few enough that the queue of the device never fills and holds the host back."""
LAUNCH_BOUND = 0.8
"""Part of the time that the host takes to launch, from which on the device waits for the host."""


class OnDevice:
    """The batches are on the device from the start."""

    def __init__(self, task: Task) -> None:
        self.backend = select("cupy")
        self.xp = self.backend.xp
        self.start = Parameters(architecture(task.case, task.dtype), self.xp.asarray(task.vector))
        self.given = [(self.xp.asarray(batch.x), self.xp.asarray(batch.y)) for batch in task.batches]
        self.batches = cycle(self.given)

    def finish(self) -> None:
        self.xp.cuda.get_current_stream().synchronize()

    def run(self, count: int) -> None:
        act, batches = self.act, self.batches
        for _ in range(count):
            act(*next(batches))
        self.finish()

    def result(self) -> Array:
        return self.xp.asnumpy(self.found)


class Forward(OnDevice):
    note = "the readable path"

    def act(self, x: Array, _y: Array) -> None:
        self.found = predict(self.xp, self.start, x)


class Backprop(OnDevice):
    note = "the readable path"

    def act(self, x: Array, y: Array) -> None:
        self.found = backprop(self.xp, self.start, x, y).gradient.vector


class Step(OnDevice):
    """`CudaTrainer`, through the public factory."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.options = descent(task.case)
        self.note = self._launches()
        self.trainer = trainer(self.backend, self.start, self.options)
        self.act = self.trainer.step

    def result(self) -> Array:
        return self.xp.asnumpy(self.trainer.parameters().vector)

    def _launches(self) -> str:
        """How much of a step the host is busy launching: near 1, the device waits for it, and a graph would help."""
        probe, batch = trainer(self.backend, self.start, self.options), self.given[0]
        shares = []
        for _ in range(5):
            self.finish()
            began = perf_counter()
            for _ in range(PROBE):
                probe.step(*batch)
            launched = perf_counter()
            self.finish()
            shares.append((launched - began) / (perf_counter() - began))
        share = sorted(shares)[len(shares) // 2]
        verdict = "launch-bound" if share >= LAUNCH_BOUND else "bound by the device"
        return f"{verdict}: the host launches for {share:.0%} of a step"


OPERATIONS = {"forward": Forward, "backprop": Backprop, "step": Step}


def build(task: Task) -> Engine:
    return OPERATIONS[task.operation](task)
