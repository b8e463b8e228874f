"""`run.c`, compiled when the package was installed, and the addresses of what its programs call.

Invariant: everything is looked for once. Where it was not built, or NumPy's objects are not what its C API says, there are no
functions here: then Python makes the same calls, only slower.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from core.types import Array

__all__ = ["HEADER", "Source", "loop_address", "runner", "trainer"]

_FILE = Path(__file__).with_name("run.so")
"""Where the build puts it."""

HEADER = object.__basicsize__
"""Bytes of an object's header. An array's goes on with the address of its data, and a ufunc's with `_Ufunc` (NumPy's C API)."""


class Source(ctypes.Structure):
    """An array that batches are taken from, row by row, and where the rows of a batch go."""

    _fields_ = (("rows", ctypes.c_void_p), ("row_bytes", ctypes.c_int64), ("batch", ctypes.c_void_p))

    @classmethod
    def of(cls, rows: Array, batch: Array) -> Source:
        """Both C-contiguous and of one dtype; whoever has a source keeps them."""
        return cls(rows.ctypes.data, rows.strides[0], batch.ctypes.data)


class _Ufunc(ctypes.Structure):
    """The head of NumPy's `PyUFuncObject`, which is part of its C API."""

    _fields_ = (
        ("nin", ctypes.c_int),
        ("nout", ctypes.c_int),
        ("nargs", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("ntypes", ctypes.c_int),
        ("reserved", ctypes.c_int),
        ("name", ctypes.c_char_p),
    )


@cache
def loop_address(ufunc: np.ufunc, signature: str) -> tuple[int, int] | None:
    """NumPy's inner loop for operands such as "ff->f", and its data; None where there is none."""
    if signature not in ufunc.types:
        return None
    told = _Ufunc.from_address(id(ufunc) + HEADER)
    index = ufunc.types.index(signature)
    function = told.functions[index]
    return None if function is None else (function, (told.data[index] or 0) if told.data else 0)


@cache
def runner(releases: bool) -> Callable[[Any, int, Array, Array, Array], None] | None:
    """`gradwire_run`: the program, `HEADER`, x, y and target; None where it was not built.

    Args:
        releases: whether other threads of Python go on meanwhile.
    """
    arrays = [ctypes.py_object] * 3
    return _function("gradwire_run", releases, ctypes.c_void_p, ctypes.c_ssize_t, *arrays)


@cache
def trainer() -> Callable[[Any, Any, Any, int, int, int], None] | None:
    """`gradwire_train`: the program, both sources by reference, the order's address, rows of a batch, batches."""
    pointers, sizes = [ctypes.c_void_p] * 4, [ctypes.c_int64] * 2
    return _function("gradwire_train", True, *pointers, *sizes)


def _function(name: str, releases: bool, *arguments: Any) -> Any:
    if not _FILE.exists() or not _layout_is_known():
        return None
    load: Any = ctypes.CDLL if releases else ctypes.PyDLL
    function = load(str(_FILE))[name]
    function.argtypes, function.restype = arguments, None
    return function


@cache
def _layout_is_known() -> bool:
    """Whether arrays and ufuncs look as NumPy's C API says."""
    if sys.implementation.name != "cpython":
        return False
    array = np.zeros(3)
    told = _Ufunc.from_address(id(np.multiply) + HEADER)
    return (
        ctypes.c_void_p.from_address(id(array) + HEADER).value == array.ctypes.data
        and (told.nin, told.nout, told.ntypes) == (2, 1, np.multiply.ntypes)
        and told.name == b"multiply"
    )
