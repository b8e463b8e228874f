"""Derivatives along a direction, found without backpropagation: by central differences and by the complex step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from core import Parameters, feedforward
from core.costs import output_layer
from tests.core.drawing import Case

COMPLEX_STEP = 1e-30


def mean_cost(case: Case, vector: Any, x: Any) -> Any:
    """C for other parameters and inputs, which may be complex."""
    with np.errstate(all="ignore"):  # a complex power of e may underflow
        trace = feedforward(np, Parameters(case.architecture, vector), x)
        last = trace.layers[-1]
        head = output_layer(case.architecture.cost, case.architecture.layers[-1].activation)
        return np.mean(head.value(np, case.y, last.z, last.a))


def smooth_pieces(case: Case, vector: Any, x: Any) -> list[Any]:
    """On which side of every kink the network is: two points with equal sides have no kink of z or a - y between them."""
    trace = feedforward(np, Parameters(case.architecture, vector), x)
    d = trace.outputs - case.y
    return [*(at.z > 0 for at in trace.layers), d > 0, abs(d) < 1]


def richardson(f: Callable[[float], float], step: float) -> float:
    """f'(0) by central differences with steps h, h/2, h/4, extrapolated to the order h^6."""
    d1, d2, d4 = ((f(h) - f(-h)) / (2 * h) for h in (step, step / 2, step / 4))
    e1, e2 = (4 * d2 - d1) / 3, (4 * d4 - d2) / 3
    return (16 * e2 - e1) / 15


def along(case: Case, direction: Any, x_direction: Any) -> float | None:
    """dC along a direction of parameters and inputs by differences; None where a kink is nearer than the smallest step."""
    here = smooth_pieces(case, case.parameters.vector, case.x)

    def moved(t: float) -> tuple[Any, Any]:
        return case.parameters.vector + t * direction, case.x + t * x_direction

    for step in (4e-3, 1e-3, 2e-4):
        sides = [smooth_pieces(case, *moved(t)) for t in (-step, -step / 2, step / 2, step)]
        if all(np.array_equal(a, b) for side in sides for a, b in zip(here, side, strict=True)):
            return richardson(lambda t: float(mean_cost(case, *moved(t))), step)
    return None


def complex_along(case: Case, direction: Any, x_direction: Any) -> float:
    """The same by the complex step: exact to rounding, and indifferent to how near a kink is."""
    cost = mean_cost(
        case, case.parameters.vector + 1j * COMPLEX_STEP * direction, case.x + 1j * COMPLEX_STEP * x_direction
    )
    return float(cost.imag / COMPLEX_STEP)
