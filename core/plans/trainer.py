"""Training in place: the fast path of SGD over many steps, on one working copy of the parameters.

Invariant: after the same batches a `Trainer` holds what the same calls of `sgd_step` return, up to rounding. It owns its
parameters: they are copied in, moved in place, and copied out; nothing that is not finite comes out.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from core.backprop import require_targets
from core.feedforward import require_inputs
from core.finite import quiet, require_finite
from core.network import Parameters
from core.optimizers import OptimizerState, Options
from core.plans.plan import Plan
from core.plans.rules import rule_for
from core.types import NUMPY, Array

__all__ = ["Trainer"]

MAX_PLANS = 4
"""Batch sizes that a trainer keeps compiled; the least recently used leaves. An epoch has two: the full and the last."""


class Trainer:
    """SGD on a working copy of `parameters`, going on from `state`; for NumPy, one thread at a time.

    Raises:
        InvalidOptions: from the options, where they were made.
    """

    def __init__(self, parameters: Parameters, options: Options, state: OptimizerState | None = None) -> None:
        self._parameters = Parameters(parameters.architecture, np.array(parameters.vector))
        self._dtype = self._parameters.vector.dtype
        self._plans: OrderedDict[int, Plan] = OrderedDict()
        self._rule = rule_for(self._parameters, state, options)
        self._kind = options.kind
        self._last: tuple[Plan, Array] | None = None

    def step(self, x: Array, y: Array) -> None:
        """One update by the mean gradient of x (m, n_1) and y (m, n_L), or labels (m,) of a cross entropy.

        Fastest where both are C-contiguous and of the network's dtype: they are then used where they are.

        Raises:
            InvalidBatch: shapes that do not fit, or labels out of range.
        """
        x, y = self._admitted(x, y)
        plan = self._plans.get(x.shape[0]) or self._compiled(x.shape[0])
        if plan.quiet:
            plan.run(x, y)
        else:
            with quiet():
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
            mean = np.asarray(np.mean(plan.costs(y)))
        require_finite(NUMPY, mean, None, "cost")
        return float(mean)

    def epoch(self, x: Array, y: Array, batch: int, order: Array) -> None:
        """One pass over x (M, n_1) and y (M, n_L) in batches of `batch` rows taken in `order` (M,); the last may be shorter."""
        rows, answers = (np.empty((batch, *array.shape[1:]), array.dtype) for array in (x, y))
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            taken = rows[: len(chosen)], answers[: len(chosen)]
            x.take(chosen, 0, taken[0], "clip")  # "raise" would go through a buffer; order holds row numbers
            y.take(chosen, 0, taken[1], "clip")
            self.step(*taken)

    def parameters(self) -> Parameters:
        """A copy of the parameters as they are now.

        Raises:
            NonFiniteError: names the first layer that left the finite numbers.
        """
        for layer in self._parameters.layers:
            require_finite(NUMPY, layer.weights, layer.layer, "updated weights")
            require_finite(NUMPY, layer.biases, layer.layer, "updated biases")
        return Parameters(self._parameters.architecture, self._parameters.vector.copy())

    def state(self) -> OptimizerState:
        """A copy of what the optimizer remembers."""
        return self._rule.state()

    @property
    def nbytes(self) -> int:
        """Bytes of the working copy and of every plan's buffers."""
        return self._parameters.vector.nbytes + sum(plan.nbytes for plan in self._plans.values())

    def _admitted(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The batch as plans want it; what fits already passes with three comparisons."""
        sizes = self._parameters.architecture.sizes
        if x.ndim != 2 or x.shape[0] == 0 or x.shape[1] != sizes[0]:
            require_inputs(self._parameters, x)
        if y.shape != (x.shape[0], sizes[-1]):
            y = require_targets(NUMPY, self._parameters, y, x.shape[0])
        if x.dtype is not self._dtype or not x.flags.c_contiguous:
            x = np.ascontiguousarray(x, self._dtype)
        if y.dtype is not self._dtype or not y.flags.c_contiguous:
            y = np.ascontiguousarray(y, self._dtype)
        return x, y

    def _compiled(self, batch: int) -> Plan:
        while len(self._plans) >= MAX_PLANS:
            self._plans.popitem(last=False)
        plan = Plan(self._parameters.architecture, self._parameters.layers, batch, self._rule.update_for(batch))
        self._plans[batch] = plan
        return plan
