"""PyTorch as its documentation teaches it, with its best settings: gradients set to None, nothing copied off the device.

Variants of a step are the implementations of `torch.optim.SGD`: the default (a loop on the CPU), `foreach` and `fused`.
Targets of a cross entropy are class labels, which is PyTorch's shorter way.
"""

from __future__ import annotations

from itertools import cycle

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.core.cases import Array, Case, split
from benchmarks.core.engines import Engine, Task, shuffled

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
OPTIMIZERS = {
    "": {},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
    "module": {"fused": True},  # of torch.compile
    "whole": {},
}


def network(task: Task, device: str) -> nn.Sequential:
    """Linear layers and activations; a last softmax is left to the cost (and to `Forward`)."""
    modules: list[nn.Module] = []
    for name, (w, b) in zip(task.case.activations, split(task.case, task.vector), strict=True):
        linear = nn.Linear(w.shape[1], w.shape[0], dtype=getattr(torch, task.dtype))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w))
            linear.bias.copy_(torch.from_numpy(b))
        modules += [linear] if name == "softmax" else [linear, ACTIVATIONS[name]()]
    return nn.Sequential(*modules).to(device)


def cost(case: Case, outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean cost of the batch."""
    if case.cost == "cross_entropy":
        return nn.functional.cross_entropy(outputs, targets)
    return nn.functional.mse_loss(outputs, targets, reduction="sum") * (0.5 / len(targets))


def joined(tensors: list[Tensor]) -> Array:
    """Parameters or gradients, in the order of their modules, as one vector."""
    return np.concatenate([tensor.detach().cpu().numpy().ravel() for tensor in tensors])


class Torch:
    """Holds the module, its optimizer and the batches as tensors."""

    def __init__(self, task: Task) -> None:
        torch.set_num_threads(task.threads)
        self.case, self.device = task.case, task.options.get("device", "cpu")
        self.network = network(task, self.device)
        self.parameters = list(self.network.parameters())
        self.optimizer = torch.optim.SGD(self.parameters, lr=self.case.learning_rate, **OPTIMIZERS[task.variant])
        self.batches = cycle([self.tensors(batch.x, batch.y, batch.labels) for batch in task.batches])
        self.is_softmax = self.case.activations[-1] == "softmax"

    def tensors(self, x: Array, y: Array, labels: Array) -> tuple[Tensor, Tensor]:
        targets = labels if self.case.cost == "cross_entropy" else y
        return torch.from_numpy(x).to(self.device), torch.from_numpy(targets).to(self.device)

    def finish(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def step(self, x: Tensor, targets: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        cost(self.case, self.network(x), targets).backward()
        self.optimizer.step()

    def run(self, count: int) -> None:
        step, batches = self.step, self.batches
        for _ in range(count):
            step(*next(batches))
        self.finish()

    def result(self) -> Array:
        return joined(self.parameters)


class Forward(Torch):
    """Under `inference_mode`."""

    @torch.inference_mode()
    def run(self, count: int) -> None:
        network, batches, is_softmax = self.network, self.batches, self.is_softmax
        for _ in range(count):
            outputs = network(next(batches)[0])
            self.outputs = torch.softmax(outputs, 1) if is_softmax else outputs
        self.finish()

    def result(self) -> Array:
        return self.outputs.cpu().numpy()


class Backprop(Torch):
    """`torch.autograd.grad`, which need not write to `.grad`."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.step = self.grad

    def grad(self, x: Tensor, targets: Tensor) -> None:
        self.gradient = torch.autograd.grad(cost(self.case, self.network(x), targets), self.parameters)

    def result(self) -> Array:
        return joined(list(self.gradient))


class Epochs(Torch):
    """Shuffled batches, gathered one by one: no slower here than one big gather before."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.x, self.targets = next(self.batches)
        self.epoch = 0

    def run(self, count: int) -> None:
        x, targets, step = self.x, self.targets, self.step
        for _ in range(count):
            order = torch.from_numpy(shuffled(len(x), self.case.batch, self.epoch)).to(self.device)
            for rows in order.unbind():
                step(x.index_select(0, rows), targets.index_select(0, rows))
            self.epoch += 1
        self.finish()


OPERATIONS = {"forward": Forward, "backprop": Backprop, "step": Torch, "epochs": Epochs}


def build(task: Task) -> Engine:
    return OPERATIONS[task.operation](task)
