"""One update of a network by the mean gradient of a batch: the write that training is made of."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

import core
from core.optimizers import Options
from service.engine.base import Applied, Change, Guard, Snapshot
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
    operations = admit_batch(service.settings, snapshot.architecture, len(batch[0]), backprop=True)
    backend = service.engine.backend

    def change(current: Snapshot) -> Change:
        x, y = on_device(backend, current.architecture, *batch)
        step = core.sgd_step(backend.xp, current.parameters, current.optimizer, x, y, options)
        said = {"cost": step.cost, "gradient_norm": step.gradient_norm}
        return Change(step.parameters, step.state, "sgd-step", summary=said, body=said)

    return await service.engine.write(snapshot.record.id, change, guard, operations)
