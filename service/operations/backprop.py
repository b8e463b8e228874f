"""The cost of a batch and its gradient, with the errors, the per-example and the input gradients that were asked for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy.typing as npt

import core
from service.engine.base import Snapshot
from service.operations.admission import admit_batch
from service.operations.rows import layer_rows, parameter_rows
from service.operations.service import Service

__all__ = ["backprop"]


async def backprop(
    service: Service,
    snapshot: Snapshot,
    inputs: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    include: Collection[str],
) -> dict[str, Any]:
    """Answer `version`, `cost`, `gradient` and what `include` names; inputs (m, n_1), targets (m, n_L) or labels (m,).

    Raises:
        TooLarge: over a limit. InvalidBatch: wrong shapes or labels. NonFiniteError: in the layer that it names.
    """
    backend = service.engine.backend

    def work() -> dict[str, Any]:
        x = backend.asarray(inputs, snapshot.architecture.dtype)
        y = backend.asarray(targets, _dtype(targets, snapshot.architecture.dtype))
        return _answer(service, snapshot, core.backprop(backend.xp, snapshot.parameters, x, y), include)

    operations = admit_batch(
        service.settings,
        snapshot.architecture,
        len(inputs),
        backprop=True,
        per_example="per_example" in include,
    )
    return await service.engine.compute(work, operations)
