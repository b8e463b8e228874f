"""Training in place on a CUDA device: `Trainer`'s interface, on one working copy of the parameters in the device's memory.

Invariant: as `Trainer`: after the same batches it holds what the same calls of `sgd_step` return, up to rounding, and nothing that
is not finite comes out. A step only launches; what waits for the device is `cost`, `parameters` and `state`.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from core.backend import Backend
from core.backprop import require_targets
from core.feedforward import require_inputs
from core.finite import quiet, require_finite, require_finite_parameters
from core.network import Parameters
from core.optimizers import OptimizerState, Options
from core.plans.batches import Admission
from core.plans.cache import MAX_BYTES, PlanCache
from core.plans.cuda.blas import Cublas
from core.plans.cuda.feed import Feed
from core.plans.cuda.kernels import Kernels
from core.plans.cuda.plan import CudaPlan, plan_bytes
from core.plans.cuda.rules import cuda_rule_for
from core.types import NUMPY, Array

__all__ = ["CudaTrainer"]


class CudaTrainer:
    """Steps on a working copy of `parameters`, going on from `state`; for CuPy, one thread at a time.

    float32 is computed in float32 unless `allow_tf32`. Parameters, states and batches may be in either memory.
    """

    def __init__(
        self,
        backend: Backend,
        parameters: Parameters,
        options: Options,
        state: OptimizerState | None = None,
        max_bytes: int = MAX_BYTES,
        allow_tf32: bool = False,
    ) -> None:
        self._cupy = cast("Any", backend.xp)
        architecture = parameters.architecture
        self._parameters = Parameters(architecture, self._cupy.array(parameters.vector))
        self._blas = Cublas(self._cupy, architecture.dtype, allow_tf32)
        self._kernels = Kernels(self._cupy)
        arrays = {name: self._cupy.asarray(array) for name, array in state.arrays.items()} if state else {}
        here = OptimizerState(state.kind, arrays) if state else None
        self._rule = cuda_rule_for(self._kernels, self._parameters, here, options)
        self._plans: PlanCache[CudaPlan] = PlanCache(plan_bytes(architecture), max_bytes=max_bytes)
        self._last: tuple[CudaPlan, Array] | None = None

    def step(self, x: Array, y: Array) -> None:
        """Launch one update by the mean gradient of x (m, n_1) and y (m, n_L), or labels (m,) of a cross entropy.

        Fastest where both are on the device, C-contiguous and of the network's dtype. Labels on the device are checked there,
        which waits for it; labels in the host's memory are not waited for.

        Raises:
            InvalidBatch: shapes that do not fit, or labels out of range.
        """
        x, y = self._admitted(x, y)
        plan = self._plans.get(len(x), self._compiled)
        plan.run(x, y)
        self._last = plan, y
        if self._rule.finish():
            for kept in self._plans.values():
                kept.bind(self._rule.update_for(kept.batch))

    def cost(self) -> float:
        """C of the last batch, before its update.

        Raises:
            NonFiniteError: it left the finite numbers. ValueError: there was no step yet.
        """
        if self._last is None:
            raise ValueError("no step was made yet")
        plan, y = self._last
        with quiet():
            cost = float(self._cupy.sum(plan.costs(y))) / plan.batch
        require_finite(NUMPY, np.asarray(cost), self._parameters.layers[-1].layer, "cost")
        return cost

    def epoch(self, x: Array, y: Array, batch: int, order: Array) -> None:
        """One pass over x (M, n_1) and y (M, n_L) in batches of `batch` rows taken in `order` (M,), which is on the host.

        What is in the host's memory is copied batch by batch while the device computes; what is on the device stays there.
        """
        if self._cupy.get_array_module(x, y) is self._cupy:
            x, y = self._admitted(x, y)
            rows = self._cupy.asarray(order)
            for start in range(0, len(order), batch):
                chosen = rows[start : start + batch]
                self.step(x.take(chosen, axis=0), y.take(chosen, axis=0))
            return
        admitted = Admission(self._parameters.architecture).batch(x, y)
        for taken in Feed(self._cupy, *admitted, batch).batches(order):
            self.step(*taken)

    def parameters(self) -> Parameters:
        """A copy of the parameters as they are now, on the device.

        Raises:
            NonFiniteError: names the first layer that left the finite numbers.
        """
        for layer in self._parameters.layers:
            require_finite(self._cupy, layer.weights, layer.layer, "updated weights")
            require_finite(self._cupy, layer.biases, layer.layer, "updated biases")
        return Parameters(self._parameters.architecture, self._parameters.vector.copy())

    def state(self) -> OptimizerState:
        """A copy of what the optimizer remembers, on the device.

        Raises:
            NonFiniteError: names the first layer that left the finite numbers.
        """
        state = self._rule.state()
        for name, array in state.arrays.items():
            if array.ndim:
                remembered = Parameters(self._parameters.architecture, array)
                require_finite_parameters(self._cupy, remembered, f"optimizer's {name}")
        return state

    @property
    def nbytes(self) -> int:
        """Bytes on the device, of the working copy and of every plan; cuBLAS has a workspace of its own beside them."""
        return self._parameters.vector.nbytes + self._plans.nbytes

    def _admitted(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The batch on the device, as plans want it."""
        cupy, dtype = self._cupy, self._parameters.vector.dtype
        require_inputs(self._parameters, x)
        if tuple(y.shape) != (x.shape[0], self._parameters.architecture.sizes[-1]):
            y = require_targets(cupy.get_array_module(y), self._parameters, y, x.shape[0])
        with quiet():
            return cupy.asarray(x, dtype=dtype, order="C"), cupy.asarray(y, dtype=dtype, order="C")

    def _compiled(self, batch: int) -> CudaPlan:
        parameters = self._parameters
        update = self._rule.update_for(batch)
        return CudaPlan(self._blas, self._kernels, parameters.architecture, parameters.layers, batch, update)
