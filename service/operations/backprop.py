"""The cost of a batch and its gradient, with the errors and the other gradients that were asked for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy.typing as npt

from core.backend import Backend
from core.backprop import Backprop, input_gradient, per_example_gradients, per_example_norms
from core.backprop import backprop as differentiated
from core.network import Parameters
from service.engine.base import Snapshot
from service.operations.admission import admit_batch
from service.operations.batches import on_device
from service.operations.rows import layer_rows, parameter_rows
from service.operations.service import Service

__all__ = ["backprop"]


async def backprop(
    service: Service,
    snapshot: Snapshot,
    batch: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    include: Collection[str],
) -> dict[str, Any]:
    """Answer `version`, `cost`, `gradient` and what `include` names, for inputs (m, n_1) and targets (m, n_L) or (m,).

    Raises:
        TooLarge: over a limit. InvalidBatch: wrong shapes or labels. NonFiniteError: in the layer that it names.
    """
    architecture, backend = snapshot.architecture, service.engine.backend

    def work() -> dict[str, Any]:
        x, y = on_device(backend, architecture, *batch)
        if not include:
            cost, gradient = service.workspaces.backprop(snapshot, x, y)
            return {"cost": cost, "gradient": parameter_rows(backend, gradient.layers)}
        found = differentiated(backend.xp, snapshot.parameters, x, y)
        rows = parameter_rows(backend, found.gradient.layers)
        return {"cost": found.cost, "gradient": rows, **_included(backend, snapshot.parameters, found, include)}

    per_example = "per_example" in include
    rows = len(batch[0])
    operations, nbytes = admit_batch(service.settings, architecture, rows, backprop=True, per_example=per_example)
    answer = await service.engine.compute(work, operations, network=snapshot.record.id, nbytes=nbytes)
    return {"version": snapshot.version, **answer}


def _included(backend: Backend, parameters: Parameters, found: Backprop, include: Collection[str]) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if "layers" in include:
        pairs = zip(found.trace.layers, found.errors, strict=True)
        rows = ((at.layer, {"weighted_inputs": at.z, "activations": at.a, "errors": delta}) for at, delta in pairs)
        extra["layers"] = layer_rows(backend, rows)
    if "per_example" in include:
        extra["per_example"] = parameter_rows(backend, per_example_gradients(backend.xp, found))
    if "per_example_norms" in include:
        extra["per_example_norms"] = backend.to_host(per_example_norms(backend.xp, found))
    if "input_gradient" in include:
        extra["input_gradient"] = backend.to_host(input_gradient(backend.xp, parameters, found))
    return extra
