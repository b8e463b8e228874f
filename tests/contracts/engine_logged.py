"""An engine whose networks log their steps, for the contract and for what only such networks do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from core.network import Parameters
from core.optimizers import OptimizerState
from service.engine.base import Applied, Change, Guard, Snapshot
from service.engine.local import LocalEngine
from service.storage.base import NetworkRecord, StepRecord
from tests.contracts.engine_base import plus_one

NUMERICS = {"counting": "1"}


class Again:
    """Computes logged steps again: each is `plus_one`, unless what computes has changed since."""

    def __init__(self, numerics: Mapping[str, str] = NUMERICS) -> None:
        self.numerics = numerics
        self.computed: list[int] = []
        """The versions that were made again."""

    def __call__(self, current: Snapshot, step: StepRecord) -> tuple[Parameters, OptimizerState]:
        self.computed.append(current.version + 1)
        made = plus_one(current)
        assert made.optimizer is not None
        if self.numerics["counting"] == step.numerics["counting"]:
            return made.parameters, made.optimizer
        return replace(made.parameters, vector=made.parameters.vector + 1e-15), made.optimizer


class LoggedEngine(LocalEngine):
    """Every network that is made here is one whose steps are logged."""

    async def create(
        self, record: NetworkRecord, parameters: Parameters, body: Mapping[str, Any], guard: Guard
    ) -> Applied:
        logged = replace(record, spec={**record.spec, "durability": "replay"})
        return await super().create(logged, parameters, body, guard)

    async def write(
        self, network: str, change: Callable[[Snapshot], Change], guard: Guard, operations: int, *, nbytes: int = 0
    ) -> Applied:
        def logged(current: Snapshot) -> Change:
            made = change(current)
            batch = np.array([[current.version, 0.5]])
            step = StepRecord(batch, batch[:, :1], {"kind": "sgd"}, NUMERICS)
            return replace(made, step=step) if made.made_by == "sgd-step" else made

        return await super().write(network, logged, guard, operations, nbytes=nbytes)
