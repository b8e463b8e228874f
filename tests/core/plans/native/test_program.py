"""Programs do what Python's calls do, to the bit: every activation with every cost, every way to broadcast, every batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Architecture, Gradients, InvalidBatch, Layer, Parameters, Predictor, Trainer, make_options
from core.plans import plan
from core.plans.calls import Given, Run, Step, Waiting, dispatched
from core.plans.native.library import runner, trainer
from core.plans.native.program import joined
from core.plans.native.records import records_of
from tests.core.drawing import FLOAT_NAMES, TRIPLES, case_of, draws

SGD = make_options("sgd", {"learning_rate": 0.1, "weight_decay": 0.01})


def programs(*steps: Step) -> list[Run]:
    runs = joined(steps, releases=False)
    assert runs is not None
    return runs


def test_it_was_built() -> None:
    assert runner(releases=False) is not None
    assert runner(releases=True) is not None
    assert trainer() is not None


def found(case: Any, cold: int, patch: pytest.MonkeyPatch) -> list[Any]:
    """All that plans answer, from plans that are joined after so many runs."""
    patch.setattr(plan, "COLD_RUNS", cold)
    training, gradients, predictor = (
        Trainer(case.parameters, SGD),
        Gradients(case.parameters),
        Predictor(case.parameters),
    )
    for _ in range(3):
        training.step(case.x, case.y)
        cost, gradient = gradients.backprop(case.x, case.y)
        outputs = predictor.predict(case.x)
    return [training.parameters().vector, training.cost(), gradient.vector, cost, outputs]


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
@pytest.mark.parametrize(("hidden", "last", "cost"), TRIPLES)
def test_the_same_bits(hidden: str, last: str, cost: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for examples in (1, 5, 67):
        case = case_of((9, 17, 1, 6, 3), [hidden, hidden, hidden, last], cost, examples, 3, dtype)
        for mine, its in zip(found(case, 1, monkeypatch), found(case, 100, monkeypatch), strict=True):
            assert np.array_equal(mine, its)


# --- the loops of NumPy -----------------------------------------------------------------------------------------------

SHAPES = ["whole", "row", "column", "one", "scalar", "given", "strided"]


@st.composite
def loops(draw: st.DrawFn) -> tuple[int, int, str, list[str], np.ufunc]:
    sizes = draw(st.tuples(st.integers(1, 9), st.integers(1, 40)))
    ufunc = draw(
        st.sampled_from([np.add, np.subtract, np.multiply, np.divide, np.greater, np.tanh, np.exp, np.positive])
    )
    # What is given has the dtype of what it goes into, which a comparison's answer has not.
    shapes = [name for name in SHAPES if name != "given" or ufunc is not np.greater]
    operands = draw(st.lists(st.sampled_from(shapes), min_size=ufunc.nin, max_size=ufunc.nin))
    return (*sizes, draw(st.sampled_from(FLOAT_NAMES)), operands, ufunc)


@draws(400)
@given(loop=loops(), in_place=st.booleans())
def test_a_loop_over_operands_of_any_shape(loop: tuple[int, int, str, list[str], np.ufunc], in_place: bool) -> None:
    rows, columns, dtype, operands, ufunc = loop
    rng = np.random.default_rng(rows * 100 + columns)
    whole = rng.uniform(0.5, 2.0, (rows, columns)).astype(dtype)
    y = rng.uniform(0.5, 2.0, (columns, rows)).astype(dtype)
    numbers = {
        "whole": whole,
        "row": whole[:1].copy(),
        "column": whole[:, :1].copy(),
        "one": whole[:1, :1].copy(),
        "scalar": np.array(0.75, dtype),
        "given": y.T,
        "strided": np.repeat(whole, 2, axis=1)[:, ::2],
    }
    wanted = ufunc(*(numbers[name] for name in operands))
    out = whole if in_place and ufunc is not np.greater else np.empty(whole.shape, wanted.dtype)
    if operands.count("given") == 1:
        at = operands.index("given")
        bound = [numbers[name] for name in operands]
        step: Step = Waiting(Given.Y, ufunc, tuple(bound[:at]), (*bound[at + 1 :], out))
    else:
        step = partial(ufunc, *(numbers[name] for name in operands), out)
    assert records_of(step) is not None
    for run in programs(step):
        run(y, y, y)
    assert np.array_equal(out, np.broadcast_to(wanted, out.shape))


@pytest.mark.parametrize("dtype", FLOAT_NAMES)
def test_masks_keep_what_numpy_keeps(dtype: str) -> None:
    """An infinity times False is not a number, there as here."""
    numbers = np.array([[1, -2, np.inf], [np.nan, 0, 3]] * 50, dtype)
    mask = np.resize([True, False, False, True], numbers.shape)
    with np.errstate(invalid="ignore"):
        wanted = numbers * mask
    for run in programs(partial(np.multiply, numbers, mask, numbers)):
        run(numbers, numbers, numbers)
    assert np.array_equal(numbers, wanted, equal_nan=True)


def other(array: Any) -> None:
    array += 1


REFUSED: dict[str, Any] = {
    "a function of Python's": partial(other, np.zeros(3)),
    "a conversion": partial(np.add, np.zeros(3, np.float32), np.zeros(3), np.zeros(3)),
    "a mask that is not in place": partial(np.multiply, np.zeros(3), np.zeros(3, bool), np.zeros(3)),
    "a mask of another shape": partial(np.multiply, np.ones((2, 3)), np.ones(3, bool), np.ones((2, 3))),
    "three axes": partial(np.positive, np.zeros((2, 2, 2)), np.zeros((2, 2, 2))),
    "keywords": partial(np.positive, np.zeros(3), out=np.zeros(3)),
    "a maximum along the rows": partial(np.maximum.reduce, np.zeros((2, 3)), 1, None, np.zeros((2, 1)), True),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_told_stays_pythons(name: str) -> None:
    assert records_of(REFUSED[name]) is None


def test_python_and_programs_take_turns() -> None:
    total, told = np.zeros(3), []
    steps: list[Step] = [
        partial(np.add, total, np.ones(3), total),
        lambda: told.append(total.copy()),
        Waiting(Given.Y, np.multiply, (total[np.newaxis].T,), (total[np.newaxis].T,)),
        partial(np.add, total, np.ones(3), total),
    ]
    y = np.array([[2.0, 3.0, 4.0]])
    runs = programs(*steps)
    assert len(runs) == 3
    for run in runs:
        run(y, y, y)
    assert [list(each) for each in told] == [[1, 1, 1]]
    assert list(total) == [3, 4, 5]
    dispatched(steps, releases=False)(y, y, y)
    assert list(total) == [9, 16, 25]


# --- batch after batch ------------------------------------------------------------------------------------------------


def a_training(activation: str = "sigmoid") -> tuple[Parameters, Any, Any]:
    case = case_of((70, 12, 4), [activation, activation], "quadratic", 53, 1, "float32")
    return case.parameters, case.x, case.y


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "gelu"])
@pytest.mark.parametrize("values", [{}, {"momentum": 0.9}, {"weight_decay": 0.1}])
def test_an_epoch_is_its_steps(activation: str, values: dict[str, float]) -> None:
    start, x, y = a_training(activation)
    options = make_options("sgd", {"learning_rate": 0.1} | values)
    one, other = Trainer(start, options), Trainer(start, options)
    for epoch in range(3):
        order = np.random.default_rng(epoch).permutation(len(x))
        one.epoch(x, y, 5, order)
        for at in range(0, len(order), 5):
            other.step(x[order[at : at + 5]], y[order[at : at + 5]])
    assert np.array_equal(one.parameters().vector, other.parameters().vector)
    assert one.cost() == other.cost()


def test_an_epoch_of_whole_batches_tells_the_last_ones_cost() -> None:
    start, x, y = a_training()
    one, other = Trainer(start, SGD), Trainer(start, SGD)
    one.epoch(x, y, 10, np.arange(50))
    for at in range(0, 50, 10):
        other.step(x[at : at + 10], y[at : at + 10])
    assert one.cost() == other.cost()


@pytest.mark.parametrize("order", [[0, 53], [-1, 3], [2**40]])
def test_an_order_beyond_the_rows_is_refused_and_nothing_moves(order: list[int]) -> None:
    start, x, y = a_training()
    training = Trainer(start, SGD)
    with pytest.raises(InvalidBatch, match="53 rows"):
        training.epoch(x, y, 1, np.array(order))
    assert np.array_equal(training.parameters().vector, start.vector)


def test_any_order_of_any_integers() -> None:
    start, x, y = a_training()
    first, *others = [Trainer(start, SGD) for _ in range(3)]
    order = np.arange(0, 53, 2)
    first.epoch(x, y, 4, order)
    for each, way in zip(others, (order.astype(np.uint8), np.repeat(order, 2)[::2]), strict=True):
        each.epoch(x, y, 4, way)
        assert np.array_equal(each.parameters().vector, first.parameters().vector)


def test_long_epochs_are_gone_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    start, x, y = a_training()
    whole, parts = Trainer(start, SGD), Trainer(start, SGD)
    whole.epoch(x, y, 5, np.arange(53))
    monkeypatch.setattr("core.plans.trainer.MULTIPLICATIONS_AT_ONCE", 1)
    parts.epoch(x, y, 5, np.arange(53))
    assert np.array_equal(whole.parameters().vector, parts.parameters().vector)


def test_many_threads_each_with_a_plan_of_its_own() -> None:
    """Programs that let other threads go on share no memory."""
    layers = (Layer(300, "tanh"), Layer(10, "identity"))
    architecture = Architecture(784, layers, "quadratic", "float32")
    rng = np.random.default_rng(0)
    start = Parameters(architecture, (0.05 * rng.standard_normal(architecture.parameter_count)).astype(np.float32))
    x, y = rng.random((64, 784), np.float32), rng.random((64, 10), np.float32)

    def trained(_: int) -> Any:
        training = Trainer(start, make_options("sgd", {"learning_rate": 1e-3}))
        for _step in range(30):
            training.step(x, y)
        return training.parameters().vector

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(trained, range(8))
    assert all(np.array_equal(each, first) for each in others)


def test_a_gradient_is_an_array_of_its_own_each_time() -> None:
    """Products write into it where it is: what was answered before stays as it was."""
    start, x, y = a_training()
    gradients = Gradients(start)
    answered = [gradients.backprop(x[at : at + 5], y[at : at + 5])[1].vector for at in range(0, 50, 5)]
    kept = [vector.copy() for vector in answered]
    anew = [Gradients(start).backprop(x[at : at + 5], y[at : at + 5])[1].vector for at in range(0, 50, 5)]
    for vectors in zip(answered, kept, anew, strict=True):
        assert np.array_equal(vectors[0], vectors[1])
        assert np.array_equal(vectors[0], vectors[2])
