"""Whether a request may be worked on at all, decided in Python's integers before anything is allocated.

The estimates: 3 copies of the parameters and 3 numbers for each unit and example; 6 operations for each weight and
example.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from core.network import Architecture
from service.errors import TooLarge
from service.settings import Settings

__all__ = ["Estimate", "admit_batch", "admit_network", "operations"]

_ITEMSIZE: Final = {"float32": 4, "float64": 8}
_FORWARD: Final = 2
_BACKPROP: Final = 6


class Estimate(NamedTuple):
    """What a batch takes."""

    operations: int
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
    parameters = architecture.parameter_count
    numbers = 3 * parameters + 3 * rows * sum(architecture.sizes)
    if per_example:
        numbers += 3 * rows * parameters
    nbytes = numbers * _ITEMSIZE[architecture.dtype]
    _within("estimated bytes", nbytes, settings.max_estimated_bytes)
    count = operations(architecture, rows, backprop=backprop)
    _within("estimated operations", count, settings.max_estimated_operations)
    return Estimate(count, nbytes)


def operations(architecture: Architecture, rows: int, *, backprop: bool) -> int:
    """An estimate of the floating-point operations of a batch."""
    weights = sum(a * b for a, b in zip(architecture.sizes, architecture.sizes[1:], strict=False))
    return (_BACKPROP if backprop else _FORWARD) * rows * weights


def _within(what: str, asked: int, limit: int) -> None:
    if asked > limit:
        raise TooLarge(f"The request comes to {asked} {what}; the limit is {limit}.", {"asked": asked, "limit": limit})
