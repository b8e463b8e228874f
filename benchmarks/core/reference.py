"""What every engine must arrive at: gradient descent in float64, written out once more and independently of all of them."""

from __future__ import annotations

import numpy as np

from benchmarks.core.cases import Array, Batch, Case, Layers, join, split

__all__ = ["Disagreement", "disagreement", "expected", "forward", "gradient", "step"]

TOLERANCE = {"float32": 5e-3, "float64": 1e-9}
"""Of the change of the weights (or of the gradient, or of the outputs), per array, in the 1-norm.

In float32 a ReLU within an ulp of its kink may fall on either side. That moves one neuron's gradient by a part of itself: little of
a 1-norm, while a wrong rate or factor moves all of it. What float32 would hide, float64 shows.
"""


class Disagreement(Exception):
    """An engine that computed something else, and so must not be timed."""


def _activate(name: str, z: Array) -> Array:
    if name == "softmax":
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
    return {"sigmoid": lambda: 1 / (1 + np.exp(-z)), "tanh": lambda: np.tanh(z), "relu": lambda: np.maximum(z, 0)}[
        name
    ]()


def _slope(name: str, a: Array) -> Array:
    return {"sigmoid": lambda: a * (1 - a), "tanh": lambda: 1 - a**2, "relu": lambda: (a > 0).astype(a.dtype)}[name]()


def forward(case: Case, layers: Layers, x: Array) -> list[Array]:
    """Activations of all layers, a^1 = x included."""
    activations = [x]
    for name, (w, b) in zip(case.activations, layers, strict=True):
        activations.append(_activate(name, activations[-1] @ w.T + b))
    return activations


def gradient(case: Case, layers: Layers, batch: Batch) -> Layers:
    """The mean gradient, layer by layer."""
    activations = forward(case, layers, batch.x.astype(np.float64))
    delta = activations[-1] - batch.y
    if case.cost == "quadratic":
        delta = delta * _slope(case.activations[-1], activations[-1])
    found = []
    for index in reversed(range(len(layers))):
        found.append((delta.T @ activations[index] / len(batch.x), delta.mean(axis=0)))
        if index:
            delta = (delta @ layers[index][0]) * _slope(case.activations[index - 1], activations[index])
    return found[::-1]


def step(case: Case, layers: Layers, batch: Batch) -> Layers:
    """w - eta dC/dw, b - eta dC/db."""
    eta = case.learning_rate
    moves = gradient(case, layers, batch)
    return [(w - eta * gw, b - eta * gb) for (w, b), (gw, gb) in zip(layers, moves, strict=True)]


def expected(case: Case, what: str, vector: Array, batches: list[Batch]) -> Array:
    """What an engine's result is after `what` was done once with each of `batches`, in their order."""
    layers = split(case, vector.astype(np.float64))
    if what == "forward":
        return forward(case, layers, batches[-1].x.astype(np.float64))[-1]
    if what == "backprop":
        return join(gradient(case, layers, batches[-1]))
    for batch in batches:
        layers = step(case, layers, batch)
    return join(layers)


def disagreement(case: Case, what: str, start: Array, found: Array, wanted: Array) -> float:
    """The largest relative error of any array: of its change for steps, of itself for gradients and outputs."""
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return float("inf")
    if what == "forward":
        return _relative(found, wanted)
    origin = start.astype(np.float64) if what in {"step", "epochs"} else np.zeros_like(wanted)
    pairs = zip(split(case, found - origin), split(case, wanted - origin), strict=True)
    return max(
        _relative(f, w) for found_layer, wanted_layer in pairs for f, w in zip(found_layer, wanted_layer, strict=True)
    )


def _relative(found: Array, wanted: Array) -> float:
    return float(np.abs(found - wanted).sum() / np.abs(wanted).sum())
