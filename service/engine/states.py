"""A version as the store keeps it (host arrays, a JSON spec) and as it computes (a snapshot on the device)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.backend import Backend
from core.network import Architecture, Layer, Parameters
from core.optimizers import OptimizerState
from service.engine.base import Snapshot
from service.storage.base import NetworkRecord, NetworkState

__all__ = ["architecture_of", "footprint", "snapshot_of", "state_of"]

_OBJECTS: Final = 2048
_OBJECTS_OF_A_LAYER: Final = 512
"""Bytes, about, of all that a network is in memory besides numbers: of a small one, nearly everything."""


def architecture_of(spec: Mapping[str, Any]) -> Architecture:
    """The architecture that a network's record tells of."""
    layers = tuple(Layer(layer["units"], layer["activation"]) for layer in spec["layers"])
    return Architecture(spec["inputs"], layers, spec["cost"], spec["dtype"])


def snapshot_of(backend: Backend, record: NetworkRecord, state: NetworkState) -> Snapshot:
    """What the store keeps, on the device."""
    architecture = architecture_of(record.spec)
    optimizer = None
    if state.optimizer_kind is not None:
        arrays = {name: backend.asarray(array) for name, array in state.optimizer.items()}
        optimizer = OptimizerState(state.optimizer_kind, arrays)
    return Snapshot(record, architecture, Parameters(architecture, backend.asarray(state.parameters)), optimizer)


def state_of(backend: Backend, parameters: Parameters, optimizer: OptimizerState | None) -> NetworkState:
    """What is to be kept, in the host's memory."""
    vector = backend.to_host(parameters.vector)
    if optimizer is None:
        return NetworkState(vector)
    arrays = {name: backend.to_host(array) for name, array in optimizer.arrays.items()}
    return NetworkState(vector, optimizer.kind, arrays)


def footprint(snapshot: Snapshot) -> int:
    """Bytes that a live network takes: its numbers on the device, and what there is of it besides."""
    remembered = snapshot.optimizer.arrays.values() if snapshot.optimizer is not None else ()
    objects = _OBJECTS + _OBJECTS_OF_A_LAYER * len(snapshot.architecture.layers)
    return objects + int(snapshot.parameters.vector.nbytes) + sum(int(array.nbytes) for array in remembered)
