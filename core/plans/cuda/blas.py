"""The matrix products of a step as cuBLAS calls on fixed addresses, spoken in rows as everywhere in core.

Invariant: everything is C-contiguous, so that its transpose is the matrix by columns that cuBLAS wants. A bound call holds
addresses, not arrays: whoever binds it keeps the arrays. The handle is this object's own, so that nobody else's math mode
meets it: float32 is float32 (TF32, with its 10 bits, only where it is asked for).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from core.types import Array

__all__ = ["Cublas"]

Call = Callable[[], object]

TF32_TENSOR_OP_MATH = 3
"""CUBLAS_TF32_TENSOR_OP_MATH of cublas_api.h, which CuPy has no name for."""


class Cublas:
    """`gemm` and `gemv` of one dtype on one device; for one thread at a time, on the stream that is current at the call."""

    def __init__(self, cupy: Any, dtype: npt.DTypeLike, allow_tf32: bool = False) -> None:
        self._cupy, self._dtype = cupy, np.dtype(dtype)
        cublas = self._cublas = cupy.cuda.cublas
        prefix = {"float32": "s", "float64": "d"}[self._dtype.name]
        self._gemm, self._gemv = getattr(cublas, f"{prefix}gemm"), getattr(cublas, f"{prefix}gemv")
        self._handle = cublas.create()
        weakref.finalize(self, cublas.destroy, self._handle)
        cublas.setMathMode(self._handle, TF32_TENSOR_OP_MATH if allow_tf32 else cublas.CUBLAS_DEFAULT_MATH)
        self._factors: dict[float, npt.NDArray[Any]] = {}

    # In order, gemm: handle, op a, op b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, for C (m, n) by columns; that C is
    # our C^T, and so are all others.

    def forward(self, a: Array, w: Array, z: Array) -> Call:
        """Z = a w^T; a (m, n_in), w (n_out, n_in), z (m, n_out)."""
        return partial(self.forward_from(w, z), a.T)

    def forward_from(self, w: Array, z: Array) -> Callable[[Array], object]:
        """As `forward`, for an `a` that is given when it is called, as its transpose (n_in, m)."""
        n_out, n_in = w.shape
        head = (self._handle, self._T, self._N, n_out, len(z), n_in, self._factor(1), self._at(w), n_in)
        tail, gemm = (n_in, self._factor(0), self._at(z), n_out), self._gemm
        return lambda a_t: gemm(*head, _address(a_t), *tail)

    def backward(self, delta: Array, w: Array, out: Array) -> Call:
        """Out = delta w; delta (m, n_out), w (n_out, n_in), out (m, n_in)."""
        n_out, n_in = w.shape
        sizes, one, zero = (n_in, len(delta), n_out), self._factor(1), self._factor(0)
        matrices = (one, self._at(w), n_in, self._at(delta), n_out, zero, self._at(out), n_in)
        return partial(self._gemm, self._handle, self._N, self._N, *sizes, *matrices)

    def outer(self, alpha: float, delta: Array, a: Array, beta: float, g: Array) -> Call:
        """G = beta g + alpha delta^T a; delta (m, n_out), a (m, n_in), g (n_out, n_in)."""
        return partial(self.outer_from(alpha, delta, beta, g), a.T)

    def outer_from(self, alpha: float, delta: Array, beta: float, g: Array) -> Callable[[Array], object]:
        """As `outer`, for an `a` that is given when it is called, as its transpose (n_in, m)."""
        n_out, n_in = g.shape
        head = (self._handle, self._N, self._T, n_in, n_out, len(delta), self._factor(alpha))
        tail, gemm = (n_in, self._at(delta), n_out, self._factor(beta), self._at(g), n_in), self._gemm
        return lambda a_t: gemm(*head, _address(a_t), *tail)

    def column_sums(self, alpha: float, delta: Array, beta: float, g: Array) -> Call:
        """G = beta g + alpha (sum of the rows of delta); delta (m, n), g (n,)."""
        m, n = delta.shape
        gemv, ones = self._gemv, self._cupy.ones(m, self._dtype)
        matrices = (self._factor(alpha), self._at(delta), n, self._at(ones), 1, self._factor(beta), self._at(g), 1)
        call = partial(gemv, self._handle, self._N, n, m, *matrices)
        call.ones = ones  # type: ignore[attr-defined]  # they stay as long as the call does
        return call

    @property
    def _N(self) -> int:  # noqa: N802  BLAS's own name
        operation: int = self._cublas.CUBLAS_OP_N
        return operation

    @property
    def _T(self) -> int:  # noqa: N802  BLAS's own name
        operation: int = self._cublas.CUBLAS_OP_T
        return operation

    def _at(self, array: Array) -> int:
        """The address of an array that fits."""
        if not array.flags.c_contiguous or array.dtype != self._dtype:
            raise ValueError(f"a bound product needs C-contiguous arrays of {self._dtype}")
        return _address(array)

    def _factor(self, value: float) -> int:
        """The address of a number in the host's memory, where cuBLAS reads it at the call; kept as long as this object."""
        return self._factors.setdefault(value, np.array(value, self._dtype)).ctypes.data


def _address(array: Any) -> int:
    """Where an array begins in the device's memory."""
    address: int = array.data.ptr
    return address
