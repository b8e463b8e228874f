"""A trainer holds what the same calls of `sgd_step` return, whatever the network, the optimizer and the batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Architecture, InvalidBatch, Layer, NonFiniteError, Parameters, Trainer, make_options
from core.plans import trainer as module
from core.plans.plan import Plan
from tests.core.drawing import draws
from tests.core.plans.runs import Place, Run, agree, batch_of, close, fast, parameters_of, plainly, runs

RNG = np.random.default_rng
SGD = make_options("sgd", {"learning_rate": 0.1})


@draws(400)
@given(run=runs())
def test_as_sgd_step(run: Run) -> None:
    start = Place(run.start)
    agree(fast(start, run, run.batches, Trainer), plainly(start, run, run.batches), run.tolerance)


@draws(200)
@given(run=runs(), data=st.data())
def test_across_the_seam(run: Run, data: st.DataObject) -> None:
    """What one path left, parameters and state, the other goes on from."""
    cut = data.draw(st.integers(1, len(run.batches) - 1))
    first, rest, start = run.batches[:cut], run.batches[cut:], Place(run.start)
    wanted = plainly(start, run, run.batches)
    agree(plainly(fast(start, run, first, Trainer), run, rest), wanted, run.tolerance)
    agree(fast(plainly(start, run, first), run, rest, Trainer), wanted, run.tolerance)


def a_run(activation: str = "tanh", cost: str = "quadratic", dtype: Any = "float32") -> Run:
    last = "softmax" if cost == "cross_entropy" else activation
    architecture = Architecture(6, (Layer(5, activation), Layer(4, last)), cost, dtype)
    rng = RNG(0)
    return Run(parameters_of(architecture, rng), SGD, [batch_of(architecture, 8, rng) for _ in range(2)])


AWKWARD = {
    "float64": lambda x: x.astype(np.float64),
    "integers": lambda x: np.rint(10 * x).astype(np.int64),
    "columns": np.asfortranarray,
    "every second row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: x[::-1],
    "read only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "at an odd address": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
    "mapped": lambda x: np.asarray(x).view(np.memmap),
    "big endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", AWKWARD)
def test_batches_that_are_not_as_plans_want_them(kind: str, dtype: str) -> None:
    run = a_run(dtype=dtype)
    awkward = [(AWKWARD[kind](x), AWKWARD[kind](y)) for x, y in run.batches]
    before = [(x.copy(), y.copy()) for x, y in awkward]
    native = [(np.array(x, x.dtype.newbyteorder("=")), np.array(y, y.dtype.newbyteorder("="))) for x, y in awkward]
    wanted = plainly(Place(run.start), run, native)
    agree(fast(Place(run.start), run, awkward, Trainer), wanted, run.tolerance)
    for (x, y), (x_before, y_before) in zip(awkward, before, strict=True):
        assert np.array_equal(x, x_before)
        assert np.array_equal(y, y_before)


def test_batches_that_do_not_fit_change_nothing() -> None:
    run = a_run(cost="cross_entropy")
    trainer = Trainer(run.start, SGD)
    (x, y), labels = run.batches[0], np.arange(8) % 4
    for bad_x, bad_y in (
        (x[:, :5], y),
        (x[0], y),
        (x[:0], y[:0]),
        (x, y[:, :3]),
        (x, y[:7]),
        (x, labels[:7]),
        (x, labels + 1),
        (x, labels - 1),
        (x, labels.astype(np.float64)),
    ):
        with pytest.raises(InvalidBatch):
            trainer.step(bad_x, bad_y)
    assert np.array_equal(trainer.parameters().vector, run.start.vector)


def test_neither_start_nor_what_came_out_is_written_to() -> None:
    run = a_run()
    options = make_options("sgd", {"learning_rate": 0.1, "momentum": 0.9})
    start = run.start.vector.copy()
    trainer = Trainer(run.start, options)
    trainer.step(*run.batches[0])
    parameters, state = trainer.parameters(), trainer.state()
    kept, velocity = parameters.vector.copy(), state.arrays["velocity"].copy()
    going_on = Trainer(parameters, options, state)
    for going in (trainer, going_on):
        going.step(*run.batches[1])
    assert np.array_equal(run.start.vector, start)
    assert np.array_equal(parameters.vector, kept)
    assert np.array_equal(state.arrays["velocity"], velocity)
    assert np.array_equal(trainer.parameters().vector, going_on.parameters().vector)


def test_a_state_of_another_kind_is_given_up() -> None:
    run = a_run()
    adam = Run(run.start, make_options("adam", {}), run.batches)
    other = plainly(Place(run.start), adam, run.batches).state
    agree(
        fast(Place(run.start, other), run, run.batches, Trainer),
        plainly(Place(run.start, other), run, run.batches),
        run.tolerance,
    )


def test_cost_without_a_step() -> None:
    with pytest.raises(ValueError, match="no step was made yet"):
        Trainer(a_run().start, SGD).cost()


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batch sizes that were compiled, in order."""
    sizes: list[int] = []

    class Counted(Plan):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            sizes.append(self.batch)

    monkeypatch.setattr(module, "Plan", Counted)
    return sizes


