"""One update of a network by the mean gradient of a batch: the write that training is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.backprop import require_targets
from core.feedforward import require_inputs
from core.optimizers import Options
from service.engine.base import Applied, Change, Guard, Snapshot
from service.engine.replay import is_logged
from service.operations.admission import admit_batch
from service.operations.batches import on_device
from service.operations.service import Service

__all__ = ["sgd_step"]


async def sgd_step(
    service: Service,
    snapshot: Snapshot,
    batch: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    options: Options,
    guard: Guard,
) -> Applied:
    """Make the next version of `snapshot`'s network, whatever it is by then, and answer `cost` and `gradient_norm`.

    Raises:
        TooLarge: over a limit. InvalidBatch: wrong shapes or labels; both at once, before the write waits for its turn.
        NonFiniteError: in the layer that it names. Whatever `Engine.write` raises.
    """
    inputs, targets = batch
    operations, nbytes = admit_batch(service.settings, snapshot.architecture, len(inputs), backprop=True)
    require_inputs(snapshot.parameters, inputs)
    require_targets(np, snapshot.parameters, targets, len(inputs))
    backend = service.engine.backend

    def change(current: Snapshot) -> Change:
        if is_logged(current.record.spec):
            step, record = service.steps.take(current, inputs, targets, options)
        else:
            x, y = on_device(backend, current.architecture, inputs, targets)
            step, record = service.workspaces.step(current, x, y, options), None
        said = {"cost": step.cost, "gradient_norm": step.gradient_norm}
        return Change(step.parameters, step.state, "sgd-step", summary=said, body=said, step=record)

    applied = await service.engine.write(snapshot.record.id, change, guard, operations, nbytes=nbytes)
    return service.count(applied, "sgd-step")
