"""PyTorch with one operation captured as a CUDA graph: every batch is copied into the captured tensors, then replayed.

Source: PyTorch's notes, "CUDA semantics: CUDA graphs" (warm-up on a stream of its own, then capture). What the warm-up did to the
weights is undone before anything is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import torch

from benchmarks.core.cases import Array
from benchmarks.core.engines import Engine, Task, Unavailable
from benchmarks.core.engines import torch_eager as eager

WARM_UP = 3


class Graph:
    """One captured operation."""

    def __init__(self, task: Task) -> None:
        self.engine = eager.Torch(task)
        given = [self.engine.tensors(batch.x, batch.y, batch.labels) for batch in task.batches]
        self.x, self.targets = (tensor.clone() for tensor in given[0])
        start = [tensor.detach().clone() for tensor in self.engine.parameters]
        act: Callable[[], None] = getattr(self, task.operation)
        apart = torch.cuda.Stream()
        apart.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(apart):
            for _ in range(WARM_UP):
                act()
        torch.cuda.current_stream().wait_stream(apart)
        self.graph = torch.cuda.CUDAGraph()
        self.engine.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            act()
        with torch.no_grad():
            for tensor, value in zip(self.engine.parameters, start, strict=True):
                tensor.copy_(value)
        self.batches, self.operation = cycle(given), task.operation

    def step(self) -> None:
        self.engine.step(self.x, self.targets)

    def backprop(self) -> None:
        cost = eager.cost(self.engine.case, self.engine.network(self.x), self.targets)
        self.gradient = torch.autograd.grad(cost, self.engine.parameters)

    def forward(self) -> None:
        with torch.no_grad():
            outputs = self.engine.network(self.x)
            self.outputs = torch.softmax(outputs, 1) if self.engine.is_softmax else outputs

    def run(self, count: int) -> None:
        x, targets, batches, replay = self.x, self.targets, self.batches, self.graph.replay
        for _ in range(count):
            next_x, next_targets = next(batches)
            x.copy_(next_x)
            targets.copy_(next_targets)
            replay()
        self.engine.finish()

    def result(self) -> Array:
        if self.operation == "forward":
            return self.outputs.cpu().numpy()
        return eager.joined(list(self.gradient)) if self.operation == "backprop" else self.engine.result()


def build(task: Task) -> Engine:
    if not torch.cuda.is_available():
        raise Unavailable("a CUDA graph needs a CUDA device")
    torch.set_float32_matmul_precision("highest")
    return Graph(task)
