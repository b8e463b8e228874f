"""The limit: the bare matrix products that an operation cannot avoid, looped in C, in the fastest layout.

Variants are the BLAS libraries that are installed with the peers. Where no C compiler is found, pre-bound SciPy calls are looped
instead, and the note says so.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from scipy.linalg import blas

from benchmarks.core.cases import Array
from benchmarks.core.engines import Engine, Task, Unavailable
from benchmarks.core.engines.products import LAYOUTS, Layout, Product, Products, described
from benchmarks.core.reference import TOLERANCE, Disagreement

LIBRARIES = {
    # name: (package, folder beside or in it, file, prefix, suffix, whether its integers have 64 bits)
    "openblas": ("scipy_openblas32", "lib", "libscipy_openblas*", "scipy_", "_", False),
    "numpy's openblas": ("numpy", "../numpy.libs", "libscipy_openblas64*", "scipy_", "_64_", True),
    "scipy's openblas": ("scipy", "../scipy.libs", "libscipy_openblas*", "scipy_", "_", False),
    "pytorch's mkl": ("torch", "lib", "libtorch_cpu.*", "", "_", False),
}


class Bound(ctypes.Structure):
    """`product` of limit.c."""

    _fields_ = [
        *[(name, ctypes.c_int64) for name in ("m", "n", "k", "lda", "ldb", "ldc")],
        *[(name, ctypes.c_double) for name in ("alpha", "beta")],
        *[(name, ctypes.c_void_p) for name in ("a", "b", "c")],
        *[(name, ctypes.c_char) for name in ("trans_a", "trans_b")],
    ]


def bound(product: Product) -> Bound:
    """The product with its sizes and addresses."""
    m, n = product.c.shape
    k = product.a.shape[0] if product.trans_a else product.a.shape[1]
    leading = [max(1, array.shape[0]) for array in (product.a, product.b, product.c)]
    addresses = [array.ctypes.data for array in (product.a, product.b, product.c)]
    flags = [b"T" if each else b"N" for each in (product.trans_a, product.trans_b)]
    return Bound(m, n, k, *leading, product.alpha, product.beta, *addresses, *flags)


def library(variant: str) -> tuple[Path, str, str, bool]:
    """Where the BLAS of a variant is, and how its names are spelled."""
    package, folder, pattern, prefix, suffix, is_wide = LIBRARIES[variant]
    spec = importlib.util.find_spec(package)
    root = Path(spec.origin).parent if spec and spec.origin else None
    files = sorted((root / folder).resolve().glob(pattern)) if root else []
    if not files:
        raise Unavailable(f"no {variant}")
    return files[0], prefix, suffix, is_wide


def looped_in_c(task: Task) -> Callable[[Products], Callable[[int, int], None]]:
    """How to run products through limit.c."""
    path, prefix, suffix, is_wide = library(task.variant)
    letter = {"float32": "s", "float64": "d"}[task.dtype]
    try:
        gemm = getattr(ctypes.CDLL(str(path)), f"{prefix}{letter}gemm{suffix}")
    except (OSError, AttributeError) as error:
        raise Unavailable(f"{task.variant}: {error}") from error
    run = getattr(ctypes.CDLL(task.options["limit"]), f"run_{letter}{'_wide' if is_wide else ''}")
    run.argtypes, run.restype = [ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 4], None
    address = ctypes.cast(gemm, ctypes.c_void_p)

    def bind(products: Products) -> Callable[[int, int], None]:
        batches = len(products.inputs)
        calls = [bound(each) for batch in range(batches) for each in products.of(batch)]
        table = (Bound * len(calls))(*calls)
        return lambda first, count: run(address, table, len(calls) // batches, batches, first, count)

    return bind


def looped_in_python(task: Task) -> Callable[[Products], Callable[[int, int], None]]:
    """The same through SciPy, each call bound once."""
    gemm: Any = getattr(blas, {"float32": "s", "float64": "d"}[task.dtype] + "gemm")

    def bind(products: Products) -> Callable[[int, int], None]:
        calls = [
            [(p.alpha, p.a, p.b, p.beta, p.c, int(p.trans_a), int(p.trans_b), 1) for p in products.of(batch)]
            for batch in range(len(products.inputs))
        ]

        def run(first: int, count: int) -> None:
            for done in range(first, first + count):
                for arguments in calls[done % len(calls)]:
                    gemm(*arguments)

        return run

    return bind


class Limit:
    """The fastest of the layouts, each checked against NumPy before."""

    def __init__(self, task: Task) -> None:
        in_c = "limit" in task.options
        if not in_c and task.variant != "scipy's openblas":
            raise Unavailable("no C compiler")
        bind = looped_in_c(task) if in_c else looped_in_python(task)
        self.done = 0
        candidates = []
        wanted = telling(task, LAYOUTS[0]).expected()
        for layout in LAYOUTS:
            check(task, bind, layout, wanted)
            products = Products(task, layout)
            candidates.append((layout, products, bind(products)))
        layout, self.products, self.go = fastest(candidates)
        how = "looped in C" if in_c else "looped in Python: no C compiler was found"
        self.note = f"{task.variant}, {described(layout)}, {how}"

    def run(self, count: int) -> None:
        self.go(self.done, count)
        self.done += count

    def result(self) -> Array:
        return self.products.found()


def telling(task: Task, layout: Layout) -> Products:
    """Products with a factor that shows in the weights."""
    products = Products(task, layout)
    products.alpha = -1.0
    return products


def check(task: Task, bind: Callable[[Products], Callable[[int, int], None]], layout: Layout, wanted: Array) -> None:
    """One run against NumPy."""
    products = telling(task, layout)
    bind(products)(0, 1)
    error = np.linalg.norm(products.found() - wanted) / np.linalg.norm(wanted)
    if not error <= TOLERANCE[task.dtype]:
        raise Disagreement(f"the products of {task.variant} are wrong: {error}")


def fastest(candidates: list[tuple[Layout, Products, Callable[[int, int], None]]]) -> Any:
    """By the best of a few short bursts, taken in turns."""
    start = perf_counter()
    candidates[0][2](0, 1)
    count = max(1, round(0.005 / (perf_counter() - start)))
    best = [float("inf")] * len(candidates)
    for _ in range(4):
        for index, (_, _, go) in enumerate(candidates):
            start = perf_counter()
            go(0, count)
            best[index] = min(best[index], perf_counter() - start)
    return candidates[int(np.argmin(best))]


def build(task: Task) -> Engine:
    return Limit(task)
