"""The functions of the BLAS that plans compute with: the newest OpenBLAS, which the package `scipy-openblas32` brings.

Invariant: all products of all plans come from one library. Where that package is not installed, it is the one that SciPy was
built with.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from scipy.linalg import cython_blas

__all__ = ["address_of", "newest_library"]


@cache
def address_of(name: str) -> int:
    """Where a function such as "sgemm" is: Fortran's arguments, all by their address, integers of 32 bits."""
    library = newest_library()
    if library is not None:
        return _number(ctypes.cast(getattr(library, f"scipy_{name}_"), ctypes.c_void_p).value)
    capsules: Mapping[str, object] = cython_blas.__pyx_capi__
    capsule = capsules[name]
    name_of, pointer_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.argtypes, name_of.restype = (ctypes.py_object,), ctypes.c_char_p
    pointer_of.argtypes, pointer_of.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_void_p
    return _number(pointer_of(capsule, name_of(capsule)))


@cache
def newest_library() -> ctypes.CDLL | None:
    """The library of `scipy-openblas32`, or None where it is not installed."""
    spec = importlib.util.find_spec("scipy_openblas32")
    if spec is None or spec.origin is None:
        return None
    (path,) = (Path(spec.origin).parent / "lib").glob("libscipy_openblas*")
    return ctypes.CDLL(str(path))


def _number(address: int | None) -> int:
    if address is None:
        raise ImportError("a function of BLAS is not where it was said to be")
    return address
