"""Steps that can be computed again to the same bits: each is recorded with all that went into it.

Invariant: a step is computed from its record's own arrays and by the way that the record names, the first time as any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version

import numpy as np

from core.backend import Backend
from core.network import Parameters
from core.numerics import numerics
from core.optimizers import OptimizerState, Options, make_options
from core.plans.workspace import ALL
from core.step import Step
from core.types import HostArray
from service.engine.base import Snapshot
from service.operations.batches import on_device
from service.operations.workspaces import Way, Workspaces
from service.storage.base import StepRecord

__all__ = ["LoggedSteps"]


class LoggedSteps:
    """`service.engine.replay.Recompute`, and the first time beside it.

    Args:
        backend: what computes.
        workspaces: which passes are compiled.
    """

    def __init__(self, backend: Backend, workspaces: Workspaces) -> None:
        self._backend = backend
        self._workspaces = workspaces
        self._numerics = {"gradwire": version("gradwire"), **numerics(backend)}

    @property
    def numerics(self) -> Mapping[str, str]:
        """What computes here, by name and version."""
        return self._numerics

    def take(
        self, current: Snapshot, inputs: HostArray, targets: HostArray, options: Options
    ) -> tuple[Step, StepRecord]:
        """The step that a batch makes, and its record."""
        way = self._workspaces.way(current, len(inputs))
        path = "compiled" if way.compiled else "plain"
        how = {"path": path, "threads": str(way.threads), "rows": str(way.rows)}
        kept = {"kind": options.kind, **asdict(options)}
        # In one piece, as they will be read: products of arrays that lie otherwise may have other bits.
        inputs, targets = np.ascontiguousarray(inputs), np.ascontiguousarray(targets)
        x, y = on_device(self._backend, current.architecture, inputs, targets)
        to_host = self._backend.to_host
        record = StepRecord(to_host(x), to_host(y), kept, {**self._numerics, **how})
        return self._workspaces.step_by(way, current, x, y, options), record

    def __call__(self, current: Snapshot, step: StepRecord) -> tuple[Parameters, OptimizerState]:
        """What a recorded step makes of the version before it. Raises `CoreError`."""
        options = dict(step.options)
        kind = str(options.pop("kind"))
        how = step.numerics
        way = Way(how["path"] == "compiled", int(how["threads"]), int(how.get("rows", ALL)))
        x, y = on_device(self._backend, current.architecture, step.inputs, step.targets)
        made = self._workspaces.step_by(way, current, x, y, make_options(kind, options))
        return made.parameters, made.state
