"""The network that the peers serve: 784-30-10, sigmoid, in float32, as plain NumPy."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

__all__ = ["PARAMETERS", "feedforward"]

PARAMETERS = "BENCH_PARAMETERS"
"""The variable that names the file of the parameters: one vector, w^2 row by row, b^2, w^3, b^3."""

_SIZES = ((784, 30), (30, 10))
_layers: list[tuple[Any, Any]] = []


def feedforward(x: Any) -> Any:
    """The outputs (m, 10) for x (m, 784)."""
    a = x
    for w, b in _layers or _load():
        a = 1 / (1 + np.exp(-(a @ w.T + b)))
    return a


def _load() -> list[tuple[Any, Any]]:
    vector, offset = np.load(os.environ[PARAMETERS]), 0
    for n_in, n_out in _SIZES:
        w = vector[offset : offset + n_in * n_out].reshape(n_out, n_in)
        offset += n_in * n_out
        _layers.append((w, vector[offset : offset + n_out]))
        offset += n_out
    return _layers
