"""The matrix products of a step as BLAS calls with every argument bound in place, once.

Invariant: whatever a product writes is C-contiguous, so that its transpose is the Fortran array that BLAS wants, of the dtype and
writable; f2py would otherwise work on a silent copy and the result would be lost. Each function here checks that where it binds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.linalg import blas

from core.types import Array

__all__ = ["Blas", "Call"]

Call = Callable[[], object]
"""One bound operation: everything that it reads and writes was fixed when it was bound."""


def _transposed(array: Array) -> Array:
    """The Fortran view of a C-contiguous array: no copy, or an error."""
    if not array.flags.c_contiguous:
        raise ValueError("a bound product needs C-contiguous arrays")
    return array.T


def _target(array: Array, like: Array) -> Array:
    """As `_transposed`, for what a product of `like` writes."""
    if array.dtype != like.dtype or not array.flags.writeable:
        raise ValueError(f"a bound product needs a target of {like.dtype} that it may write to")
    return _transposed(array)


class Blas:
    """`gemm` and `gemv` of one dtype, spoken in rows: examples are rows, as everywhere in core."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        prefix = {"float32": "s", "float64": "d"}[self._dtype.name]
        self._gemm: Callable[..., Array] = getattr(blas, f"{prefix}gemm")
        self._gemv: Callable[..., Array] = getattr(blas, f"{prefix}gemv")

    # Positional arguments are twice as fast as named ones. In order, gemm: alpha, a, b, beta, c, trans_a, trans_b,
    # overwrite_c; gemv: alpha, a, x, beta, y, offx, incx, offy, incy, trans, overwrite_y.

    def forward(self, scale: float, a: Array, w: Array, z: Array) -> Call:
        """Z = scale (z + a w^T); a (m, n_in), w (n_out, n_in), z (m, n_out)."""
        return partial(self._gemm, scale, _transposed(w), _transposed(a), scale, _target(z, w), 1, 0, 1)

    def forward_from(self, scale: float, w: Array, z: Array) -> Callable[[Array], object]:
        """As `forward`, for an `a` that is given when it is called, as its transpose (n_in, m)."""
        gemm, w_t, z_t = self._gemm, _transposed(w), _target(z, w)
        return lambda a_t: gemm(scale, w_t, a_t, scale, z_t, 1, 0, 1)

    def backward(self, delta: Array, w: Array, out: Array) -> Call:
        """Out = delta w; delta (m, n_out), w (n_out, n_in), out (m, n_in)."""
        return partial(self._gemm, 1.0, _transposed(w), _transposed(delta), 0.0, _target(out, delta), 0, 0, 1)

    def outer(self, alpha: float, delta: Array, a: Array, beta: float, g: Array) -> Call:
        """G = beta g + alpha delta^T a; delta (m, n_out), a (m, n_in), g (n_out, n_in)."""
        return partial(self._gemm, alpha, _transposed(a), _transposed(delta), beta, _target(g, delta), 0, 1, 1)

    def outer_from(self, alpha: float, delta: Array, beta: float, g: Array) -> Callable[[Array], object]:
        """As `outer`, for an `a` that is given when it is called, as its transpose (n_in, m)."""
        gemm, delta_t, g_t = self._gemm, _transposed(delta), _target(g, delta)
        return lambda a_t: gemm(alpha, a_t, delta_t, beta, g_t, 0, 1, 1)

    def column_sums(self, alpha: float, delta: Array, beta: float, g: Array) -> Call:
        """G = beta g + alpha (sum of the rows of delta); delta (m, n), g (n,)."""
        ones = np.ones(delta.shape[0], delta.dtype)
        return partial(self._gemv, alpha, _transposed(delta), ones, beta, _target(g, delta), 0, 1, 0, 1, 0, 1)

    def row_sums(self, array: Array, out: Array) -> Call:
        """Out = the sum of each row; array (m, n), out (m,)."""
        ones = np.ones(array.shape[1], array.dtype)
        return partial(self._gemv, 1.0, _transposed(array), ones, 0.0, _target(out, array), 0, 1, 0, 1, 1, 1)

    def row_sums_of(self, columns: int, out: Array) -> Callable[[Array], object]:
        """As `row_sums`, for an array that is given when it is called, as its transpose (n, m)."""
        gemv, ones = self._gemv, np.ones(columns, self._dtype)
        target = _target(out, ones)
        return lambda array_t: gemv(1.0, array_t, ones, 0.0, target, 0, 1, 0, 1, 1, 1)
