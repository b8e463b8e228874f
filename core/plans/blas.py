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

from core.plans.openblas import LARGE, newest_gemm
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
    """`gemm` and `gemv` of one dtype. Neurons are rows and examples are columns here, but for the inputs x (m, n_1).

    With the weights (n_out, n_in) as they are, that is the order of z, a and delta in which the three products of a layer
    are fastest together (docs/performance.md).
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        prefix = {"float32": "s", "float64": "d"}[self._dtype.name]
        self._gemm: Callable[..., Array] = getattr(blas, f"{prefix}gemm")
        self._gemv: Callable[..., Array] = getattr(blas, f"{prefix}gemv")
        self._large = newest_gemm(self._dtype.name)

    def forward(self, scale: float, w: Array, a: Array, z: Array) -> Call:
        """Z = scale w a; w (n_out, n_in), a (n_in, m), z (n_out, m)."""
        return self._product(scale, _transposed(a), _transposed(w), 0.0, _target(z, w), 0, 0)

    def forward_from(self, scale: float, w: Array, z: Array) -> Callable[[Array], object]:
        """Z = scale (z + w x^T), for the x (m, n_in) whose transpose it is called with."""
        return self._product_from(scale, w.shape[1], _transposed(w), scale, _target(z, w), 1)

    def backward(self, w: Array, delta: Array, out: Array) -> Call:
        """Out = w^T delta; w (n_out, n_in), delta (n_out, m), out (n_in, m)."""
        return self._product(1.0, _transposed(delta), _transposed(w), 0.0, _target(out, delta), 0, 1)

    def outer(self, alpha: float, delta: Array, a: Array, beta: float, g: Array) -> Call:
        """G = beta g + alpha delta a^T; delta (n_out, m), a (n_in, m), g (n_out, n_in)."""
        return self._product(alpha, _transposed(a), _transposed(delta), beta, _target(g, delta), 1, 0)

    def outer_from(self, alpha: float, delta: Array, beta: float, g: Array) -> Callable[[Array], object]:
        """G = beta g + alpha delta x, for the x (m, n_in) whose transpose it is called with."""
        return self._product_from(alpha, g.shape[1], _transposed(delta), beta, _target(g, delta), 0)

    # Positional arguments are twice as fast as named ones. In order, gemm: alpha, a, b, beta, c, trans_a, trans_b,
    # overwrite_c; gemv: alpha, a, x, beta, y, offx, incx, offy, incy, trans, overwrite_y.

    def _product(self, alpha: float, a: Array, b: Array, beta: float, c: Array, trans_a: int, trans_b: int) -> Call:
        if self._large is not None and a.size * (c.shape[1]) >= LARGE:
            return self._large.bind(alpha, a, b, beta, c, trans_a, trans_b)
        return partial(self._gemm, alpha, a, b, beta, c, trans_a, trans_b, 1)

    def _product_from(
        self, alpha: float, inputs: int, b: Array, beta: float, c: Array, trans_x: int
    ) -> Callable[[Array], object]:
        examples = c.shape[0] if trans_x else b.shape[0]
        if self._large is not None and inputs * examples * c.shape[1] >= LARGE:
            return self._large.bind_from(alpha, (inputs, examples), b, beta, c, trans_x, 0)
        gemm = self._gemm
        return lambda x_t: gemm(alpha, x_t, b, beta, c, trans_x, 0, 1)

    def row_sums(self, alpha: float, delta: Array, beta: float, g: Array) -> Call:
        """G = beta g + alpha (sum over the examples of delta); delta (n, m), g (n,)."""
        ones = np.ones(delta.shape[1], delta.dtype)
        return partial(self._gemv, alpha, _transposed(delta), ones, beta, _target(g, delta), 0, 1, 0, 1, 1, 1)

    def column_sums(self, array: Array, out: Array) -> Call:
        """Out = the sum over the neurons; array (n, m), out (m,)."""
        ones = np.ones(len(array), array.dtype)
        return partial(self._gemv, 1.0, _transposed(array), ones, 0.0, _target(out, array), 0, 1, 0, 1, 0, 1)

    def column_sums_of(self, neurons: int, out: Array) -> Callable[[Array], object]:
        """Out = the sum over the columns of the y (m, n) whose transpose it is called with; out (m,)."""
        gemv, ones = self._gemv, np.ones(neurons, self._dtype)
        target = _target(out, ones)
        return lambda y_t: gemv(1.0, y_t, ones, 0.0, target, 0, 1, 0, 1, 1, 1)
