"""`./dev bench core --layouts`: in which order of storage the products of a step are fastest, with the product's own BLAS.

The limit takes the best of all orders and libraries; this shows what each order costs, which is why `core.plans` has its own.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from time import perf_counter

import numpy as np

from benchmarks.core.cases import CASES, draw
from benchmarks.core.engines import Task
from benchmarks.core.engines.limit import looped_in_python
from benchmarks.core.engines.products import LAYOUTS, Layout, Products, described
from core.plans.threads import use_threads

__all__ = ["table"]

ROUNDS = 21
BURST_SECONDS = 0.03


def table(cases: Iterable[str], dtype: str) -> str:
    """For each case and order, the median of interleaved bursts on one thread, in microseconds."""
    use_threads(1)
    names = list(cases)
    found = {name: _medians(name, dtype) for name in names}
    lines = ["| stored | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for layout in LAYOUTS:
        cells = (_microseconds(found[name][layout]) for name in names)
        lines.append(f"| {described(layout)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f}" if seconds >= 1e-4 else f"{seconds * 1e6:.1f}"


def _medians(name: str, dtype: str) -> dict[Layout, float]:
    problem = draw(CASES[name], dtype)
    task = Task(problem.case, "step", dtype, 1, "scipy's openblas", problem.vector, problem.batches)
    bound = {layout: looped_in_python(task)(Products(task, layout)) for layout in LAYOUTS}
    start = perf_counter()
    bound[LAYOUTS[0]](0, 1)
    count = max(1, round(BURST_SECONDS / (perf_counter() - start)))
    bursts: dict[Layout, list[float]] = {layout: [] for layout in LAYOUTS}
    with np.errstate(all="ignore"):
        for _ in range(ROUNDS):
            for layout, go in bound.items():
                start = perf_counter()
                go(0, count)
                bursts[layout].append((perf_counter() - start) / count)
    return {layout: statistics.median(each) for layout, each in bursts.items()}
