"""Runs to hold the fast path to the plain one: networks, options and batches drawn together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from core import ACTIVATIONS, Architecture, Layer, OptimizerState, Options, Parameters, make_options, sgd_step
from tests.core.drawing import FLOAT_NAMES, PAIRS, targets

XP: Any = np
SOMETIMES = st.sampled_from([None, None, 0.05, 0.5])
ANY_KIND = {
    "learning_rate": st.sampled_from([0.003, 0.03]),  # larger ones diverge, and rounding with them
    "weight_decay": st.sampled_from([0.0, 0.0, 0.1]),
    "decay_biases": st.booleans(),
    "clip_norm": SOMETIMES,
    "clip_value": SOMETIMES,
}
BETAS = st.sampled_from([(0.9, 0.999), (0.5, 0.0)])
EPS = st.just(1e-2)
"""So large that a gradient which is zero up to rounding is not magnified into a step of its own."""
MOMENTUM = st.sampled_from([0.0, 0.5, 0.9])
KINDS: dict[str, list[dict[str, Any]]] = {
    "sgd": [
        {"momentum": MOMENTUM, "dampening": st.sampled_from([0.0, 0.3])},
        {"momentum": st.just(0.9), "nesterov": st.just(True)},
    ],
    "adam": [{"betas": BETAS, "eps": EPS, "amsgrad": st.booleans()}],
    "adamw": [{"betas": BETAS, "eps": EPS, "amsgrad": st.booleans()}],
    "nadam": [{"betas": BETAS, "eps": EPS, "momentum_decay": st.sampled_from([4e-3, 0.1])}],
    "rmsprop": [{"alpha": st.just(0.9), "eps": EPS, "momentum": MOMENTUM, "centered": st.booleans()}],
    "adagrad": [{"lr_decay": st.sampled_from([0.0, 0.1]), "eps": EPS}],
    "adadelta": [{"rho": st.just(0.9), "eps": EPS}],
}


@st.composite
def options(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(KINDS)) -> Options:
    """Any optimizer with any options; every second one is plain descent or momentum, which have paths of their own."""
    own = draw(st.sampled_from(kinds))
    if draw(st.booleans()) and "sgd" in kinds:
        values = {name: draw(ANY_KIND[name]) for name in ("learning_rate", "weight_decay", "decay_biases")}
        return make_options(
            "sgd", values | {"momentum": draw(MOMENTUM), "dampening": draw(st.sampled_from([0.0, 0.3]))}
        )
    fields = ANY_KIND | draw(st.sampled_from(KINDS[own]))
    return make_options(own, {name: draw(values) for name, values in fields.items()})


@dataclass(frozen=True)
class Run:
    """A start, and the batches that follow."""

    start: Parameters
    options: Options
    batches: list[tuple[Any, Any]]

    @property
    def tolerance(self) -> float:
        """Relative to the scale of the numbers: a few ulps in float32."""
        return 1e-12 if self.start.architecture.dtype == "float64" else 64 * float(np.finfo(np.float32).eps)


@st.composite
def architectures(draw: st.DrawFn, names: tuple[str, ...] = tuple(ACTIVATIONS)) -> Architecture:
    """Any cost on any last layer, behind any activations; half of them have one activation throughout."""
    cost, last = draw(st.sampled_from([pair for pair in PAIRS if pair[1] in names]))
    depth = draw(st.integers(1, 4))
    sizes = draw(st.lists(st.integers(1, 7), min_size=depth + 1, max_size=depth + 1))
    if last == "softmax":
        sizes[-1] = max(2, sizes[-1])
    same = draw(st.booleans())
    hidden = [last if same else draw(st.sampled_from(names)) for _ in range(depth - 1)]
    layers = tuple(Layer(units, name) for units, name in zip(sizes[1:], [*hidden, last], strict=True))
    return Architecture(sizes[0], layers, cost, draw(st.sampled_from(FLOAT_NAMES)))


def parameters_of(architecture: Architecture, rng: np.random.Generator) -> Parameters:
    """Numbers that saturate nothing."""
    pieces = [
        (rng.standard_normal((rows, columns)) / np.sqrt(columns), 0.5 * rng.standard_normal(rows))
        for columns, rows in pairwise(architecture.sizes)
    ]
    return Parameters.from_layers(XP, architecture, pieces)


def batch_of(architecture: Architecture, size: int, rng: np.random.Generator, kind: str = "dense") -> tuple[Any, Any]:
    """x, and y as numbers or (`labels`) as classes."""
    x = rng.standard_normal((size, architecture.inputs)).astype(architecture.dtype)
    outputs = architecture.sizes[-1]
    if kind == "labels":
        return x, rng.integers(0, outputs, size)
    return x, targets(rng, architecture.cost, (size, outputs)).astype(architecture.dtype)


@st.composite
def runs(draw: st.DrawFn, names: tuple[str, ...] = tuple(ACTIVATIONS)) -> Run:
    """A network, an optimizer, and a few batches whose sizes come back."""
    architecture, rng = draw(architectures(names)), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = architecture.cost == "cross_entropy" and draw(st.booleans())
    sizes = draw(st.lists(st.sampled_from([1, 2, 3, 5, 8, 40]), min_size=2, max_size=5))
    batches = [batch_of(architecture, size, rng, "labels" if labels else "dense") for size in sizes]
    return Run(parameters_of(architecture, rng), draw(options()), batches)


@dataclass(frozen=True)
class Place:
    """Where a run has arrived."""

    parameters: Parameters
    state: OptimizerState | None = None
    costs: tuple[float, ...] = ()


def plainly(place: Place, run: Run, batches: list[tuple[Any, Any]]) -> Place:
    """Go on with `sgd_step`."""
    for x, y in batches:
        step = sgd_step(XP, place.parameters, place.state, x, y, run.options)
        place = Place(step.parameters, step.state, (*place.costs, step.cost))
    return place


def fast(place: Place, run: Run, batches: list[tuple[Any, Any]], trainer: Any) -> Place:
    """Go on with a trainer, made by `trainer(parameters, options, state)`."""
    going, costs = trainer(place.parameters, run.options, place.state), place.costs
    for x, y in batches:
        going.step(x, y)
        costs = (*costs, going.cost())
    return Place(going.parameters(), going.state(), costs)


def agree(found: Place, wanted: Place, tolerance: float) -> None:
    """The same numbers, up to the tolerance times the scale of each array."""
    close(found.parameters.vector, wanted.parameters.vector, tolerance)
    close(np.array(found.costs), np.array(wanted.costs), tolerance)
    assert found.state is not None
    assert wanted.state is not None
    assert found.state.kind == wanted.state.kind
    assert set(found.state.arrays) == set(wanted.state.arrays)
    for name, array in wanted.state.arrays.items():
        assert found.state.arrays[name].dtype == array.dtype
        close(found.state.arrays[name], array, tolerance)


def close(found: Any, wanted: Any, tolerance: float) -> None:
    assert found.shape == wanted.shape
    scale = max(1.0, float(np.max(np.abs(wanted), initial=0)))
    assert np.max(np.abs(found - wanted), initial=0) <= tolerance * scale
