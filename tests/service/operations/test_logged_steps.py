"""A logged step comes to the same bits again: whatever the batch's place in memory, and whatever else is computed meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from core import Architecture, Layer, Parameters, initialize, make_options, select
from core.plans import threads
from core.plans.threads import use_threads
from service.engine.base import Snapshot
from service.operations import workspaces
from service.operations.logged_steps import LoggedSteps
from service.operations.workspaces import Workspaces
from service.storage.base import NetworkRecord, StepRecord
from service.storage.steps import decode_step, encode_step

BACKEND = select("numpy")
OPTIONS = (
    make_options("sgd", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    make_options("adam", {"clip_norm": 0.1, "weight_decay": 0.01, "decay_biases": False}),
    make_options("adadelta", {"clip_value": 0.01}),
)


def snapshot(dtype: str, *sizes: int, cost: str = "quadratic", last: str = "tanh") -> Snapshot:
    layers = (*(Layer(units, "gelu") for units in sizes[1:-1]), Layer(sizes[-1], last))
    architecture = Architecture(sizes[0], layers, cost, dtype)
    vector = initialize(architecture, "scaled_gaussian", 7).astype(dtype)
    return Snapshot(NetworkRecord("net_a", None, {}, 0, "", ""), architecture, Parameters(architecture, vector), None)


def steps() -> LoggedSteps:
    return LoggedSteps(BACKEND, Workspaces(BACKEND))


def read_again(record: StepRecord) -> StepRecord:
    """What a store gives back."""
    encoded = encode_step(record, "net_a", 1)
    return decode_step(encoded.joined(), encoded.digest, "net_a", 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("is_compiled", [True, False])
def test_a_record_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch, dtype: str, is_compiled: bool) -> None:
    if not is_compiled:
        monkeypatch.setattr(workspaces, "_LARGEST", 0)
    rng, mine, others = np.random.default_rng(0), steps(), steps()
    current = again = snapshot(dtype, 50, 70, 30, 9)
    for options in OPTIONS * 2:
        x, y = rng.standard_normal((50, 16)).T, rng.random((16, 9))  # neither in one piece nor of the network's dtype
        made, record = mine.take(current, x, y, options)
        assert record.inputs.dtype == record.targets.dtype == dtype
        assert record.numerics["path"] == ("compiled" if is_compiled else "plain")
        parameters, state = others(again, read_again(record))
        assert parameters.vector.tobytes() == made.parameters.vector.tobytes()
        assert state.kind == made.state.kind
        assert all(state.arrays[name].tobytes() == array.tobytes() for name, array in made.state.arrays.items())
        current = replace(current, parameters=made.parameters, optimizer=made.state)
        again = replace(again, parameters=parameters, optimizer=state)


@pytest.mark.parametrize("is_compiled", [True, False])
def test_what_was_made_in_pieces_is_made_in_the_same_ones_again(
    monkeypatch: pytest.MonkeyPatch, is_compiled: bool
) -> None:
    if not is_compiled:
        monkeypatch.setattr(workspaces, "_LARGEST", 0)
    rng, current = np.random.default_rng(0), snapshot("float64", 50, 70, 30, 9)
    x, y = rng.standard_normal((16, 50)), rng.random((16, 9))
    at_once, whole = steps().take(current, x, y, OPTIONS[0])
    monkeypatch.setattr(workspaces, "_PIECE", 5 * 8 * (50 + 70 + 30 + 9))
    made, record = steps().take(current, x, y, OPTIONS[0])
    assert record.numerics["rows"] == "5"
    assert made.parameters.vector.tobytes() != at_once.parameters.vector.tobytes()
    monkeypatch.undo()
    assert steps()(current, read_again(record))[0].vector.tobytes() == made.parameters.vector.tobytes()
    before_pieces = replace(whole, numerics={name: how for name, how in whole.numerics.items() if name != "rows"})
    assert steps()(current, before_pieces)[0].vector.tobytes() == at_once.parameters.vector.tobytes()


def test_labels_are_recorded_as_the_integers_that_they_are() -> None:
    at = snapshot("float32", 5, 4, 3, cost="cross_entropy", last="softmax")
    x, labels = np.ones((3, 5)), np.array([2, 0, 1])
    made, record = steps().take(at, x, labels, OPTIONS[0])
    assert (record.targets.dtype, record.targets.tolist()) == (np.int64, [2, 0, 1])
    assert steps()(at, read_again(record))[0].vector.tobytes() == made.parameters.vector.tobytes()


@pytest.fixture
def others() -> Iterator[None]:
    """Somebody who asks for another number of threads all the time."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            use_threads(1)
            use_threads(2)

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    ended.set()
    thread.join()
    use_threads(1)


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("count", [1, 2])
def test_the_number_of_threads_is_the_recorded_one(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(threads, "_threshold", 10**12 if count == 1 else 1)
    monkeypatch.setattr(threads, "_most", lambda: 2)
    at, rng = snapshot("float32", 784, 257, 100), np.random.default_rng(1)
    x, y = rng.standard_normal((200, 784)), rng.random((200, 100))
    made, record = steps().take(at, x, y, OPTIONS[1])
    assert (record.numerics["path"], record.numerics["threads"]) == ("compiled", str(count))
    monkeypatch.setattr(threads, "_threshold", 1 if count == 1 else 10**12)  # another machine would choose otherwise
    again = steps()
    for _ in range(20):
        assert again(at, record)[0].vector.tobytes() == made.parameters.vector.tobytes()
