"""torch.compile in its two good shapes: the module and its cost compiled as users do it, or the whole step as one graph.

Variants: `module` compiles forward and cost, with PyTorch's own backward pass and a fused optimizer; `whole` compiles gradient and
update together, through torch.func, writing into the parameters.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad

from benchmarks.core.cases import Array
from benchmarks.core.engines import Engine, Task
from benchmarks.core.engines import torch_eager as eager


class Forward(eager.Forward):
    """The module, with its softmax, as one graph."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        if self.is_softmax:
            self.network.append(torch.nn.Softmax(1))
            self.is_softmax = False
        self.network.compile(dynamic=False)


class Step(eager.Torch):
    """Both variants of a step."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        if task.variant == "whole":
            self.step = whole_step(self)
            return
        self.compiled = torch.compile(lambda x, y: eager.cost(self.case, self.network(x), y), dynamic=False)
        self.step = self.module_step

    def module_step(self, x: Tensor, targets: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.compiled(x, targets).backward()
        self.optimizer.step()


class Backprop(Step):
    """Both variants of the gradient."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        gradient = whole_gradient(self) if task.variant == "whole" else self.module_gradient
        self.step = lambda x, targets: setattr(self, "gradient", gradient(x, targets))

    def module_gradient(self, x: Tensor, targets: Tensor) -> Any:
        return torch.autograd.grad(self.compiled(x, targets), self.parameters)

    def result(self) -> Array:
        gradient = self.gradient
        return eager.joined(list(gradient.values()) if isinstance(gradient, dict) else list(gradient))


def _gradient(engine: eager.Torch) -> Any:
    def mean_cost(parameters: dict[str, Tensor], x: Tensor, targets: Tensor) -> Tensor:
        return eager.cost(engine.case, functional_call(engine.network, parameters, (x,)), targets)

    return grad(mean_cost)


def whole_gradient(engine: eager.Torch) -> Any:
    """The gradient as one graph, without autograd's recording around it."""
    parameters = {name: value.detach() for name, value in engine.network.named_parameters()}
    gradient = _gradient(engine)
    compiled = torch.compile(lambda x, targets: gradient(parameters, x, targets), dynamic=False)
    return torch.no_grad()(compiled)


def whole_step(engine: eager.Torch) -> Any:
    """Gradient and update as one graph that writes into the parameters."""
    parameters = {name: value.detach() for name, value in engine.network.named_parameters()}
    gradient, rate = _gradient(engine), engine.case.learning_rate

    def step(x: Tensor, targets: Tensor) -> None:
        moves = gradient(parameters, x, targets)
        for name, value in parameters.items():
            value.sub_(moves[name], alpha=rate)

    return torch.no_grad()(torch.compile(step, dynamic=False))


OPERATIONS = {"forward": Forward, "backprop": Backprop, "step": Step}


def build(task: Task) -> Engine:
    torch.set_float32_matmul_precision("highest")
    return OPERATIONS[task.operation](task)
