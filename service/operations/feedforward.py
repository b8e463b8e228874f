"""The outputs of a network for a batch, and what every layer made of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy.typing as npt

from core import feedforward as core_feedforward
from core.network import Parameters
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
    backend = service.engine.backend

    def work() -> dict[str, Any]:
        x = backend.asarray(inputs, snapshot.architecture.dtype)
        trace = core_feedforward(backend.xp, snapshot.parameters, x)
        answer: dict[str, Any] = {"version": snapshot.version, "outputs": backend.to_host(trace.layers[-1].a)}
        if "layers" in include:
            rows = ((at.layer, {"weighted_inputs": at.z, "activations": at.a}) for at in trace.layers)
            answer["layers"] = layer_rows(backend, rows)
        return answer

    operations = admit_batch(service.settings, snapshot.architecture, len(inputs), backprop=False)
    return await service.engine.compute(work, operations)
