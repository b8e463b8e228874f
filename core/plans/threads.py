"""How many threads a product may use, chosen by the size of the work in this one place.

Invariant: one BLAS pool works. NumPy and SciPy each bring an OpenBLAS of their own, and `core.plans.openblas` may find a third.
Plans leave large products to the newest that there is; the pools of the others are held at one thread as soon as a plan is made.
Small work stays on one thread: waking a second costs more than it gives, and in a busy service it takes a core from another
request. Where the BLAS is not the wheels' OpenBLAS (a conda or a system build), its own settings stand, and `controllable` says so.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import scipy

from core.plans.openblas import newest_library

__all__ = ["SERIAL_BELOW", "controllable", "share_cores", "threads_for", "use_threads"]

SERIAL_BELOW = 64_000_000
"""Multiplications in one pass below which a second thread does not pay (docs/performance.md has the measurement)."""


SHARED_SERIAL_BELOW = 500_000_000
"""The same where cores are shared with other work: some 10 ms of one core in float32. A thread that waits for its part of a
shorter product spins meanwhile on a core that another request would have used."""


def threads_for(multiplications: int) -> int:
    """How many threads a pass of that many multiplications runs on: one, or all that the process may have."""
    return 1 if multiplications < _threshold else _most()


def share_cores() -> None:
    """Hold both pools at one thread from now on, for all but long work: for a process that serves many at once."""
    global _threshold  # noqa: PLW0603  the pools are the process's too
    _threshold = SHARED_SERIAL_BELOW
    use_threads(1)


def use_threads(count: int) -> None:
    """Let the products that follow run on `count` threads; costs nothing where that is the number already."""
    _pool().use(count)


def controllable() -> bool:
    """Whether the number of threads can be chosen here."""
    return _pool().set_threads is not None


_threshold = SERIAL_BELOW


@cache
def _most() -> int:
    """All cores of the process, or what OPENBLAS_NUM_THREADS or OMP_NUM_THREADS allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit():
            return max(1, min(cores, int(os.environ[name])))
    return cores


class _Pool:
    """The thread pool of the OpenBLAS that large products run on; all others have one thread."""

    def __init__(self) -> None:
        plain = _setter(_library(Path(np.__file__).parent), "scipy_openblas_set_num_threads64_")
        plans = _setter(_library(Path(scipy.__file__).parent), "scipy_openblas_set_num_threads")
        newest = _setter(newest_library(), "scipy_openblas_set_num_threads")
        self.set_threads = newest or plans
        for hold in (plain, plans):
            if hold is not None and hold is not self.set_threads:
                hold(1)
        self._count = 0

    def use(self, count: int) -> None:
        if count != self._count and self.set_threads is not None:
            self.set_threads(count)
            self._count = count


@cache
def _pool() -> _Pool:
    return _Pool()


def _library(package: Path) -> ctypes.CDLL | None:
    """A wheel's own OpenBLAS, which is loaded already and is not loaded again; None where it has none."""
    for folder in (package.parent / f"{package.name}.libs", package / ".dylibs"):
        for path in folder.glob("libscipy_openblas*"):
            return ctypes.CDLL(str(path))
    return None


def _setter(library: ctypes.CDLL | None, symbol: str) -> Callable[[int], None] | None:
    """The function of a library that sets its number of threads."""
    setter: Callable[[int], None] | None = getattr(library, symbol, None)
    if setter is not None:
        setter.argtypes, setter.restype = [ctypes.c_int], None  # type: ignore[attr-defined]  # a function of ctypes
    return setter