def test_epochs_with_a_ragged_end_compile_two_plans(compiled: list[int]) -> None:
    run, rng = a_run(dtype="float64"), RNG(1)
    x, y = batch_of(run.start.architecture, 50, rng)
    trainer, place = Trainer(run.start, SGD), Place(run.start)
    for _ in range(3):
        order = rng.permutation(50)
        trainer.epoch(x, y, 8, order)
        place = plainly(place, run, [(x[order[at : at + 8]], y[order[at : at + 8]]) for at in range(0, 50, 8)])
    assert compiled == [8, 2]
    close(trainer.parameters().vector, place.parameters.vector, run.tolerance)
    assert trainer.cost() == pytest.approx(place.costs[-1], rel=1e-12)


def test_epochs_over_labels() -> None:
    run = a_run(cost="cross_entropy", dtype="float64")
    x, labels = batch_of(run.start.architecture, 10, RNG(1), "labels")
    first, second = Trainer(run.start, SGD), Trainer(run.start, SGD)
    first.epoch(x, labels, 4, np.arange(10))
    second.epoch(x, np.eye(4)[labels], 4, np.arange(10))
    assert np.array_equal(first.parameters().vector, second.parameters().vector)


def test_plans_are_bounded_in_number_and_in_bytes(compiled: list[int]) -> None:
    run = a_run()
    trainer = Trainer(run.start, SGD)
    empty = trainer.nbytes
    for size in range(1, 30):
        trainer.step(*batch_of(run.start.architecture, size, RNG(0)))
    assert compiled == list(range(1, 30))
    assert trainer.nbytes - empty == (26 + 27 + 28 + 29) * 4 * (6 + 5) * 4
    small = Trainer(run.start, SGD, max_bytes=50 * 4 * (6 + 5) * 4)
    for size in (20, 30, 20, 10, 20, 60):
        small.step(*batch_of(run.start.architecture, size, RNG(0)))
        assert small.nbytes - empty <= max(50, size) * 4 * (6 + 5) * 4
    assert compiled[29:] == [20, 30, 10, 60]


OVERFLOWS = [
    "identity",
    "relu",
    "softmax",
    "elu",
    "gelu",
    "gelu_tanh",
    "silu",
    "softplus",
    "leaky_relu",
    "sigmoid",
    "tanh",
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", OVERFLOWS)
def test_what_leaves_the_finite_numbers_does_not_come_out_and_warns_nobody(activation: str, dtype: str) -> None:
    """Warnings are errors here."""
    run = a_run(activation, dtype=dtype)
    x, y = run.batches[0]
    y = np.zeros_like(y)
    y[:, 0] = np.finfo(dtype).max
    trainer = Trainer(run.start, make_options("sgd", {"learning_rate": 100.0}))
    for _ in range(4):
        trainer.step(x, y)
    with pytest.raises(NonFiniteError) as failure:
        trainer.parameters()
    assert failure.value.layer in {2, 3}
    with pytest.raises(NonFiniteError, match="cost of layer 3"):
        trainer.cost()


def test_the_first_layer_that_left_is_named() -> None:
    run = a_run("identity")
    x, y = run.batches[0]
    start = run.start.vector.copy()
    start[6 * 5 + 5 :] = 0  # no error gets past the weights of layer 3
    trainer = Trainer(Parameters(run.start.architecture, start), SGD)
    trainer.step(x, np.full_like(y, np.finfo(np.float32).max))
    with pytest.raises(NonFiniteError, match="updated weights of layer 3") as failure:
        trainer.parameters()
    assert failure.value.layer == 3


def test_a_state_that_left_the_finite_numbers_does_not_come_out() -> None:
    run = a_run("identity")
    trainer = Trainer(run.start, make_options("adam", {}))
    x, y = run.batches[0]
    trainer.step(x, y * 1e25)  # whose square is no float32, though the step is finite
    with pytest.raises(NonFiniteError, match="optimizer's square of layer 2"):
        trainer.state()


def test_clipping_does_not_hide_an_infinite_gradient() -> None:
    run = a_run("identity")
    x, y = run.batches[0]
    for option in ("clip_value", "clip_norm"):
        trainer = Trainer(run.start, make_options("sgd", {option: 1.0}))
        with pytest.raises(NonFiniteError):
            trainer.step(x * 1e30, y * 1e30)
        assert np.array_equal(trainer.parameters().vector, run.start.vector)
