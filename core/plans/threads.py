"""How many threads a product may use, chosen by the size of the work in this one place.

Invariant: one BLAS pool works. NumPy and SciPy each bring an OpenBLAS of their own, and `core.plans.openblas` may find a third.
Plans compute with the newest that there is; the pools of the others are held at one thread as soon as a plan is made.
Small work stays on one thread: waking a second costs more than it gives, and in a busy service it takes a core from another
request. Where the BLAS is not the wheels' OpenBLAS (a conda or a system build), its own settings stand, and `controllable` says so.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import scipy

from core.plans.openblas import newest_library

__all__ = [
    "SERIAL_BELOW",
    "controllable",
    "libraries",
    "long_pass",
    "share_cores",
    "steady",
    "threads_for",
    "threads_of_step",
    "use_threads",
]

SERIAL_BELOW = 64_000_000
"""Multiplications in one pass below which a second thread does not pay (docs/performance.md has the measurement)."""


SHARED_SERIAL_BELOW = 5_000_000_000
"""The same where cores are shared with other work: some 100 ms of one core in float32. A thread that waits for its part of a
shorter product spins meanwhile on a core that another request would have used."""


def threads_for(multiplications: int) -> int:
    """How many threads a pass of that many multiplications runs on: one, or all that the process may have."""
    return 1 if multiplications < _threshold else _most()


def threads_of_step(batch: int, parameters: int) -> int:
    """The same for a pass forward and backward over `batch` examples."""
    return threads_for(3 * batch * parameters)


def share_cores() -> None:
    """Hold both pools at one thread from now on, for all but long work: for a process that serves many at once."""
    global _threshold  # noqa: PLW0603  the pools are the process's too
    _threshold = SHARED_SERIAL_BELOW
    use_threads(1)


def use_threads(count: int) -> None:
    """Let the products that follow run on `count` threads; costs nothing where that is the number already.

    Where passes are held `steady`, their number stands.
    """
    _pool().use(count)


@contextmanager
def long_pass(count: int) -> Iterator[None]:
    """A pass in this block runs on `count` threads where no other one like it runs, and else on one.

    Two that both have all threads wait for each other's products.
    """
    pool = _pool()
    pool.use(count if pool.enter() == 1 else 1)
    try:
        yield
    finally:
        pool.leave()


@contextmanager
def steady(count: int) -> Iterator[None]:
    """Passes in this block run on `count` threads from their first product to their last, whatever others ask for.

    The last bits of a product depend on the number, so that whoever must come to the same bits again holds it. Blocks of
    the same number run beside each other; those of another one wait until they have ended, in order of arrival.
    """
    pool = _pool()
    pool.hold(count)
    try:
        yield
    finally:
        pool.let_go()


def controllable() -> bool:
    """Whether the number of threads can be chosen here."""
    return _pool().set_threads is not None


def libraries() -> dict[str, str]:
    """Which OpenBLAS computes, with which kernels, by whose it is; those are left out that there are not."""
    found = {
        "numpy_blas": (_library(Path(np.__file__).parent), "scipy_openblas_get_config64_"),
        "scipy_blas": (_library(Path(scipy.__file__).parent), "scipy_openblas_get_config"),
        "newest_blas": (newest_library(), "scipy_openblas_get_config"),
    }
    told = {}
    for name, (library, symbol) in found.items():
        config = getattr(library, symbol, None)
        if config is not None:
            config.restype = ctypes.c_char_p
            told[name] = config().decode()
    return told


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
    """The thread pool of the OpenBLAS that plans compute with; all others have one thread."""

    def __init__(self) -> None:
        plain = _setter(_library(Path(np.__file__).parent), "scipy_openblas_set_num_threads64_")
        plans = _setter(_library(Path(scipy.__file__).parent), "scipy_openblas_set_num_threads")
        newest = _setter(newest_library(), "scipy_openblas_set_num_threads")
        self.set_threads = newest or plans
        for hold in (plain, plans):
            if hold is not None and hold is not self.set_threads:
                hold(1)
        self._count = 0
        self._order = threading.Lock()  # whoever waits for another number keeps later ones waiting
        self._held = threading.Condition()
        self._holders = 0
        self._long = 0

    def enter(self) -> int:
        """One long pass more; how many there are with it."""
        with self._held:
            self._long += 1
            return self._long

    def leave(self) -> None:
        with self._held:
            self._long -= 1

    def use(self, count: int) -> None:
        if count != self._count and self.set_threads is not None:
            with self._held:
                if not self._holders:
                    self._set(count)

    def hold(self, count: int) -> None:
        with self._order, self._held:
            while self._holders and count != self._count:
                self._held.wait()
            self._set(count)
            self._holders += 1

    def let_go(self) -> None:
        with self._held:
            self._holders -= 1
            self._held.notify()

    def _set(self, count: int) -> None:
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
