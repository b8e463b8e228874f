"""Whether a request may be worked on at all, decided in Python's integers before anything is allocated.

What the limits are held against: 3 copies of the parameters and 3 numbers for each unit and example; 6 operations for each
weight and example. What decides where a batch is computed, and how long it may wait, counts what is no product too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from core.network import Architecture
from service.errors import TooLarge
from service.settings import Settings

__all__ = ["Estimate", "admit_batch", "admit_network"]

_ITEMSIZE: Final = {"float32": 4, "float64": 8}
_FORWARD: Final = 2
_BACKPROP: Final = 6


_EACH_UNIT: Final = 500
"""What an activation takes, in operations of a product: some 10 ns."""
_EACH_NUMBER: Final = 100
"""What a number takes that is made and moved (a gradient, an updated parameter)."""


class Estimate(NamedTuple):
    """What a batch takes."""

    operations: int
    """Those of its products, and what else it takes in terms of them."""
    nbytes: int


def admit_network(settings: Settings, inputs: int, units: Sequence[int], dtype: str) -> None:
    """Let a network be made, or say which limit it passes.

    Raises:
        TooLarge: with the figures.
    """
    _within("layers with weights", len(units), settings.max_layers)
    _within("units in one layer", max((inputs, *units)), settings.max_units)
    parameters = sum(after * (before + 1) for before, after in zip((inputs, *units), units, strict=False))
    _within("parameters", parameters, settings.max_parameters)
    _within("estimated bytes", 3 * parameters * _ITEMSIZE[dtype], settings.max_estimated_bytes)


def admit_batch(
    settings: Settings, architecture: Architecture, rows: int, *, backprop: bool, per_example: bool = False
) -> Estimate:
    """Let a batch be computed and estimate what it takes, or say which limit it passes.

    Raises:
        TooLarge: with the figures.
    """
    _within("examples", rows, settings.max_batch_rows)
    parameters, units = architecture.parameter_count, sum(architecture.sizes)
    numbers = 3 * parameters + 3 * rows * units
    if per_example:
        numbers += 3 * rows * parameters
    nbytes = numbers * _ITEMSIZE[architecture.dtype]
    _within("estimated bytes", nbytes, settings.max_estimated_bytes)
    units -= architecture.inputs
    each = _BACKPROP if backprop else _FORWARD
    products = each * rows * (parameters - units)
    _within("estimated operations", products, settings.max_estimated_operations)
    made = (parameters if backprop else 0) + (rows * parameters if per_example else 0)
    return Estimate(products + each // 2 * _EACH_UNIT * rows * units + _EACH_NUMBER * made, nbytes)


def _within(what: str, asked: int, limit: int) -> None:
    if asked > limit:
        raise TooLarge(f"The request comes to {asked} {what}; the limit is {limit}.", {"asked": asked, "limit": limit})
