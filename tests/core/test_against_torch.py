"""Core against PyTorch in float64: everything that a backward pass finds, and runs of every optimizer.

PyTorch is no dependency of this project, so these tests are skipped where it is not installed; pytest says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from typing import Any

import numpy as np
import pytest

from core import ACTIVATIONS, backprop, input_gradient, make_options, per_example_gradients, select, sgd_step
from tests.core.drawing import PAIRS, Case, case_of

pytestmark = pytest.mark.peers
torch = pytest.importorskip("torch", reason="PyTorch is no dependency; to run these: .venv/bin/pip install torch")
XP = select("numpy").xp
TOLERANCE = 1e-12

KINDS = ("dense", "hot", "labels")
DRAWN = [
    (last, cost, depth, kind)
    for index, (cost, last) in enumerate(PAIRS)
    for depth, kind in enumerate((KINDS[index % 3], *KINDS), start=1)
]
"""188 networks of 1 to 4 layers: every last layer with every cost, and every kind of targets."""


@pytest.fixture(autouse=True)
def float64_by_default() -> Iterator[None]:
    """PyTorch keeps NAdam's product of momenta in its default dtype, whatever the parameters have."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def activate(name: str, z: Any) -> Any:
    functional = torch.nn.functional
    functions: dict[str, Callable[[Any], Any]] = {
        "identity": lambda z: z * 1,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": functional.relu,
        "leaky_relu": functional.leaky_relu,
        "elu": functional.elu,
        "gelu": functional.gelu,
        "gelu_tanh": lambda z: functional.gelu(z, approximate="tanh"),
        "silu": functional.silu,
        "softplus": functional.softplus,
        "softmax": lambda z: torch.softmax(z, dim=1),
    }
    return functions[name](z)


def cost_of(name: str, last: str, y: Any, z: Any, a: Any) -> Any:
    """C, the mean over the batch of the contract's C_x."""
    functional = torch.nn.functional
    m, n = a.shape
    if name == "cross_entropy":
        return functional.cross_entropy(z, y, reduction="sum") / m
    if name == "binary_cross_entropy":
        if last == "sigmoid":
            return functional.binary_cross_entropy_with_logits(z, y, reduction="sum") / m
        return functional.binary_cross_entropy(a, y, reduction="sum") / m
    functions = {
        "quadratic": lambda: functional.mse_loss(a, y, reduction="sum") / 2,
        "mean_squared_error": lambda: functional.mse_loss(a, y, reduction="sum") / n,
        "mean_absolute_error": lambda: functional.l1_loss(a, y, reduction="sum") / n,
        "huber": lambda: functional.huber_loss(a, y, reduction="sum", delta=1.0) / n,
    }
    return functions[name]() / m


class Peer:
    """The same network in PyTorch."""

    def __init__(self, drawn: Case) -> None:
        self.architecture = drawn.architecture
        self.pairs = [
            tuple(torch.tensor(array, requires_grad=True) for array in (layer.weights, layer.biases))
            for layer in drawn.parameters.layers
        ]
        self.tensors = [tensor for pair in self.pairs for tensor in pair]

    def cost(self, x: Any, y: Any) -> tuple[Any, list[Any], list[Any]]:
        a, zs, activations = x, [], []
        for (w, b), layer in zip(self.pairs, self.architecture.layers, strict=True):
            z = a @ w.T + b
            z.retain_grad()
            a = activate(layer.activation, z)
            zs.append(z)
            activations.append(a)
        return cost_of(self.architecture.cost, layer.activation, y, z, a), zs, activations

    def flat(self, tensors: Any) -> np.ndarray:
        return torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).numpy()


