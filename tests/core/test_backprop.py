"""Backpropagation in matrices is the lecture's, neuron by neuron; its gradient is a mean and its errors are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import InvalidBatch, backprop, feedforward, input_gradient, per_example_gradients
from tests.core import reference
from tests.core.drawing import FLOAT_NAMES, PAIRS, Case, case_of, cases, draws


def close(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(found, np.array(expected), rtol=tolerance, atol=tolerance)


def lecture(case: Case) -> list[reference.Found]:
    names = [layer.activation for layer in case.architecture.layers]
    layers = [(held.weights.tolist(), held.biases.tolist()) for held in case.parameters.layers]
    pairs = zip(case.x.tolist(), case.y.tolist(), strict=True)
    return [reference.backprop(layers, names, case.architecture.cost, x, y) for x, y in pairs]


@pytest.mark.parametrize(("cost", "last"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_equals_the_lecture_neuron_by_neuron(cost: str, last: str) -> None:
    @draws(8)
    @given(case=cases(cost, last))
    def agree(case: Case) -> None:
        expected = lecture(case)
        found = backprop(np, case.parameters, case.x, case.y)
        close(found.cost, np.mean([one.cost for one in expected]))
        each = per_example_gradients(np, found)
        for at, held in enumerate(found.gradient.layers):
            close(found.trace.layers[at].z, [one.z[at] for one in expected])
            close(found.trace.layers[at].a, [one.a[at] for one in expected])
            close(found.errors[at], [one.delta[at] for one in expected])
            close(each[at].weights, [one.weights[at] for one in expected])
            close(each[at].biases, [one.delta[at] for one in expected])
            close(held.weights, np.mean([one.weights[at] for one in expected], axis=0))
            close(held.biases, np.mean([one.delta[at] for one in expected], axis=0))
        close(input_gradient(np, case.parameters, found), [one.x for one in expected])

    agree()


def tanh_case(examples: int = 4, dtype: str = "float64", cost: str = "quadratic", last: str = "tanh") -> Case:
    return case_of((3, 4, 4, 2), ["tanh", "softmax", last], cost, examples, 7, dtype)


def test_a_batch_is_its_examples_and_only_the_gradient_is_divided() -> None:
    case = tanh_case()
    found = backprop(np, case.parameters, case.x, case.y)
    alone = [backprop(np, case.parameters, case.x[[i]], case.y[[i]]) for i in range(4)]
    for at in range(3):
        close(found.errors[at], np.concatenate([one.errors[at] for one in alone]))
    close(found.gradient.vector, np.mean([one.gradient.vector for one in alone], axis=0))
    close(found.cost, np.mean([one.cost for one in alone]))
    for at, each in enumerate(per_example_gradients(np, found)):
        close(each.weights, np.stack([one.gradient.layers[at].weights for one in alone]))
        close(each.biases, np.stack([one.gradient.layers[at].biases for one in alone]))


def test_repeating_a_batch_changes_no_mean() -> None:
    case = tanh_case()
    once = backprop(np, case.parameters, case.x, case.y)
    thrice = backprop(np, case.parameters, np.tile(case.x, (3, 1)), np.tile(case.y, (3, 1)))
    close(thrice.gradient.vector, once.gradient.vector)
    close(thrice.cost, once.cost)
    close(thrice.errors[0][4:8], once.errors[0])


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize("given_as", [*FLOAT_NAMES, "int64"])
def test_everything_has_the_dtype_of_the_network(dtype: str, given_as: str) -> None:
    for cost, last in PAIRS:
        case = tanh_case(3, dtype, cost, last)
        found = backprop(np, case.parameters, np.ceil(case.x).astype(given_as), np.ceil(case.y).astype(given_as))
        arrays = [found.gradient.vector, *found.errors, input_gradient(np, case.parameters, found), found.trace.x]
        arrays += [array for at in found.trace.layers for array in (at.z, at.a)]
        arrays += [array for at in per_example_gradients(np, found) for array in (at.weights, at.biases)]
        assert {array.dtype.name for array in arrays} == {dtype}, (cost, last)
        assert isinstance(found.cost, float)


def test_float32_is_float64_rounded() -> None:
    for cost, last in PAIRS:
        wide = tanh_case(6, "float64", cost, last)
        narrow = tanh_case(6, "float32", cost, last)
        a, b = (backprop(np, case.parameters, case.x, case.y).gradient.vector for case in (wide, narrow))
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=3e-6, err_msg=f"{cost}, {last}")


def test_nothing_that_was_given_is_written_to() -> None:
    for cost, last in PAIRS:
        case = tanh_case(3, "float64", cost, last)
        for array in (case.parameters.vector, case.x, case.y):
            array.flags.writeable = False
        found = backprop(np, case.parameters, case.x, case.y)
        input_gradient(np, case.parameters, found)
        per_example_gradients(np, found)


@draws(30)
@given(case=cases("cross_entropy", "softmax"), seed=st.integers(0, 1000))
def test_labels_are_the_targets_that_they_stand_for(case: Case, seed: int) -> None:
    units = case.architecture.sizes[-1]
    labels = np.random.default_rng(seed).integers(0, units, len(case.x))
    by_label = backprop(np, case.parameters, case.x, labels)
    by_row = backprop(np, case.parameters, case.x, np.eye(units)[labels])
    assert by_label.cost == by_row.cost
    np.testing.assert_array_equal(by_label.gradient.vector, by_row.gradient.vector)


@pytest.mark.parametrize(
    ("y", "path"),
    [
        (np.array([0, 1, 2, 1]), ("targets", 2)),
        (np.array([0, -1, 1, 1]), ("targets", 1)),
        (np.array([0, 1, 1]), ("targets",)),
        (np.array([0.0, 1.0, 1.0, 0.0]), ("targets",)),
        (np.array([True, False, True, False]), ("targets",)),
        (np.zeros((4, 3)), ("targets",)),
        (np.zeros((3, 2)), ("targets",)),
        (np.zeros((4, 2, 1)), ("targets",)),
        (np.array(1), ("targets",)),
    ],
)
def test_targets_that_do_not_fit_are_refused_with_their_place(y: Any, path: tuple[str | int, ...]) -> None:
    case = tanh_case(4, "float64", "cross_entropy", "softmax")
    with pytest.raises(InvalidBatch) as caught:
        backprop(np, case.parameters, case.x, y)
    assert caught.value.path == path


def test_labels_are_for_the_cross_entropy_alone() -> None:
    for cost, last in PAIRS:
        if cost != "cross_entropy":
            case = tanh_case(4, "float64", cost, last)
            with pytest.raises(InvalidBatch):
                backprop(np, case.parameters, case.x, np.array([0, 1, 0, 1]))


@pytest.mark.parametrize("shape", [(3,), (0, 3), (4, 2), (4, 3, 1), ()])
def test_inputs_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    case = tanh_case()
    for run in (lambda x: feedforward(np, case.parameters, x), lambda x: backprop(np, case.parameters, x, case.y)):
        with pytest.raises(InvalidBatch) as caught:
            run(np.zeros(shape))
        assert caught.value.path == ("inputs",)


def test_a_zero_weight_network_learns_by_its_last_biases_alone() -> None:
    case = case_of((2, 3, 1), ["tanh", "identity"], "quadratic", 2, 0)
    nothing = type(case.parameters)(case.architecture, np.zeros_like(case.parameters.vector))
    gradient = backprop(np, nothing, case.x, np.array([[1.0], [3.0]])).gradient
    assert gradient.layers[1].biases.tolist() == [-2.0]
    assert not gradient.layers[0].weights.any()
    assert not gradient.layers[1].weights.any()
