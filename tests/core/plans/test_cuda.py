"""`CudaTrainer` on a CUDA device: the same property as on the CPU, and what only a device can show.

These have not run yet; where no device answers they are skipped, and the last lines of the run say so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from core import Architecture, Backend, Layer, NonFiniteError, Parameters, make_options, trainer
from core.optimizers import OptimizerState
from core.plans.cuda.trainer import CudaTrainer
from tests.core.drawing import draws
from tests.core.plans.runs import Place, Run, agree, batch_of, close, fast, parameters_of, plainly, runs

pytestmark = pytest.mark.gpu
ON_DEVICE = settings(draws(150), suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
SGD = make_options("sgd", {"learning_rate": 0.1})


def trained(backend: Backend, place: Place, run: Run, batches: list[tuple[Any, Any]]) -> Place:
    found = fast(place, run, batches, lambda *start: trainer(backend, *start))
    assert found.state is not None
    arrays = {name: backend.to_host(array) for name, array in found.state.arrays.items()}
    parameters = Parameters(found.parameters.architecture, backend.to_host(found.parameters.vector))
    return Place(parameters, OptimizerState(found.state.kind, arrays), found.costs)


@ON_DEVICE
@given(run=runs())
def test_as_sgd_step(run: Run, cupy_backend: Backend) -> None:
    wanted = plainly(Place(run.start), run, run.batches)
    agree(trained(cupy_backend, Place(run.start), run, run.batches), wanted, run.tolerance)


@ON_DEVICE
@given(run=runs())
def test_across_the_seam(run: Run, cupy_backend: Backend) -> None:
    first, rest, start = run.batches[:1], run.batches[1:], Place(run.start)
    wanted = plainly(start, run, run.batches)
    agree(plainly(trained(cupy_backend, start, run, first), run, rest), wanted, run.tolerance)
    agree(trained(cupy_backend, plainly(start, run, first), run, rest), wanted, run.tolerance)


def wide(dtype: Any) -> tuple[Parameters, Any, Any]:
    """Wide enough for many blocks of threads, and for copies that take longer than a launch."""
    architecture = Architecture(700, (Layer(513, "relu"), Layer(1000, "softmax")), "cross_entropy", dtype)
    rng = np.random.default_rng(0)
    x, labels = batch_of(architecture, 1000, rng, "labels")
    return parameters_of(architecture, rng), x, labels


@pytest.mark.parametrize("where", ["host", "device"])
def test_epochs_from_either_memory(cupy_backend: Backend, where: str) -> None:
    """The copies race the computation here, if anything lets them."""
    start, x, labels = wide("float64")
    xp: Any = cupy_backend.xp
    here = (x, labels) if where == "host" else (xp.asarray(x), xp.asarray(labels))
    run, rng = Run(start, SGD, []), np.random.default_rng(1)
    going, place = CudaTrainer(cupy_backend, start, SGD), Place(start)
    for _ in range(3):
        order = rng.permutation(1000)
        going.epoch(*here, 64, order)
        place = plainly(
            place, run, [(x[order[at : at + 64]], labels[order[at : at + 64]]) for at in range(0, 1000, 64)]
        )
    close(cupy_backend.to_host(going.parameters().vector), place.parameters.vector, 1e-12)
    assert going.cost() == pytest.approx(place.costs[-1], rel=1e-10)


def test_tf32_is_off_unless_asked_for(cupy_backend: Backend) -> None:
    """Ten bits against 23: one step tells them apart on any device that has TF32 at all."""
    start, x, labels = wide("float32")
    wanted = plainly(Place(start), Run(start, SGD, []), [(x, labels)])
    exact = CudaTrainer(cupy_backend, start, SGD)
    exact.step(x, labels)
    close(cupy_backend.to_host(exact.parameters().vector), wanted.parameters.vector, 1e-6)
    coarse = CudaTrainer(cupy_backend, start, SGD, allow_tf32=True)
    coarse.step(x, labels)
    close(cupy_backend.to_host(coarse.parameters().vector), wanted.parameters.vector, 1e-2)
    xp: Any = cupy_backend.xp
    if int(xp.cuda.Device().compute_capability) >= 80:
        assert exact.cost() != coarse.cost()


def test_steps_on_another_stream(cupy_backend: Backend) -> None:
    start, x, labels = wide("float64")
    xp: Any = cupy_backend.xp
    here, there = (CudaTrainer(cupy_backend, start, SGD) for _ in range(2))
    here.step(x, labels)
    xp.cuda.get_current_stream().synchronize()
    with xp.cuda.Stream(non_blocking=True) as stream:
        there.step(x, labels)
        stream.synchronize()
    close(cupy_backend.to_host(there.parameters().vector), cupy_backend.to_host(here.parameters().vector), 1e-14)


def test_what_leaves_the_finite_numbers_does_not_come_out(cupy_backend: Backend) -> None:
    start, x, labels = wide("float32")
    going = CudaTrainer(cupy_backend, start, make_options("sgd", {"learning_rate": 1e38}))
    for _ in range(3):
        going.step(x, labels)
    with pytest.raises(NonFiniteError):
        going.parameters()