def agree(ours: Any, theirs: Any, tolerance: float = TOLERANCE) -> None:
    theirs = theirs.detach().numpy() if isinstance(theirs, torch.Tensor) else np.asarray(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def labeled(drawn: Case, kind: str, seed: int) -> Case:
    """The case with labels, or with targets of zeros and ones; the drawn ones lie between and do not sum to 1."""
    rng = np.random.default_rng(seed)
    m, n = drawn.y.shape
    labels = rng.integers(0, n, m)
    return replace(drawn, y=labels if kind == "labels" else np.eye(n)[labels])


def drawn_network(index: int) -> Case:
    last, cost, depth, kind = DRAWN[index]
    rng = np.random.default_rng(index)
    sizes = (*(int(n) for n in rng.integers(1, 6, depth)), int(rng.integers(2, 5)))
    hidden = list(islice(cycle(ACTIVATIONS), index, index + depth - 1))
    drawn = case_of(sizes, [*hidden, last], cost, int(rng.integers(1, 6)), index)
    drawn = replace(drawn, parameters=replace(drawn.parameters, vector=1.5 * drawn.parameters.vector))
    given = "hot" if kind == "labels" and cost != "cross_entropy" else kind
    return drawn if kind == "dense" else labeled(drawn, given, index)


@pytest.mark.parametrize("index", range(len(DRAWN)), ids=["-".join(map(str, drawn)) for drawn in DRAWN])
def test_a_backward_pass_finds_what_autograd_finds(index: int) -> None:
    drawn = drawn_network(index)
    peer = Peer(drawn)
    x, y = torch.tensor(drawn.x, requires_grad=True), torch.tensor(drawn.y)
    m = x.shape[0]
    cost, zs, activations = peer.cost(x, y)
    cost.backward()

    found = backprop(XP, drawn.parameters, drawn.x, drawn.y)
    agree(np.asarray(found.cost), cost)
    for layer, delta, z, a in zip(found.trace.layers, found.errors, zs, activations, strict=True):
        agree(layer.z, z)
        agree(layer.a, a)
        agree(delta, z.grad * m)
    agree(found.gradient.vector, peer.flat(tensor.grad for tensor in peer.tensors))
    agree(input_gradient(XP, drawn.parameters, found), x.grad * m)

    each = per_example_gradients(XP, found)
    for row in range(m):
        alone, _, _ = peer.cost(x[row : row + 1], y[row : row + 1])
        slopes = torch.autograd.grad(alone, peer.tensors)
        for layer, (w, b) in zip(each, zip(slopes[::2], slopes[1::2], strict=True), strict=True):
            agree(layer.weights[row], w)
            agree(layer.biases[row], b)


CLASSES = {
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "nadam": "NAdam",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
}

RUNS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # kind, options, and the options that change half way
    ("sgd", {"learning_rate": 0.5}, {"learning_rate": 0.1}),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9}, {}),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}, {"momentum": 0.5}),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "dampening": 1.5}, {"dampening": 0.0, "nesterov": True}),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, {"nesterov": False}),
    ("sgd", {"learning_rate": 0.1}, {"momentum": 0.9, "dampening": 0.5}),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9}, {"momentum": 0.0}),
    ("sgd", {"learning_rate": 0.1, "clip_norm": 0.3}, {"clip_norm": 30.0}),
    ("sgd", {"learning_rate": 0.1, "clip_value": 0.05, "momentum": 0.9}, {"clip_norm": 0.2}),
    ("sgd", {"learning_rate": 0.1, "clip_norm": 0.0}, {"clip_norm": None, "clip_value": 0.0}),
    ("adam", {}, {}),
    ("adam", {"learning_rate": 0.05, "betas": (0.5, 0.6), "eps": 1e-3, "weight_decay": 0.1}, {"betas": (0.9, 0.99)}),
    ("adam", {"learning_rate": 0.05, "amsgrad": True, "betas": (0.2, 0.3)}, {"learning_rate": 0.01, "eps": 0.0}),
    ("adam", {"learning_rate": 0.05, "betas": (0.0, 0.0)}, {"clip_norm": 0.1}),
    ("adamw", {}, {}),
    ("adamw", {"learning_rate": 0.05, "weight_decay": 0.5, "amsgrad": True}, {"weight_decay": 0.0}),
    ("adamw", {"learning_rate": 0.05, "weight_decay": 0.0, "clip_value": 0.01}, {"weight_decay": 3.0}),
    ("nadam", {}, {}),
    ("nadam", {"learning_rate": 0.05, "momentum_decay": 0.5, "weight_decay": 0.1}, {"momentum_decay": 0.0}),
    ("nadam", {"learning_rate": 0.05, "betas": (0.3, 0.5), "eps": 0.1, "clip_norm": 0.2}, {"betas": (0.8, 0.9)}),
    ("rmsprop", {}, {}),
    ("rmsprop", {"learning_rate": 0.02, "alpha": 0.5, "momentum": 0.8, "centered": True, "eps": 1e-3}, {"alpha": 0.9}),
    ("rmsprop", {"learning_rate": 0.02, "momentum": 0.8, "weight_decay": 0.1}, {"momentum": 0.0}),
    ("adagrad", {}, {}),
    ("adagrad", {"learning_rate": 0.1, "lr_decay": 0.5, "weight_decay": 0.1}, {"lr_decay": 0.0}),
    ("adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.7, "eps": 0.1}, {"learning_rate": 1.0}),
    ("adadelta", {}, {}),
    ("adadelta", {"learning_rate": 0.5, "rho": 0.3, "eps": 1e-2, "weight_decay": 0.1}, {"rho": 1.0}),
]


