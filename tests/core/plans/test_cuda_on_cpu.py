"""`CudaTrainer` on a model of CuPy: the kernels' text, the products' arguments, the order of copies, and no reading in a step.

No device takes part; `test_cuda.py` has the tests that need one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from core import Architecture, Backend, InvalidBatch, Layer, NonFiniteError, Parameters, make_options
from core.activations import ACTIVATIONS
from core.optimizers import OptimizerState
from core.plans.cuda.kernels import SLOPES, VALUES, Kernels
from core.plans.cuda.trainer import CudaTrainer
from tests.core.drawing import PAIRS, draws
from tests.core.plans.cupy_on_cpu import COMPILER, CupyOnCpu, DeviceArray, ElementwiseKernel, Trips
from tests.core.plans.runs import Place, Run, agree, batch_of, close, fast, parameters_of, plainly, runs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMPILER is None, reason="compiles the kernels' text: needs g++"),
]
CUPY = CupyOnCpu()
BACKEND = Backend("cupy", CUPY, "a model on the CPU", "a model on the CPU")
EXACT = 1e-13


@pytest.fixture(autouse=True, scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    ElementwiseKernel.folder = tmp_path_factory.mktemp("kernels")


def home(place: Place) -> Place:
    """What came out, in the host's memory."""
    assert place.state is not None
    assert isinstance(place.parameters.vector, DeviceArray)
    arrays = {}
    for name, array in place.state.arrays.items():
        assert isinstance(array, DeviceArray)
        arrays[name] = array.view(np.ndarray)
    parameters = Parameters(place.parameters.architecture, place.parameters.vector.view(np.ndarray))
    return Place(parameters, OptimizerState(place.state.kind, arrays), place.costs)


def trained(place: Place, run: Run, batches: list[tuple[Any, Any]]) -> Place:
    return home(fast(place, run, batches, lambda *start: CudaTrainer(BACKEND, *start)))


@draws(150)
@given(run=runs())
def test_as_sgd_step(run: Run) -> None:
    agree(trained(Place(run.start), run, run.batches), plainly(Place(run.start), run, run.batches), run.tolerance)


@draws(60)
@given(run=runs())
def test_across_the_seam(run: Run) -> None:
    first, rest, start = run.batches[:1], run.batches[1:], Place(run.start)
    wanted = plainly(start, run, run.batches)
    agree(plainly(trained(start, run, first), run, rest), wanted, run.tolerance)
    agree(trained(plainly(start, run, first), run, rest), wanted, run.tolerance)


def on(array: Any) -> Any:
    return CUPY.asarray(array)


Z = np.concatenate([np.linspace(-12, 12, 97), [0.0, -0.0, 1e-8, -1e-8, 1e4, -1e4, 700.0, -700.0]])


@pytest.mark.parametrize("name", VALUES)
def test_each_activation_and_its_slope(name: str) -> None:
    z, delta = on(Z[None, :].copy()), on(np.ones((1, len(Z))))
    a = on(np.empty_like(Z)[None, :])
    Kernels(CUPY).activate(name, on(np.zeros(len(Z))), z, a)()
    Kernels(CUPY).pull(name, z, a, delta)()
    definition = ACTIVATIONS[name]
    with np.errstate(all="ignore"):
        value = definition.value(np, Z[None, :])
        slope = definition.pullback(np, np.ones((1, len(Z))), Z[None, :], value)
    np.testing.assert_allclose(a, value, rtol=EXACT, atol=1e-300)
    np.testing.assert_allclose(delta, slope, rtol=1e-11, atol=1e-15)  # 1 - a^2 and a (1 - a) cancel


def test_every_activation_has_a_kernel() -> None:
    assert set(VALUES) == set(SLOPES) == set(ACTIVATIONS) - {"softmax"}


