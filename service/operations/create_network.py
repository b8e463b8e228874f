"""A new network: its start drawn from a seed, or given number by number."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from core.initializers import initialize
from core.network import Architecture, Parameters
from service.engine.base import Applied, Guard
from service.operations.batches import from_host
from service.operations.networks import described
from service.operations.service import Service
from service.storage.base import NetworkRecord, timestamp

__all__ = ["Drawn", "Given", "NewNetwork", "create_network", "drawn", "new_id"]

_SEEDS: Final = 2**53
"""Seeds are below this, so that every JSON client keeps them."""
_INITIALIZER: Final = "scaled_gaussian"
_OPERATIONS_TO_DRAW: Final = 10
"""About what one normally distributed number costs."""


@dataclass(frozen=True)
class Drawn:
    """A start that an initializer draws: equal seeds start equal."""

    initializer: str
    seed: int


@dataclass(frozen=True)
class Given:
    """A start given as (weights (n_l, n_{l-1}), biases (n_l,)) of each layer; its seed is only kept."""

    layers: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]]
    seed: int | None
    initializer: None = None


@dataclass(frozen=True)
class NewNetwork:
    """What is asked for."""

    name: str | None
    architecture: Architecture
    start: Drawn | Given
    durability: str = "full"
    """`full`: every version is kept whole; `replay`: its steps are logged."""


def drawn(initializer: str | None, seed: int | None) -> Drawn:
    """A drawn start, with the choices made that were left open: the seed by chance."""
    return Drawn(initializer or _INITIALIZER, secrets.randbelow(_SEEDS) if seed is None else seed)


async def create_network(service: Service, asked: NewNetwork, guard: Guard) -> Applied:
    """Keep a new network and answer its description.

    Raises:
        InvalidBatch: parameters of other shapes. Whatever `Engine.create` raises.
    """
    operations = _OPERATIONS_TO_DRAW * asked.architecture.parameter_count
    parameters = await service.engine.compute(lambda: _start(service, asked), operations)
    record = _record(asked)
    body = described(record, asked.architecture, service.engine.backend.name)
    return service.count(await service.engine.create(record, parameters, body, guard), "create")


def _start(service: Service, asked: NewNetwork) -> Parameters:
    backend, architecture, start = service.engine.backend, asked.architecture, asked.start
    if isinstance(start, Given):
        return from_host(backend, architecture, start.layers, "parameters")
    vector = initialize(architecture, start.initializer, start.seed)
    return Parameters(architecture, backend.asarray(vector, architecture.dtype))


def _record(asked: NewNetwork) -> NetworkRecord:
    now = timestamp()
    architecture = asked.architecture
    spec = {
        "inputs": architecture.inputs,
        "layers": [{"units": layer.units, "activation": layer.activation} for layer in architecture.layers],
        "cost": architecture.cost,
        "initializer": asked.start.initializer,
        "seed": asked.start.seed,
        "dtype": architecture.dtype,
        "durability": asked.durability,
    }
    return NetworkRecord(new_id(), asked.name, spec, 0, now, now)


def new_id() -> str:
    """An id that no network has had: 120 random bits."""
    return "net_" + base64.b32encode(secrets.token_bytes(15)).decode("ascii").lower()
