"""Feedforward: a trace of every z and a, and the same outputs without it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Architecture, Layer, Parameters, feedforward, predict
from tests.core.drawing import FLOAT_NAMES, TRIPLES, case_of, cases, draws


def test_by_hand() -> None:
    architecture = Architecture(2, (Layer(2, "relu"), Layer(1, "identity")), "quadratic", "float64")
    parameters = Parameters(architecture, np.array([1.0, -1, 2, 0, 0.5, -3, 1, 10, 0.25]))
    trace = feedforward(np, parameters, np.array([[1.0, 2.0], [3.0, -1.0]]))
    assert trace.layers[0].z.tolist() == [[-0.5, -1.0], [4.5, 3.0]]
    assert trace.layers[0].a.tolist() == [[0.0, 0.0], [4.5, 3.0]]
    assert trace.layers[1].z.tolist() == [[0.25], [34.75]]
    assert trace.outputs is trace.layers[1].a
    assert [at.layer for at in trace.layers] == [2, 3]


@draws(40)
@given(data=st.data(), triple=st.sampled_from(TRIPLES))
def test_outputs_alone_are_those_of_the_trace(data: st.DataObject, triple: tuple[str, str, str]) -> None:
    case = data.draw(cases(triple[2], triple[1]))
    trace = feedforward(np, case.parameters, case.x)
    np.testing.assert_array_equal(predict(np, case.parameters, case.x), trace.outputs)
    assert trace.input_of(0) is trace.x
    assert all(trace.input_of(i + 1) is at.a for i, at in enumerate(trace.layers))


def test_examples_do_not_see_each_other() -> None:
    case = case_of((3, 5, 4), ["softmax", "gelu"], "quadratic", 6, 1)
    together = predict(np, case.parameters, case.x)
    for i in range(6):
        np.testing.assert_allclose(predict(np, case.parameters, case.x[[i]])[0], together[i], rtol=1e-14)


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
def test_inputs_are_rounded_to_the_dtype_of_the_network(dtype: str) -> None:
    case = case_of((3, 2), ["tanh"], "quadratic", 2, 1, dtype)
    x = np.random.default_rng(0).standard_normal((2, 3))
    outputs = predict(np, case.parameters, x)
    assert outputs.dtype == dtype
    np.testing.assert_array_equal(outputs, predict(np, case.parameters, x.astype(dtype)))
