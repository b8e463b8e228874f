"""The gradient is the derivative of the cost: for every activation, cost and drawn depth, along random directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import backprop, input_gradient
from tests.core.derivatives import along, complex_along
from tests.core.drawing import TRIPLES, Case, cases, draws

TRIPLES_IDS = ["-".join(triple) for triple in TRIPLES]


def found_along(case: Case, direction: Any, x_direction: Any) -> tuple[float, float]:
    """dC along a direction by backpropagation, and the size that such a number has (its root mean square over directions)."""
    found = backprop(np, case.parameters, case.x, case.y)
    x_slope = input_gradient(np, case.parameters, found) / len(case.x)
    gradient = np.concatenate([found.gradient.vector, x_slope.ravel()])
    step = np.concatenate([direction, x_direction.ravel()])
    return float(gradient @ step), float(np.linalg.norm(gradient))


def directions(case: Case, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(case.parameters.vector.shape), rng.standard_normal(case.x.shape)


@pytest.mark.parametrize(("hidden", "last", "cost"), TRIPLES, ids=TRIPLES_IDS)
def test_along_random_directions(hidden: str, last: str, cost: str) -> None:
    compared = []

    @draws(8)
    @given(case=cases(cost, last, hidden), seed=st.integers(0, 2**32 - 1))
    def agree(case: Case, seed: int) -> None:
        direction, x_direction = directions(case, seed)
        derivative, size = found_along(case, direction, x_direction)
        assert abs(complex_along(case, direction, x_direction) - derivative) <= 1e-12 * max(size, 1e-3)
        differences = along(case, direction, x_direction)
        if differences is not None:
            assert abs(differences - derivative) <= 1e-8 * max(size, 1e-3)
            compared.append(size)

    agree()
    assert len(compared) >= 5, "too few draws were away from a kink"


@draws(60)
@given(data=st.data(), triple=st.sampled_from(TRIPLES))
def test_mixed_activations(data: st.DataObject, triple: tuple[str, str, str]) -> None:
    _, last, cost = triple
    case = data.draw(cases(cost, last))
    direction, x_direction = directions(case, 0)
    derivative, size = found_along(case, direction, x_direction)
    assert abs(complex_along(case, direction, x_direction) - derivative) <= 1e-11 * max(size, 1e-3)
