"""Where a network starts: draws that depend on the seed and the sizes alone.

Invariant: numbers are drawn in float64 on the host and then rounded, so that equal seeds start equal in either dtype and on
every backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt

import numpy as np
import numpy.typing as npt

from core.errors import InvalidArchitecture
from core.network import Architecture

__all__ = ["INITIALIZERS", "initialize"]

Start = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
Draw = Callable[[np.random.Generator, int, int], Start]
"""(generator, n_l, n_{l-1}) -> w (n_l, n_{l-1}), b (n_l,)."""


def _gaussian(rng: np.random.Generator, rows: int, columns: int) -> Start:
    """Nielsen's first: every weight and bias from N(0, 1)."""
    return rng.standard_normal((rows, columns)), rng.standard_normal(rows)


def _scaled_gaussian(rng: np.random.Generator, rows: int, columns: int) -> Start:
    """Nielsen's second: w from N(0, 1/n_in), so that z does not start saturated; b from N(0, 1)."""
    w, b = _gaussian(rng, rows, columns)
    return w / sqrt(columns), b


def _xavier_uniform(rng: np.random.Generator, rows: int, columns: int) -> Start:
    """W uniform within sqrt(6 / (n_in + n_out)), b zero (Glorot and Bengio, 2010)."""
    edge = sqrt(6 / (rows + columns))
    return rng.uniform(-edge, edge, (rows, columns)), np.zeros(rows)


def _he_normal(rng: np.random.Generator, rows: int, columns: int) -> Start:
    """W from N(0, 2/n_in), b zero (He and others, 2015)."""
    return rng.standard_normal((rows, columns)) * sqrt(2 / columns), np.zeros(rows)


def _zeros(_rng: np.random.Generator, rows: int, columns: int) -> Start:
    return np.zeros((rows, columns)), np.zeros(rows)


INITIALIZERS: Mapping[str, Draw] = {
    "gaussian": _gaussian,
    "scaled_gaussian": _scaled_gaussian,
    "xavier_uniform": _xavier_uniform,
    "he_normal": _he_normal,
    "zeros": _zeros,
}
"""Every initializer by its name on the wire."""


def initialize(architecture: Architecture, initializer: str, seed: int) -> npt.NDArray[np.floating]:
    """The flat start vector (P,) in the network's dtype, on the host.

    Raises:
        InvalidArchitecture: unknown initializer.
    """
    if initializer not in INITIALIZERS:
        known = ", ".join(INITIALIZERS)
        raise InvalidArchitecture(f"unknown initializer; known are {known}", ("initializer",))
    rng = np.random.default_rng(seed)
    vector = np.empty(architecture.parameter_count, architecture.dtype)
    for place in architecture.layout:
        w, b = INITIALIZERS[initializer](rng, place.rows, place.columns)
        vector[place.start : place.split] = w.reshape(-1)
        vector[place.split : place.stop] = b
    return vector
