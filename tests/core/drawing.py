"""Networks and batches to test with: by hypothesis where the shape matters, by a seed where only the numbers do."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from core import ACTIVATIONS, COSTS, Architecture, Layer, Parameters
from core.costs import LAST_LAYERS

FLOAT_NAMES = ("float32", "float64")
PAIRS = [(cost, last) for cost in COSTS for last in LAST_LAYERS.get(cost, ACTIVATIONS)]
"""Every cost with every last layer that it allows."""
TRIPLES = [
    (hidden, last, cost) for cost, last in PAIRS for hidden in ACTIVATIONS if cost in LAST_LAYERS or hidden == last
]
"""Every activation with every cost: below a last layer that the cost demands, else in all layers."""


def draws(count: int) -> settings:
    """As many examples, the same in every run, however slow the machine."""
    return settings(
        max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
    )


@dataclass(frozen=True)
class Case:
    """A network with a batch."""

    parameters: Parameters
    x: Any
    y: Any

    @property
    def architecture(self) -> Architecture:
        return self.parameters.architecture


def targets(rng: np.random.Generator, cost: str, shape: tuple[int, int]) -> Any:
    """Targets that the cost is made for: in (0, 1) for a cross entropy, and not a distribution even then."""
    return rng.uniform(0.05, 0.95, shape) if cost in LAST_LAYERS else rng.standard_normal(shape)


def case_of(
    sizes: tuple[int, ...], activations: list[str], cost: str, examples: int, seed: int, dtype: Any = "float64"
) -> Case:
    """A case with these sizes and activations, and numbers from the seed that saturate nothing."""
    rng = np.random.default_rng(seed)
    layers = tuple(Layer(units, name) for units, name in zip(sizes[1:], activations, strict=True))
    architecture = Architecture(sizes[0], layers, cost, dtype)
    pieces = [
        (rng.standard_normal((rows, columns)) / np.sqrt(columns), 0.5 * rng.standard_normal(rows))
        for columns, rows in pairwise(sizes)
    ]
    parameters = Parameters.from_layers(np, architecture, pieces)
    x = rng.standard_normal((examples, sizes[0]))
    y = targets(rng, cost, (examples, sizes[-1]))
    return Case(parameters, x.astype(dtype), y.astype(dtype))


@st.composite
def cases(draw: st.DrawFn, cost: str, last: str, hidden: str | None = None) -> Case:
    """A network of 2 to 5 layers; some are square throughout, where a lost transpose would still fit."""
    depth = draw(st.integers(1, 4))
    if draw(st.booleans()):
        sizes = (draw(st.integers(2, 4)),) * (depth + 1)
    else:
        sizes = tuple(draw(st.lists(st.integers(1, 5), min_size=depth + 1, max_size=depth + 1)))
    if cost == "binary_cross_entropy" and last == "softmax" and sizes[-1] == 1:
        sizes = (*sizes[:-1], 2)  # the one output of a softmax is 1, whose complement has no logarithm
    names = [hidden or draw(st.sampled_from(sorted(ACTIVATIONS))) for _ in range(depth - 1)]
    return case_of(sizes, [*names, last], cost, draw(st.integers(1, 5)), draw(st.integers(0, 2**32 - 1)))
