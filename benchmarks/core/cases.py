"""The cases that are measured, and their numbers: the same weights and batches for every engine, from a fixed seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Layers = list[tuple[Array, Array]]

BATCHES = 4
"""Different batches that every engine goes through in turn, so that nobody can keep one in the nearest cache."""


@dataclass(frozen=True)
class Case:
    """A network, its cost and its batch; `quadratic` is 1/2 ||y-a||^2, costs are means over the batch."""

    name: str
    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    cost: str
    batch: int
    learning_rate: float
    check_steps: int = 20

    @property
    def title(self) -> str:
        """In words, for tables."""
        widths = (
            "-".join(map(str, self.sizes))
            if len(self.sizes) < 6
            else f"{len(self.sizes) - 1} layers of {self.sizes[0]}"
        )
        cost = {"quadratic": "quadratic", "cross_entropy": "softmax + cross entropy"}[self.cost]
        return f"{widths}, {self.activations[0]}, {cost}, batch {self.batch}"

    @property
    def products(self) -> list[tuple[int, int]]:
        """(n_in, n_out) of each layer with weights."""
        return list(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    def operations(self, what: str) -> int:
        """Floating-point operations of the products in one `forward`, `backprop` or `step`."""
        once = [2 * self.batch * n_in * n_out for n_in, n_out in self.products]
        return sum(once) if what == "forward" else 3 * sum(once) - once[0]


def _relu_softmax(hidden: int) -> tuple[str, ...]:
    return (*["relu"] * hidden, "softmax")


CASES = {
    case.name: case
    for case in (
        Case("a", (784, 30, 10), ("sigmoid",) * 2, "quadratic", 10, 3.0),
        Case("b", (784, 128, 64, 10), _relu_softmax(2), "cross_entropy", 64, 0.02),
        Case("c", (784, 512, 512, 10), _relu_softmax(2), "cross_entropy", 128, 0.02),
        Case("d", (1024,) * 5, ("tanh",) * 4, "quadratic", 256, 0.01),
        # Its steps take seconds in float64; a wrong engine is found out after the first one.
        Case("e", (4096,) * 3, _relu_softmax(1), "cross_entropy", 512, 0.1, check_steps=3),
        Case("f", (64,) * 34, ("tanh",) * 33, "quadratic", 32, 0.01),
    )
}


@dataclass(frozen=True)
class Batch:
    """x (m, n_1), y (m, n_L) one-hot, and the same targets as class labels (m,)."""

    x: Array
    y: Array
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Problem:
    """A case with its numbers: the initial parameters (one vector: w^2 row by row, b^2, w^3, ...) and the batches."""

    case: Case
    vector: Array
    batches: list[Batch]


def split(case: Case, vector: Array) -> Layers:
    """The (weights, biases) of every layer, as views of the vector."""
    layers, offset = [], 0
    for n_in, n_out in case.products:
        weights = vector[offset : offset + n_in * n_out].reshape(n_out, n_in)
        offset += n_in * n_out
        layers.append((weights, vector[offset : offset + n_out]))
        offset += n_out
    return layers


def join(layers: Iterator[tuple[Array, Array]] | Layers) -> Array:
    """One new vector out of (weights, biases), the inverse of `split`."""
    return np.concatenate([np.asarray(part).ravel() for layer in layers for part in layer])


def draw_parameters(case: Case, dtype: str, seed: int = 1) -> Array:
    """Weights that keep the scale of the signal (He's for ReLU, 1/n_in otherwise), biases N(0, 1/100)."""
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in case.products:
        gain = 2.0 if case.activations[0] == "relu" else 1.0
        layers.append((rng.standard_normal((n_out, n_in)) * np.sqrt(gain / n_in), rng.standard_normal(n_out) * 0.1))
    return join(layers).astype(dtype)


def draw_batch(case: Case, dtype: str, seed: int) -> Batch:
    """Inputs N(0, 1) and random classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, case.sizes[-1], case.batch)
    x = rng.standard_normal((case.batch, case.sizes[0])).astype(dtype)
    return Batch(x, one_hot(labels, case.sizes[-1], dtype), labels)


def one_hot(labels: npt.NDArray[np.int64], classes: int, dtype: str) -> Array:
    """(m,) labels as (m, classes) zeros and ones."""
    y = np.zeros((labels.size, classes), dtype)
    y[np.arange(labels.size), labels] = 1
    return y


def draw(case: Case, dtype: str) -> Problem:
    """The problem that every engine gets."""
    return Problem(case, draw_parameters(case, dtype), [draw_batch(case, dtype, 100 + k) for k in range(BATCHES)])
