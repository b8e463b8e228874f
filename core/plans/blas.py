"""The matrix products of a step as calls of BLAS with every argument bound in place, once.

Invariant: whatever a product touches is C-contiguous, so that its transpose is the matrix in Fortran's order that BLAS wants, and
all is of one dtype; what it writes is writable. Each function here checks that where it binds: BLAS itself sees addresses only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.plans.calls import Given, Product
from core.types import Array

__all__ = ["Blas"]


class Blas:
    """`gemm`, `gemv` and `dot` of one dtype. Neurons are rows and examples are columns here, but for x (m, n_in) and y (m, n).

    With the weights (n_out, n_in) as they are, that is the order of z, a and delta in which the three products of a layer
    are fastest together (docs/performance.md).
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._prefix = {"float32": "s", "float64": "d"}[self._dtype.name]

    def forward(self, scale: float, w: Array, a: Array, z: Array) -> Product:
        """Z = scale w a; w (n_out, n_in), a (n_in, m), z (n_out, m)."""
        self._fit(z.shape == (len(w), a.shape[1]) and w.shape[1] == len(a))
        return self._gemm(b"N", b"N", (a.shape[1], *w.shape), scale, self._read(a), self._read(w), 0.0, self._write(z))

    def spread(self, b: Array, z: Array) -> Product:
        """Z = b in every column; b (n,), z (n, m). A product with ones is exact, and faster than NumPy's repetition."""
        self._fit(b.shape == z.shape[:1])
        ones = np.ones(z.shape[1], self._dtype)
        return self._gemm(b"N", b"N", (*z.shape[::-1], 1), 1.0, ones, self._read(b), 0.0, self._write(z))

    def forward_from(self, scale: float, w: Array, z: Array) -> Product:
        """Z = scale (z + w x^T), for the x (m, n_in) of the batch."""
        self._fit(len(z) == len(w))
        return self._gemm(b"T", b"N", (z.shape[1], *w.shape), scale, Given.X, self._read(w), scale, self._write(z))

    def backward(self, w: Array, delta: Array, out: Array) -> Product:
        """Out = w^T delta; w (n_out, n_in), delta (n_out, m), out (n_in, m)."""
        self._fit(out.shape == (w.shape[1], delta.shape[1]) and len(w) == len(delta))
        sizes = (*out.shape[::-1], len(w))
        return self._gemm(b"N", b"T", sizes, 1.0, self._read(delta), self._read(w), 0.0, self._write(out))

    def outer(self, alpha: float, delta: Array, a: Array, beta: float, g: Array) -> Product:
        """G = beta g + alpha delta a^T; delta (n_out, m), a (n_in, m), g (n_out, n_in)."""
        self._fit(g.shape == (len(delta), len(a)) and delta.shape[1] == a.shape[1])
        sizes = (*g.shape[::-1], delta.shape[1])
        return self._gemm(b"T", b"N", sizes, alpha, self._read(a), self._read(delta), beta, self._write(g))

    def outer_from(self, alpha: float, delta: Array, beta: float, g: Array) -> Product:
        """G = beta g + alpha delta x, for the x (m, n_in) of the batch."""
        self._fit(len(g) == len(delta))
        sizes = (*g.shape[::-1], delta.shape[1])
        return self._gemm(b"N", b"N", sizes, alpha, Given.X, self._read(delta), beta, self._write(g))

    def row_sums(self, alpha: float, delta: Array, beta: float, g: Array) -> Product:
        """G = beta g + alpha (sum over the examples of delta); delta (n, m), g (n,)."""
        self._fit(g.shape == delta.shape[:1])
        ones = np.ones(delta.shape[1], self._dtype)
        return self._gemv(b"T", delta.shape[::-1], alpha, self._read(delta), ones, beta, self._write(g))

    def column_sums(self, array: Array, out: Array) -> Product:
        """Out = the sum over the neurons; array (n, m), out (m,)."""
        self._fit(out.shape == array.shape[1:])
        ones = np.ones(len(array), self._dtype)
        return self._gemv(b"N", array.shape[::-1], 1.0, self._read(array), ones, 0.0, self._write(out))

    def column_sums_of_targets(self, neurons: int, out: Array) -> Product:
        """Out = the sum over the neurons of the batch's y (m, n); out (m,)."""
        ones = np.ones(neurons, self._dtype)
        return self._gemv(b"T", (neurons, len(out)), 1.0, Given.Y, ones, 0.0, self._write(out))

    def dot(self, a: Array, b: Array, out: Array) -> Product:
        """Out = the sum of a times b, over all numbers; a and b of one shape, out (1,)."""
        self._fit(a.shape == b.shape and out.shape == (1,))
        return Product(f"{self._prefix}dot", (a.size, self._read(a), 1, self._read(b), 1), self._write(out))

    # In Fortran's order a C-contiguous matrix (rows, columns) is its own transpose (columns, rows).

    def _gemm(
        self,
        trans_a: bytes,
        trans_b: bytes,
        sizes: tuple[int, ...],
        alpha: float,
        a: Array | Given,
        b: Array,
        beta: float,
        c: Array,
    ) -> Product:
        m, n, k = sizes
        leading_a, leading_b = k if trans_a == b"T" else m, n if trans_b == b"T" else k
        arguments = (trans_a, trans_b, m, n, k, float(alpha), a, leading_a, b, leading_b, float(beta), c, m)
        return Product(f"{self._prefix}gemm", arguments)

    def _gemv(
        self, trans: bytes, sizes: tuple[int, ...], alpha: float, a: Array | Given, x: Array, beta: float, y: Array
    ) -> Product:
        rows, columns = sizes
        return Product(f"{self._prefix}gemv", (trans, rows, columns, float(alpha), a, rows, x, 1, float(beta), y, 1))

    def _read(self, array: Array) -> Array:
        if not array.flags.c_contiguous or array.dtype != self._dtype:
            raise ValueError(f"a bound product needs C-contiguous arrays of {self._dtype}")
        return array

    def _write(self, array: Array) -> Array:
        if not array.flags.writeable:
            raise ValueError("a bound product needs a target that it may write to")
        return self._read(array)

    @staticmethod
    def _fit(it_does: bool) -> None:
        if not it_does:
            raise ValueError("a bound product needs matrices that fit together")
