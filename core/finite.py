"""The watch over the finite numbers: what leaves them is reported with its layer, not passed on.

Invariant: NumPy's own warnings are silenced only inside `quiet()` (or a `quiet_context()`), and what comes out of it was checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context

import numpy as np

from core.errors import NonFiniteError
from core.network import Parameters
from core.types import Array, ArrayModule

__all__ = ["all_finite", "quiet", "quiet_context", "require_finite", "require_finite_parameters"]


@contextmanager
def quiet() -> Iterator[None]:
    """Let overflow and invalid operations pass in silence, since the results are checked."""
    with np.errstate(all="ignore"):
        yield


def quiet_context() -> Context:
    """As `quiet()`, for those who call often: `context.run(f, ...)` costs 20 ns, not 2 us; in one thread at a time."""
    context = copy_context()
    context.run(np.seterr, all="ignore")
    return context


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
