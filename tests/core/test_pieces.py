"""A batch that is worked on some rows at a time comes to what it comes to at once, and its errors are those of the whole."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from core import Architecture, InvalidBatch, Layer, NonFiniteError, Parameters, backprop, predict
from core.pieces import backprop_by_pieces, predict_by_pieces
from core.plans.workspace import Workspace
from tests.core.drawing import PAIRS, Case, case_of


def nothing() -> None:
    """Between two pieces."""


def whole(parameters: Parameters, x: Any, y: Any) -> tuple[float, Parameters]:
    found = backprop(np, parameters, x, y)
    return found.cost, found.gradient


def drawn(cost: str = "quadratic", last: str = "sigmoid", examples: int = 23) -> Case:
    return case_of((5, 4, 3), ["tanh", last], cost, examples, 7)


@pytest.mark.parametrize(("cost", "last"), PAIRS)
@pytest.mark.parametrize("rows", [1, 7, 22, 23, 100])
def test_pieces_come_to_what_the_batch_comes_to(cost: str, last: str, rows: int) -> None:
    case = drawn(cost, last)
    outputs = predict_by_pieces(partial(predict, np, case.parameters), case.parameters, case.x, rows, nothing)
    np.testing.assert_allclose(outputs, predict(np, case.parameters, case.x), rtol=1e-13)
    found = backprop_by_pieces(partial(whole, case.parameters), case.parameters, case.x, case.y, rows, nothing)
    wanted = whole(case.parameters, case.x, case.y)
    assert found[0] == pytest.approx(wanted[0], rel=1e-13)
    np.testing.assert_allclose(found[1].vector, wanted[1].vector, rtol=1e-11, atol=1e-14)


def test_labels_and_what_is_compiled() -> None:
    case = drawn("cross_entropy", "softmax")
    labels, workspace = np.arange(23) % 3, Workspace(case.architecture)
    wanted = whole(case.parameters, case.x, labels)
    found = workspace.backprop(case.parameters, case.x, labels, rows=6)
    assert found[0] == pytest.approx(wanted[0], rel=1e-13)
    np.testing.assert_allclose(found[1].vector, wanted[1].vector, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(
        workspace.predict(case.parameters, case.x, rows=6), predict(np, case.parameters, case.x), rtol=1e-13
    )


def test_a_batch_that_does_not_fit_is_named_as_a_whole() -> None:
    case = drawn("cross_entropy", "softmax")
    labels = np.zeros(23, np.int64)
    labels[20] = 5
    with pytest.raises(InvalidBatch) as raised:
        backprop_by_pieces(partial(whole, case.parameters), case.parameters, case.x, labels, 4, nothing)
    assert raised.value.path == ("targets", 20)
    for wrong in (case.x[:, 1:], case.x[:0]):
        with pytest.raises(InvalidBatch):
            predict_by_pieces(partial(predict, np, case.parameters), case.parameters, wrong, 4, nothing)


def test_the_first_layer_that_leaves_the_finite_numbers_is_that_of_the_batch() -> None:
    linear = Architecture(1, (Layer(1, "identity"), Layer(1, "identity")), "quadratic", "float64")
    parameters = Parameters(linear, np.array([1e200, 0.0, 1e200, 0.0]))
    x = np.array([[1e-300]] * 4 + [[1e100]] * 4 + [[1e200]] * 4)  # fine, too large for layer 3, too large for layer 2
    for work in (
        lambda: predict_by_pieces(partial(predict, np, parameters), parameters, x, 4, nothing),
        lambda: backprop_by_pieces(partial(whole, parameters), parameters, x, np.zeros((12, 1)), 4, nothing),
        lambda: Workspace(linear).predict(parameters, x, rows=4),
        lambda: Workspace(linear).backprop(parameters, x, np.zeros((12, 1)), rows=4),
    ):
        with pytest.raises(NonFiniteError) as raised:
            work()
        assert raised.value.layer == 2


def test_it_ends_between_two_pieces_when_it_is_told_to() -> None:
    class Enough(Exception):
        """Somebody has it."""

    case, seen = drawn(), []

    def between() -> None:
        if len(seen) == 2:
            raise Enough

    def through(x: Any) -> Any:
        seen.append(len(x))
        return predict(np, case.parameters, x)

    with pytest.raises(Enough):
        predict_by_pieces(through, case.parameters, case.x, 6, between)
    assert seen == [6, 6]


def test_pieces_are_even() -> None:
    case, seen = drawn(), []

    def through(x: Any, y: Any) -> tuple[float, Parameters]:
        seen.append((len(x), len(y)))
        return whole(case.parameters, x, y)

    backprop_by_pieces(through, case.parameters, case.x, case.y, 22, nothing)
    assert seen == [(12, 12), (11, 11)]
