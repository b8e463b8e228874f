"""Networks and steps for the faults over HTTP, and a replay of the steps that is no code of the service's."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray

RATE, MOMENTUM = 0.05, 0.5
SHAPES = [(3, 4, 2), (5, 8, 3), (2, 6, 2), (20, 300, 2), (300, 1000, 2)]
"""Inputs, tanh units, sigmoid units of each network. With its momentum, the last one is too large for a row of the store."""
REPLAYED = {2, 3}
"""The networks whose steps are kept in place of their numbers."""


def spec(number: int) -> dict[str, Any]:
    inputs, hidden, outputs = SHAPES[number]
    return {
        "inputs": inputs,
        "layers": [{"units": hidden, "activation": "tanh"}, {"units": outputs, "activation": "sigmoid"}],
        "initializer": "scaled_gaussian",
        "seed": number,
        "dtype": "float64",
        "durability": "replay" if number in REPLAYED else "full",
    }


def network_of(step: int) -> int:
    """One step of 17 is of the large network, which takes longer; all clients have some of these."""
    return 4 if step % 17 == 16 else step % 4


def batch(step: int, network: int | None = None) -> tuple[Array, Array]:
    inputs, _, outputs = SHAPES[network_of(step) if network is None else network]
    rng = np.random.default_rng(step)
    return rng.standard_normal((2, inputs)), rng.uniform(size=(2, outputs))


def request(step: int, network: int | None = None) -> dict[str, Any]:
    """A step of its network, or of the one that is named."""
    inputs, targets = batch(step, network)
    optimizer = {"kind": "sgd", "learning_rate": RATE, "momentum": MOMENTUM}
    return {"inputs": inputs.tolist(), "targets": targets.tolist(), "optimizer": optimizer}


class Replay:
    """One network, step by step: feedforward, the quadratic cost, its gradient, and the velocity."""

    def __init__(self, layers: list[dict[str, Any]]) -> None:
        self.parameters = [np.array(layer[name]) for layer in layers for name in ("weights", "biases")]
        self._velocity: list[Array] | None = None

    def step(self, number: int) -> float:
        """Apply a step; its cost."""
        x, y = batch(number)
        w1, b1, w2, b2 = self.parameters
        hidden = np.tanh(x @ w1.T + b1)
        outputs = 1 / (1 + np.exp(-(hidden @ w2.T + b2)))
        last = (outputs - y) * outputs * (1 - outputs)
        first = (last @ w2) * (1 - hidden * hidden)
        gradient = [first.T @ x / 2, first.mean(0), last.T @ hidden / 2, last.mean(0)]
        before = self._velocity
        self._velocity = (
            gradient if before is None else [MOMENTUM * v + g for v, g in zip(before, gradient, strict=True)]
        )
        self.parameters = [p - RATE * v for p, v in zip(self.parameters, self._velocity, strict=True)]
        return float(0.25 * ((outputs - y) ** 2).sum())
