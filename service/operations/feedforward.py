"""The outputs of a network for a batch, and what every layer made of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy.typing as npt

from core.feedforward import feedforward as traced
from service.engine.base import Snapshot
from service.operations.admission import admit_batch
from service.operations.rows import layer_rows
from service.operations.service import Service

__all__ = ["feedforward"]


async def feedforward(
    service: Service, snapshot: Snapshot, inputs: npt.NDArray[Any], include: Collection[str]
) -> dict[str, Any]:
    """Answer `version`, `outputs` (m, n_L) and, if included, `layers`; inputs (m, n_1) in the network's dtype.

    Raises:
        TooLarge: over a limit. InvalidBatch: the wrong shape. NonFiniteError: in the layer that it names.
    """
    backend, parameters = service.engine.backend, snapshot.parameters

    def work() -> dict[str, Any]:
        x = backend.asarray(inputs, snapshot.architecture.dtype)
        if "layers" not in include:
            return {"outputs": backend.to_host(service.workspaces.predict(snapshot, x))}
        trace = traced(backend.xp, parameters, x)
        rows = ((at.layer, {"weighted_inputs": at.z, "activations": at.a}) for at in trace.layers)
        return {"outputs": backend.to_host(trace.outputs), "layers": layer_rows(backend, rows)}

    operations, nbytes = admit_batch(service.settings, snapshot.architecture, len(inputs), backprop=False)
    answer = await service.engine.compute(work, operations, network=snapshot.record.id, nbytes=nbytes)
    return {"version": snapshot.version, **answer}
