"""The parameters of a network: read at a version, or replaced by given ones as the next version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from core.network import Parameters
from service.engine.base import Applied, Change, Guard, Snapshot
from service.operations.batches import from_host
from service.operations.rows import parameter_rows
from service.operations.service import Service

__all__ = ["Found", "find_parameters", "parameter_document", "put_parameters"]


@dataclass(frozen=True)
class Found:
    """The parameters of one version, where they live."""

    version: int
    parameters: Parameters


async def find_parameters(service: Service, network: str, version: int | None) -> Found:
    """The parameters of a version; without one, of the current version.

    Raises:
        NotFound: no such network or version. Gone: that version's parameters have been given up.
    """
    engine = service.engine
    snapshot = await (engine.snapshot(network) if version is None else engine.at_version(network, version))
    return Found(snapshot.version, snapshot.parameters)


async def parameter_document(service: Service, found: Found) -> dict[str, Any]:
    """Answer `version` and `layers`, on the host."""
    count = found.parameters.architecture.parameter_count
    backend, nbytes = service.engine.backend, found.parameters.vector.nbytes
    rows = await service.engine.compute(lambda: parameter_rows(backend, found.parameters.layers), count, nbytes=nbytes)
    return {"version": found.version, "layers": rows}


async def put_parameters(
    service: Service,
    snapshot: Snapshot,
    layers: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]],
    guard: Guard,
) -> Applied:
    """Make given (weights, biases) the next version of `snapshot`'s network; what the optimizer remembers stays.

    Raises:
        InvalidInput: a layer is missing, or has other shapes. Whatever `Engine.write` raises.
    """
    engine, count = service.engine, snapshot.architecture.parameter_count
    parameters = await engine.compute(lambda: from_host(engine.backend, snapshot.architecture, layers, "layers"), count)

    def change(current: Snapshot) -> Change:
        return Change(parameters, current.optimizer, "put-parameters")

    applied = await engine.write(snapshot.record.id, change, guard, count)
    return service.count(applied, "put-parameters")
