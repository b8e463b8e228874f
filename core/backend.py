"""The array library that computes: NumPy, or CuPy where a CUDA device answers. The only file that imports cupy.

Invariant: what was asked for by name is what runs, or there is an error at once; only `auto` may choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import BackendUnavailable
from core.types import NUMPY, Array, ArrayModule, HostArray

__all__ = ["BACKENDS", "Backend", "cupy_erfc", "select"]

BACKENDS = ("auto", "numpy", "cupy")


@dataclass(frozen=True)
class Backend:
    """An array module with the device it runs on."""

    name: str
    """`numpy` or `cupy`."""
    xp: ArrayModule
    device: str
    blas: str

    def asarray(self, host: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> Array:
        """A host array on the device, in `dtype`; not copied where it is there already."""
        array: Array = self.xp.asarray(host, dtype=dtype)
        return array

    def to_host(self, array: Array) -> HostArray:
        """An array of the device in the host's memory; not copied where it is there already."""
        host: HostArray = array if isinstance(array, np.ndarray) else array.get()  # CuPy's way to the host
        return host


def select(name: str = "auto") -> Backend:
    """The backend of that name; `auto` takes CuPy where a CUDA device answers, else NumPy.

    Raises:
        BackendUnavailable: unknown name, or CuPy was asked for and is not installed or finds no device.
    """
    if name == "numpy":
        return _numpy()
    if name == "cupy":
        return _cupy()
    if name != "auto":
        raise BackendUnavailable(f"unknown backend {name!r}; known are {', '.join(BACKENDS)}")
    try:
        return _cupy()
    except BackendUnavailable:
        return _numpy()


def _numpy() -> Backend:
    config: dict[str, Any] = np.show_config(mode="dicts")  # type: ignore[assignment]  # typed as None for the default mode
    blas = config["Build Dependencies"]["blas"]
    return Backend("numpy", NUMPY, "cpu", f"{blas['name']} {blas['version']}")


def _cupy() -> Backend:
    asked = "the backend cupy was asked for, and"
    try:
        import cupy  # noqa: PLC0415  optional
    except ImportError as error:
        raise BackendUnavailable(f"{asked} CuPy cannot be imported: {error}") from error
    try:
        if not cupy.cuda.runtime.getDeviceCount():
            raise BackendUnavailable(f"{asked} there is no CUDA device")
        device = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
        blas = cupy.cuda.cublas.getVersion(cupy.cuda.device.get_cublas_handle())
    except ImportError as error:  # CuPy loads CUDA's libraries when they are first used
        raise BackendUnavailable(f"{asked} a library of CUDA is missing: {error}") from error
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendUnavailable(f"{asked} no CUDA device answers: {error}") from error
    return Backend("cupy", cupy, device, f"cuBLAS {blas}")


def cupy_erfc(z: Array) -> Array:
    """Erfc of a CuPy array."""
    from cupyx.scipy.special import erfc  # noqa: PLC0415  optional

    result: Array = erfc(z)
    return result
