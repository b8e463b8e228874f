"""Large products by the newest OpenBLAS, where the package `scipy-openblas32` is installed: the one that SciPy brings is older.

Invariant: nothing that a call needs is looked for when it is made. A bound call holds addresses, not arrays: whoever binds it keeps
the arrays. A call costs 0.3 us more than SciPy's, which is why small products are not its business (`LARGE`).
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from core.types import Array

__all__ = ["LARGE", "Gemm", "newest_gemm", "newest_library"]

LARGE = 2_000_000
"""Multiplications of a product from which on the newer kernels give back more than the dearer call takes."""

_PREFIXES = {"float32": "s", "float64": "d"}
_REALS = {"float32": ctypes.c_float, "float64": ctypes.c_double}


class Gemm:
    """C = beta C + alpha op(A) op(B), of one dtype; all are Fortran arrays, or transposed views of C-contiguous ones."""

    def __init__(self, function: Callable[..., None], dtype: str) -> None:
        self._function, self._real = function, _REALS[dtype]

    def bind(
        self, alpha: float, a: Array, b: Array, beta: float, c: Array, trans_a: int, trans_b: int
    ) -> partial[None]:
        """The product, bound."""
        return partial(self.bind_from(alpha, a.shape, b, beta, c, trans_a, trans_b), a)

    def bind_from(
        self, alpha: float, shape: tuple[int, ...], b: Array, beta: float, c: Array, trans_a: int, trans_b: int
    ) -> Callable[[Array], None]:
        """The same for an `a` of that shape, which is given when it is called."""
        inner = shape[0] if trans_a else shape[1]
        head = (_flag(trans_a), _flag(trans_b), *map(_integer, (*c.shape, inner)), ctypes.byref(self._real(alpha)))
        tail = (
            _integer(shape[0]),
            _address(b),
            _integer(len(b)),
            ctypes.byref(self._real(beta)),
            _address(c),
            _integer(len(c)),
        )
        function = self._function
        return lambda a: function(*head, _address(a), *tail)


def newest_gemm(dtype: str) -> Gemm | None:
    """`gemm` of the newest OpenBLAS, or None where it is not installed."""
    library = newest_library()
    return None if library is None else Gemm(getattr(library, f"scipy_{_PREFIXES[dtype]}gemm_"), dtype)


@cache
def newest_library() -> ctypes.CDLL | None:
    """The library of `scipy-openblas32`, or None where it is not installed."""
    spec = importlib.util.find_spec("scipy_openblas32")
    if spec is None or spec.origin is None:
        return None
    (path,) = (Path(spec.origin).parent / "lib").glob("libscipy_openblas*")
    return ctypes.CDLL(str(path))


def _flag(is_transposed: int) -> Any:
    return ctypes.c_char_p(b"T" if is_transposed else b"N")


def _integer(value: int) -> Any:
    return ctypes.byref(ctypes.c_int32(value))


def _address(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