def in_torch(peer: Peer, kind: str, options: dict[str, Any]) -> Any:
    kept = {name: value for name, value in options.items() if name not in {"clip_norm", "clip_value"}}
    if "learning_rate" in kept:
        kept["lr"] = kept.pop("learning_rate")
    return getattr(torch.optim, CLASSES[kind])(peer.tensors, **kept)


def change(optimizer: Any, options: dict[str, Any]) -> None:
    for name, value in options.items():
        optimizer.param_groups[0]["lr" if name == "learning_rate" else name] = value


def step_in_torch(peer: Peer, optimizer: Any, x: Any, y: Any, options: dict[str, Any]) -> tuple[float, float]:
    optimizer.zero_grad()
    cost, _, _ = peer.cost(x, y)
    cost.backward()
    norm = np.linalg.norm(peer.flat(tensor.grad for tensor in peer.tensors))
    if options.get("clip_norm") is not None:
        torch.nn.utils.clip_grad_norm_(peer.tensors, options["clip_norm"])
    if options.get("clip_value") is not None:
        torch.nn.utils.clip_grad_value_(peer.tensors, options["clip_value"])
    optimizer.step()
    return cost.item(), float(norm)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("run", RUNS, ids=[f"{kind}-{index}" for index, (kind, _, _) in enumerate(RUNS)])
def test_ten_steps_go_where_torch_goes(run: tuple[str, dict[str, Any], dict[str, Any]], seed: int) -> None:
    kind, options, changes = run
    drawn = case_of((3, 4, 4, 2), ["tanh", "gelu", "sigmoid"], "quadratic", 5, seed)
    peer = Peer(drawn)
    x, y = torch.tensor(drawn.x), torch.tensor(drawn.y)
    optimizer = in_torch(peer, kind, options)
    parameters, state = drawn.parameters, None
    for turn in range(10):
        if turn == 5:
            options = {**options, **changes}
            change(optimizer, changes)
        ours = sgd_step(XP, parameters, state, drawn.x, drawn.y, make_options(kind, options))
        cost, norm = step_in_torch(peer, optimizer, x, y, options)
        parameters, state = ours.parameters, ours.state
        agree(np.asarray([ours.cost, ours.gradient_norm]), [cost, norm])
        agree(parameters.vector, peer.flat(peer.tensors))


def test_another_kind_starts_from_nothing() -> None:
    drawn = case_of((3, 4, 2), ["tanh", "sigmoid"], "quadratic", 4, 3)
    peer = Peer(drawn)
    x, y = torch.tensor(drawn.x), torch.tensor(drawn.y)
    parameters, state = drawn.parameters, None
    for kind in ("sgd", "adam", "rmsprop", "sgd", "nadam", "adagrad", "adadelta", "adamw", "adam"):
        options = {"momentum": 0.9, "learning_rate": 0.1} if kind == "sgd" else {"learning_rate": 0.02}
        optimizer = in_torch(peer, kind, options)
        for _ in range(3):
            step_in_torch(peer, optimizer, x, y, options)
            ours = sgd_step(XP, parameters, state, drawn.x, drawn.y, make_options(kind, options))
            parameters, state = ours.parameters, ours.state
            agree(parameters.vector, peer.flat(peer.tensors))