@pytest.mark.parametrize("width", [1, 2, 31, 32, 33, 100])
def test_softmax_in_warps(width: int) -> None:
    rng = np.random.default_rng(width)
    z, b, v = rng.standard_normal((3, width)) * 50, rng.standard_normal(width), rng.standard_normal((3, width))
    at_z, at_a, at_v = on(z), on(z), on(v)
    Kernels(CUPY).activate("softmax", on(b), at_z, at_a)()
    Kernels(CUPY).pull("softmax", at_z, at_a, at_v)()
    a = ACTIVATIONS["softmax"].value(np, z + b)
    np.testing.assert_allclose(at_z, z + b, rtol=EXACT)
    np.testing.assert_allclose(at_a, a, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(at_v, ACTIVATIONS["softmax"].pullback(np, v, z + b, a), rtol=1e-9, atol=1e-15)


def test_which_heads_take_more_than_one_launch() -> None:
    z = on(np.ones((2, 3)))
    without = {pair for pair in PAIRS if Kernels(CUPY).error(*pair, z, z, z) is None}
    assert without == {
        (cost, "softmax")
        for cost in ("quadratic", "mean_squared_error", "mean_absolute_error", "huber", "binary_cross_entropy")
    }


SGD = make_options("sgd", {"learning_rate": 0.1})
OPTIONS = {
    "descent": SGD,
    "momentum": make_options("sgd", {"learning_rate": 0.1, "momentum": 0.9}),
    "clipped": make_options(
        "sgd", {"learning_rate": 0.1, "clip_norm": 0.1, "clip_value": 0.01, "weight_decay": 0.1, "decay_biases": False}
    ),
    "adam": make_options("adam", {}),
    "nadam": make_options("nadam", {}),
    "adagrad": make_options("adagrad", {}),
}


def a_run(kind: str = "descent", cost: str = "cross_entropy", dtype: Any = "float64") -> Run:
    last = "softmax" if cost == "cross_entropy" else "identity"
    architecture, rng = Architecture(6, (Layer(5, "relu"), Layer(4, last)), cost, dtype), np.random.default_rng(0)
    return Run(parameters_of(architecture, rng), OPTIONS[kind], [batch_of(architecture, 8, rng) for _ in range(3)])


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_step_never_reads_from_the_device(kind: str) -> None:
    run = a_run(kind)
    trainer = CudaTrainer(BACKEND, run.start, run.options)
    batches = [(on(x), on(y)) for x, y in run.batches]
    before = Trips.count
    for x, y in batches:
        trainer.step(x, y)
    trainer.epoch(*run.batches[0], 3, np.arange(8))
    trainer.epoch(*batches[0], 3, np.arange(8))
    trainer.step(run.batches[0][0], np.arange(8) % 4)
    assert Trips.count == before
    trainer.cost()
    assert Trips.count > before


@pytest.mark.parametrize("where", ["host", "device"])
def test_epochs_from_either_memory(where: str) -> None:
    """On the host, copies happen as late as the events allow."""
    run, rng = a_run(), np.random.default_rng(1)
    x, labels = batch_of(run.start.architecture, 50, rng, "labels")
    here = (x, labels) if where == "host" else (on(x), on(labels))
    trainer, place = CudaTrainer(BACKEND, run.start, SGD), Place(run.start)
    for _ in range(2):
        order = rng.permutation(50)
        trainer.epoch(*here, 8, order)
        place = plainly(place, run, [(x[order[at : at + 8]], labels[order[at : at + 8]]) for at in range(0, 50, 8)])
    close(trainer.parameters().vector.view(np.ndarray), place.parameters.vector, run.tolerance)
    assert trainer.cost() == pytest.approx(place.costs[-1], rel=1e-12)


@pytest.mark.parametrize(("allowed", "mode"), [(False, 0), (True, 3)])
def test_tf32_is_off_unless_asked_for(allowed: bool, mode: int) -> None:
    run, cublas = a_run(dtype="float32"), CUPY.cuda.cublas
    cublas.used.clear()
    CudaTrainer(BACKEND, run.start, SGD, allow_tf32=allowed).step(*run.batches[0])
    assert cublas.used == {mode}


def test_handles_are_given_back() -> None:
    run, cublas = a_run(), CUPY.cuda.cublas
    before = len(cublas.modes)
    trainer = CudaTrainer(BACKEND, run.start, SGD)
    trainer.step(*run.batches[0])
    assert len(cublas.modes) == before + 1
    del trainer
    assert len(cublas.modes) == before


def test_what_leaves_the_finite_numbers_does_not_come_out() -> None:
    run = a_run(cost="quadratic")
    x, y = run.batches[0]
    for values in ({}, {"clip_norm": 1.0}, {"clip_value": 1.0}):
        trainer = CudaTrainer(BACKEND, run.start, make_options("sgd", {"learning_rate": 10.0, **values}))
        trainer.step(x, np.full_like(y, np.finfo(np.float64).max))
        with pytest.raises(NonFiniteError, match="updated weights of layer 2"):
            trainer.parameters()
        with pytest.raises(NonFiniteError, match="cost of layer 3"):
            trainer.cost()


def test_batches_that_do_not_fit() -> None:
    run = a_run()
    trainer, (x, y) = CudaTrainer(BACKEND, run.start, SGD), run.batches[0]
    for bad_x, bad_y in ((x[:, :5], y), (x, y[:7]), (x, np.arange(8)), (on(x), on(np.arange(8))), (x[:0], y[:0])):
        with pytest.raises(InvalidBatch):
            trainer.step(bad_x, bad_y)
    with pytest.raises(ValueError, match="no step was made yet"):
        trainer.cost()


def test_awkward_batches_and_neither_start_nor_batch_is_written_to() -> None:
    run = a_run()
    x, y = run.batches[0]
    start = run.start.vector.copy()
    first, second = (CudaTrainer(BACKEND, run.start, SGD) for _ in range(2))
    first.step(on(x), on(y))
    second.step(np.asfortranarray(x[::-1]), np.asfortranarray(y[::-1]))
    second.step(on(np.asfortranarray(x)), on(y.astype(np.float32)).astype(np.float64))
    first.step(on(x)[::-1], on(y.astype(np.float32))[::-1])
    close(first.parameters().vector.view(np.ndarray), second.parameters().vector.view(np.ndarray), 1e-7)
    assert np.array_equal(run.start.vector, start)


def test_plans_are_bounded() -> None:
    run = a_run()
    trainer = CudaTrainer(BACKEND, run.start, SGD)
    empty = trainer.nbytes
    for size in range(1, 12):
        trainer.step(*batch_of(run.start.architecture, size, np.random.default_rng(0)))
    assert trainer.nbytes - empty == (8 + 9 + 10 + 11) * 3 * (5 + 4) * 8
