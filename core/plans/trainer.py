"""Training in place: the fast path of SGD over many steps, on one working copy of the parameters.

Invariant: after the same batches a `Trainer` holds what the same calls of `sgd_step` return, up to rounding. It owns its
parameters: they are copied in, moved in place, and copied out; nothing that is not finite comes out.
"""

from __future__ import annotations

import numpy as np

from core.errors import InvalidBatch
from core.finite import quiet_context, require_finite, require_finite_parameters
from core.network import Parameters
from core.optimizers import OptimizerState, Options
from core.plans.batches import Admission
from core.plans.buffers import every_layer_bytes
from core.plans.cache import MAX_BYTES, PlanCache
from core.plans.plan import Plan
from core.plans.rules import rule_for
from core.plans.working import Working
from core.types import NUMPY, Array

__all__ = ["Trainer"]

MULTIPLICATIONS_AT_ONCE = 1_000_000_000
"""Of batches that are gone through without Python in between: some tens of milliseconds."""


class Trainer:
    """Steps on a working copy of `parameters`, going on from `state`; for NumPy, one thread at a time.

    Compiled are the few batch sizes used last, as far as their buffers fit into `max_bytes` (one may be larger).
    """

    def __init__(
        self,
        parameters: Parameters,
        options: Options,
        state: OptimizerState | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._architecture, self._working = parameters.architecture, Working.of(parameters)
        self._admission = Admission(parameters.architecture)
        row_bytes = every_layer_bytes(parameters.architecture)
        self._plans: PlanCache[Plan] = PlanCache(row_bytes, max_bytes=max_bytes)
        self._rule = rule_for(self._working, state, options)
        self._quietly = quiet_context()
        self._last: tuple[Plan, Array] | None = None

    def step(self, x: Array, y: Array) -> None:
        """One update by the mean gradient of x (m, n_1) and y (m, n_L), or labels (m,) of a cross entropy.

        Fastest where both are C-contiguous and of the network's dtype: they are then used where they are.

        Raises:
            InvalidBatch: shapes that do not fit, or labels out of range.
        """
        x, y = self._admission.batch(x, y)
        plan = self._plans.get(len(x), self._compiled)
        self._quietly.run(plan.run, x, y)
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
        cost = self._quietly.run(plan.cost, y)
        require_finite(NUMPY, np.asarray(cost), self._architecture.layout[-1].layer, "cost")
        return cost

    def epoch(self, x: Array, y: Array, batch: int, order: Array) -> None:
        """One pass over x (M, n_1) and y (M, n_L) in batches of `batch` rows taken in `order` (M,); the last may be shorter.

        Raises:
            InvalidBatch: `order` has a number that no row has.
        """
        if len(order) and not 0 <= order.min() <= order.max() < len(x):
            raise InvalidBatch(f"the order has a number that is not one of the {len(x)} rows'", ("order",))
        rows, answers = (np.empty((batch, *array.shape[1:]), array.dtype) for array in (x, y))
        for start in range(self._trained(x, y, order, rows, answers), len(order), batch):
            chosen = order[start : start + batch]
            taken = rows[: len(chosen)], answers[: len(chosen)]
            x.take(chosen, 0, taken[0], "clip")  # "raise" would go through a buffer
            y.take(chosen, 0, taken[1], "clip")
            self.step(*taken)

    def _trained(self, x: Array, y: Array, order: Array, rows: Array, answers: Array) -> int:
        """How many of the epoch's examples are done, in whole batches and without Python in between: none, where that can't be."""
        batch = len(rows)
        whole = len(order) - len(order) % batch
        if not (whole and self._rule.is_in_products and self._admission.is_ready(x, y)):
            return 0
        plan = self._plans.get(batch, self._compiled)
        # Whoever interrupts Python is heard in between.
        at_once = batch * max(1, MULTIPLICATIONS_AT_ONCE // (3 * batch * self._architecture.parameter_count))
        for start in range(0, whole, at_once):
            if not plan.train(x, y, order[start : min(start + at_once, whole)], rows, answers):
                return 0
        self._last = plan, answers
        return whole

    def parameters(self) -> Parameters:
        """A copy of the parameters as they are now.

        Raises:
            NonFiniteError: names the first layer that left the finite numbers.
        """
        for layer in self._working.layers:
            require_finite(NUMPY, layer.weights, layer.layer, "updated weights")
            require_finite(NUMPY, layer.biases, layer.layer, "updated biases")
        return self._working.parameters()

    def state(self) -> OptimizerState:
        """A copy of what the optimizer remembers.

        Raises:
            NonFiniteError: names the first layer that left the finite numbers.
        """
        state = self._rule.state()
        for name, array in state.arrays.items():
            if array.ndim:
                remembered = Parameters(self._architecture, array)
                require_finite_parameters(NUMPY, remembered, f"optimizer's {name}")
        return state

    @property
    def nbytes(self) -> int:
        """Bytes of the working copy and of every plan's buffers."""
        return self._working.vector.nbytes + self._plans.nbytes

    def _compiled(self, batch: int) -> Plan:
        return Plan(self._architecture, self._working, batch, self._rule.update_for(batch))
