"""The watch over the finite numbers: what leaves them is reported with its layer, not passed on.

Invariant: NumPy's own warnings are silenced only inside `quiet()`, and what comes out of it has been checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from core.errors import NonFiniteError
from core.network import Parameters
from core.types import Array, ArrayModule

__all__ = ["all_finite", "quiet", "require_finite", "require_finite_parameters"]


@contextmanager
def quiet() -> Iterator[None]:
    """Let overflow and invalid operations pass in silence, since the results are checked."""
    with np.errstate(all="ignore"):
        yield


def all_finite(xp: ArrayModule, array: Array) -> bool:
    """Whether every number is finite."""
    return bool(xp.all(xp.isfinite(array)))


def require_finite(xp: ArrayModule, array: Array, layer: int | None, quantity: str) -> None:
    """Raise `NonFiniteError` where a number of `quantity` in `layer` is not finite."""
    if not all_finite(xp, array):
        where = "" if layer is None else f" of layer {layer}"
        raise NonFiniteError(f"the {quantity}{where} left the finite numbers", layer, quantity)


def require_finite_parameters(xp: ArrayModule, parameters: Parameters, quantity: str) -> None:
    """Raise `NonFiniteError` for the first layer whose part of the flat vector is not finite; one reduction where all are."""
    if all_finite(xp, parameters.vector):
        return
    for place in parameters.architecture.layout:
        require_finite(xp, parameters.vector[place.start : place.stop], place.layer, quantity)
