"""The one function that the array API standard leaves out and an activation needs: erfc.

Invariant: the dtype that comes in goes out, complex included (erfc is entire).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from core.backend import cupy_erfc
from core.types import Array, ArrayModule

__all__ = ["erfc"]


def erfc(xp: ArrayModule, z: Array) -> Array:
    """1 - erf(z), precise where erf(z) is near 1."""
    if xp.__name__ == "numpy":
        result: Array = special.erfc(z)
        return result
    if xp.__name__ == "cupy":
        return cupy_erfc(z)
    # Another module of the standard: through the host, as its own functions do not reach this one.
    return xp.asarray(special.erfc(np.asarray(z)), dtype=z.dtype)
