"""The whole of the mathematics on other array modules: nothing of it is NumPy's own, and the numbers are NumPy's."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from core import (
    ACTIVATIONS,
    OPTIMIZERS,
    Backend,
    InvalidBatch,
    NonFiniteError,
    Parameters,
    backprop,
    input_gradient,
    make_options,
    per_example_gradients,
    predict,
    sgd_step,
)
from tests.core.drawing import FLOAT_NAMES, PAIRS, Case, case_of

MODULES = [
    pytest.param("array_api_strict", marks=pytest.mark.array_api),
    pytest.param("cupy", marks=pytest.mark.gpu),
]


@pytest.fixture(params=MODULES)
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "cupy":
        found: Backend = request.getfixturevalue("cupy_backend")
        return found
    return Strict("array_api_strict", import_module("array_api_strict"), "cpu", "none")


class Strict(Backend):
    """array_api_strict, with its own way to the host."""

    def to_host(self, array: Any) -> Any:
        return np.asarray(array)


def there(backend: Backend, case: Case) -> tuple[Parameters, Any, Any]:
    dtype = getattr(backend.xp, case.architecture.dtype)
    vector, x, y = (backend.xp.asarray(array, dtype=dtype) for array in (case.parameters.vector, case.x, case.y))
    return Parameters(case.architecture, vector), x, y


def same(backend: Backend, found: Any, expected: Any) -> None:
    host = backend.to_host(found)
    assert host.dtype == expected.dtype
    tolerance = {"float32": 2e-5, "float64": 1e-12}[host.dtype.name]
    np.testing.assert_allclose(host, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize(("cost", "last"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_everything_that_a_backward_pass_finds(backend: Backend, cost: str, last: str, dtype: str) -> None:
    hidden = list(ACTIVATIONS)[PAIRS.index((cost, last)) % len(ACTIVATIONS)]
    case = case_of((3, 4, 4, 3), [hidden, "softmax", last], cost, 5, 1, dtype)
    parameters, x, y = there(backend, case)
    found, expected = backprop(backend.xp, parameters, x, y), backprop(np, case.parameters, case.x, case.y)
    np.testing.assert_allclose(found.cost, expected.cost, rtol=1e-5 if dtype == "float32" else 1e-13)
    same(backend, found.gradient.vector, expected.gradient.vector)
    for at in range(3):
        same(backend, found.errors[at], expected.errors[at])
        same(backend, found.trace.layers[at].z, expected.trace.layers[at].z)
        same(backend, found.trace.layers[at].a, expected.trace.layers[at].a)
    each, each_expected = per_example_gradients(backend.xp, found), per_example_gradients(np, expected)
    for ours, wanted in zip(each, each_expected, strict=True):
        same(backend, ours.weights, wanted.weights)
        same(backend, ours.biases, wanted.biases)
    same(backend, input_gradient(backend.xp, parameters, found), input_gradient(np, case.parameters, expected))
    same(backend, predict(backend.xp, parameters, x), expected.trace.outputs)


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer(backend: Backend, kind: str, dtype: str) -> None:
    case = case_of((3, 4, 2), ["tanh", "sigmoid"], "quadratic", 5, 2, dtype)
    parameters, x, y = there(backend, case)
    expected, state, host_state = case.parameters, None, None
    options = make_options(kind, {"weight_decay": 0.1, "clip_norm": 0.5, "clip_value": 0.2, "decay_biases": False})
    for _ in range(4):
        step = sgd_step(backend.xp, parameters, state, x, y, options)
        host = sgd_step(np, expected, host_state, case.x, case.y, options)
        parameters, state, expected, host_state = step.parameters, step.state, host.parameters, host.state
    same(backend, parameters.vector, expected.vector)
    assert set(state.arrays) == set(host_state.arrays)


def test_labels(backend: Backend) -> None:
    case = case_of((3, 3), ["softmax"], "cross_entropy", 4, 2)
    parameters, x, _ = there(backend, case)
    labels = np.array([0, 2, 1, 1])
    found = backprop(backend.xp, parameters, x, backend.xp.asarray(labels))
    same(backend, found.gradient.vector, backprop(np, case.parameters, case.x, labels).gradient.vector)
    with pytest.raises(InvalidBatch) as caught:
        backprop(backend.xp, parameters, x, backend.xp.asarray(np.array([0, 1, 3, 7])))
    assert caught.value.path == ("targets", 2)


def test_numbers_of_another_dtype_are_rounded_first(backend: Backend) -> None:
    case = case_of((3, 3), ["tanh"], "quadratic", 4, 2, "float32")
    parameters, _, y = there(backend, case)
    x = np.random.default_rng(0).standard_normal((4, 3))
    found = backprop(backend.xp, parameters, backend.xp.asarray(x), y)
    same(backend, found.errors[0], backprop(np, case.parameters, x, case.y).errors[0])


def test_what_leaves_the_finite_numbers_is_named(backend: Backend) -> None:
    case = case_of((2, 2, 2), ["identity", "identity"], "quadratic", 1, 2)
    parameters, x, y = there(backend, case)
    huge = Parameters(case.architecture, parameters.vector * 1e200)
    with pytest.raises(NonFiniteError) as caught:
        backprop(backend.xp, huge, x, y)
    assert (caught.value.layer, caught.value.quantity) == (3, "weighted inputs")
