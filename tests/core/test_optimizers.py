"""Every optimizer: ten steps as one parameter at a time makes them, decay and clipping by hand, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from core import OPTIMIZERS, Architecture, InvalidOptions, Layer, OptimizerState, make_options
from core.optimizers import update
from tests.core.scalar_optimizers import DEFAULTS, STEPS, Memory

RUNS: list[tuple[str, dict[str, Any]]] = [
    *((kind, {}) for kind in OPTIMIZERS),
    *((kind, {"learning_rate": 0.3, "weight_decay": 0.2}) for kind in OPTIMIZERS),
    ("sgd", {"momentum": 0.9, "learning_rate": 0.1}),
    ("sgd", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1, "learning_rate": 0.2}),
    ("sgd", {"momentum": 0.5, "nesterov": True, "weight_decay": 0.1, "learning_rate": 0.2}),
    ("sgd", {"momentum": 1.5, "dampening": -0.5, "learning_rate": 0.01}),
    ("adam", {"betas": (0.5, 0.9), "eps": 0.1, "amsgrad": True, "learning_rate": 0.2}),
    ("adam", {"betas": (0.0, 0.0), "weight_decay": 0.3}),
    ("adamw", {"betas": (0.2, 0.3), "weight_decay": 0.5, "amsgrad": True, "learning_rate": 0.2}),
    ("adamw", {"weight_decay": 0.0}),
    ("nadam", {"betas": (0.7, 0.8), "momentum_decay": 0.3, "eps": 0.01, "weight_decay": 0.1}),
    ("rmsprop", {"alpha": 0.5, "momentum": 0.7, "centered": True, "eps": 1e-3, "weight_decay": 0.1}),
    ("rmsprop", {"alpha": 0.9, "centered": True}),
    ("rmsprop", {"momentum": 0.9}),
    ("adagrad", {"lr_decay": 0.4, "initial_accumulator_value": 0.3, "eps": 0.1, "weight_decay": 0.1}),
    ("adadelta", {"rho": 0.5, "eps": 0.01, "weight_decay": 0.2, "learning_rate": 3.0}),
]
ARCHITECTURE = Architecture(2, (Layer(2, "tanh"), Layer(1, "tanh")), "quadratic", "float64")  # P = 9
BIASES = [4, 5, 8]
START = np.linspace(-1.0, 1.5, 9)


def slope(at: int) -> Any:
    """dC/dtheta of one number: a bowl with ripples, another for each place."""
    return lambda theta: (0.2 + 0.1 * at) * (theta - 0.3 * at) + 0.1 * math.sin(5 * theta + at)


def slopes(theta: Any) -> Any:
    return np.array([slope(at)(float(value)) for at, value in enumerate(theta)], theta.dtype)


def alone(kind: str, values: dict[str, Any], at: int) -> list[float]:
    """The ten thetas of one number, without the others."""
    theta, path = float(START[at]), []
    memory: Memory = {}
    for _ in range(10):
        theta = STEPS[kind](theta, slope(at)(theta), memory, {**DEFAULTS[kind], **values}, True)
        path.append(theta)
    return path


def step(theta: Any, state: OptimizerState | None, kind: str, **values: Any) -> tuple[Any, OptimizerState]:
    g = slopes(theta)
    return update(np, ARCHITECTURE, theta, g, float(np.linalg.norm(g)), state, make_options(kind, values))


@pytest.mark.parametrize(("kind", "values"), RUNS, ids=[f"{kind}-{index}" for index, (kind, _) in enumerate(RUNS)])
def test_ten_steps_are_those_of_the_loop(kind: str, values: dict[str, Any]) -> None:
    theta, state, path = START, None, []
    for _ in range(10):
        theta, state = step(theta, state, kind, **values)
        path.append(theta)
    expected = [alone(kind, values, at) for at in range(9)]
    np.testing.assert_allclose(np.array(path).T, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_biases_can_be_spared_the_decay(kind: str) -> None:
    decayed = {"weight_decay": 0.5, "learning_rate": 0.1}
    spared, everywhere = START, START
    nowhere, state, spared_state, nowhere_state = START, None, None, None
    for _ in range(4):
        everywhere, state = step(everywhere, state, kind, **decayed)
        spared, spared_state = step(spared, spared_state, kind, **decayed, decay_biases=False)
        nowhere, nowhere_state = step(nowhere, nowhere_state, kind, learning_rate=0.1, weight_decay=0.0)
    weights = np.delete(np.arange(9), BIASES)
    np.testing.assert_array_equal(spared[BIASES], nowhere[BIASES])
    np.testing.assert_allclose(spared[weights], everywhere[weights], rtol=1e-14)
    assert (spared[weights] != nowhere[weights]).all()


def test_clipping_is_by_the_norm_first_and_then_by_the_value() -> None:
    g = np.array([3.0, -4.0, 0, 0, 0, 0, 0, 0, 12.0])  # its norm is 13

    def moved(**values: Any) -> Any:
        options = make_options("sgd", {"learning_rate": 1.0, **values})
        return -update(np, ARCHITECTURE, np.zeros(9), g, 13.0, None, options)[0]

    np.testing.assert_array_equal(moved(clip_norm=20.0), g)
    np.testing.assert_allclose(moved(clip_norm=6.5), g * 6.5 / (13 + 1e-6), rtol=1e-15)
    np.testing.assert_array_equal(moved(clip_value=3.5), np.clip(g, -3.5, 3.5))
    np.testing.assert_allclose(moved(clip_norm=6.5, clip_value=2.0), np.clip(g * 6.5 / (13 + 1e-6), -2, 2), rtol=1e-15)
    assert not moved(clip_norm=0.0).any()


def test_a_variance_that_rounding_made_negative_is_zero() -> None:
    theta, state = START, None
    for _ in range(400):  # equal gradients: the mean of the squares becomes the square of the mean
        options = make_options("rmsprop", {"centered": True, "alpha": 0.3, "learning_rate": 1e-12})
        theta, state = update(np, ARCHITECTURE, theta, START, 1.0, state, options)
    assert np.isfinite(theta).all()


@pytest.mark.parametrize(
    ("kind", "values", "name"),
    [
        ("lion", {}, "kind"),
        ("sgd", {"eps": 1e-8}, "eps"),
        ("sgd", {"lr": 0.1}, "lr"),
        *[
            (kind, {name: bad}, name)
            for kind in OPTIMIZERS
            for name in ("learning_rate", "weight_decay", "clip_norm", "clip_value")
            for bad in (-1e-9, math.nan, math.inf)
        ],
        ("sgd", {"momentum": -0.1}, "momentum"),
        ("sgd", {"momentum": math.inf}, "momentum"),
        ("sgd", {"dampening": math.nan}, "dampening"),
        ("sgd", {"dampening": math.inf}, "dampening"),
        ("sgd", {"nesterov": True}, "nesterov"),
        ("sgd", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "nesterov"),
        *[
            (kind, {"betas": bad}, "betas")
            for kind in ("adam", "adamw", "nadam")
            for bad in ((1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (math.nan, 0.9), (0.9,), (0.9, 0.9, 0.9))
        ],
        *[(kind, {"eps": -1e-9}, "eps") for kind in OPTIMIZERS if kind != "sgd"],
        ("nadam", {"momentum_decay": -1.0}, "momentum_decay"),
        ("rmsprop", {"alpha": -0.1}, "alpha"),
        ("rmsprop", {"momentum": -0.1}, "momentum"),
        ("adagrad", {"lr_decay": -0.1}, "lr_decay"),
        ("adagrad", {"initial_accumulator_value": -0.1}, "initial_accumulator_value"),
        ("adadelta", {"rho": 1.1}, "rho"),
        ("adadelta", {"rho": -0.1}, "rho"),
    ],
)
def test_options_out_of_their_range_are_refused_by_name(kind: str, values: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        make_options(kind, values)
    assert caught.value.path == (name,)
