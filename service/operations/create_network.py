"""A new network: its start drawn from a seed, or given number by number."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy.typing as npt

from core.initializers import initialize
from core.network import Architecture, Parameters
from service.engine.base import Applied, Guard
from service.operations.batches import from_host
from service.operations.networks import described
from service.operations.service import Service
from service.storage.base import NetworkRecord

__all__ = ["NewNetwork", "create_network"]

_SEEDS: Final = 2**53
"""Seeds are below this, so that every JSON client keeps them."""


@dataclass(frozen=True)
class NewNetwork:
    """What is asked for; without `parameters`, the start is drawn from `seed` (or from a random one)."""

    name: str | None
    architecture: Architecture
    initializer: str | None
    seed: int | None
    parameters: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]] | None = None
    """(weights (n_l, n_{l-1}), biases (n_l,)) of each layer."""


async def create_network(service: Service, asked: NewNetwork, guard: Guard) -> Applied:
    """Keep a new network and answer its description.

    Raises:
        InvalidBatch: parameters of other shapes. Whatever `Engine.create` raises.
    """
    operations = 10 * asked.architecture.parameter_count
    seed = secrets.randbelow(_SEEDS) if asked.seed is None and asked.parameters is None else asked.seed
    record = _record(asked, seed)
    parameters = await service.engine.compute(lambda: _start(service, asked, seed), operations)
    body = described(record, asked.architecture, service.engine.backend.name)
    return await service.engine.create(record, parameters, body, guard)


def _start(service: Service, asked: NewNetwork, seed: int | None) -> Parameters:
    backend, architecture = service.engine.backend, asked.architecture
    if asked.parameters is not None:
        return from_host(backend, architecture, asked.parameters, "parameters")
    vector = initialize(architecture, asked.initializer or "scaled_gaussian", seed or 0)
    return Parameters(architecture, backend.asarray(vector, architecture.dtype))


def _record(asked: NewNetwork, seed: int | None) -> NetworkRecord:
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    architecture = asked.architecture
    spec = {
        "inputs": architecture.inputs,
        "layers": [{"units": layer.units, "activation": layer.activation} for layer in architecture.layers],
        "cost": architecture.cost,
        "initializer": None if asked.parameters is not None else asked.initializer,
        "seed": seed,
        "dtype": architecture.dtype,
    }
    return NetworkRecord(_new_id(), asked.name, spec, 0, now, now)


def _new_id() -> str:
    return "net_" + base64.b32encode(secrets.token_bytes(15)).decode("ascii").lower()
