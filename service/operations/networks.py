"""Networks as they are described: one, a page of them, renamed, deleted."""

from __future__ import annotations

import asyncio
from typing import Any

from core.network import Architecture
from service.engine.base import Guard
from service.engine.states import architecture_of
from service.operations.service import Service
from service.storage.base import NetworkRecord

__all__ = ["delete_network", "described", "get_network", "list_networks", "rename_network"]


def described(record: NetworkRecord, architecture: Architecture, backend: str) -> dict[str, Any]:
    """A network's description: the body that made it, with all that was filled in."""
    spec = record.spec
    return {
        "id": record.id,
        "name": record.name,
        "inputs": architecture.inputs,
        "layers": [
            {"layer": number, "units": layer.units, "activation": layer.activation}
            for number, layer in enumerate(architecture.layers, 2)
        ],
        "cost": architecture.cost,
        "initializer": spec["initializer"],
        "seed": spec["seed"],
        "dtype": architecture.dtype,
        "durability": spec.get("durability", "full"),
        "parameter_count": architecture.parameter_count,
        "version": record.version,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "backend": backend,
    }


async def get_network(service: Service, network: str) -> dict[str, Any]:
    """The description of a network as it is now."""
    return _description(service, await service.engine.record(network))


async def list_networks(service: Service, limit: int, after: str | None) -> dict[str, Any]:
    """A page of descriptions in order of creation, and the cursor of the next one (null at the end)."""
    records, following = await service.engine.networks(limit, after)
    # Five hundred networks of a thousand layers each are a second of work.
    page = await asyncio.to_thread(lambda: [_description(service, record) for record in records])
    return {"networks": page, "next": following}


async def rename_network(service: Service, network: str, name: str | None, guard: Guard) -> dict[str, Any]:
    """Give a network another name; its version stays."""
    record = await service.engine.rename(network, name, guard)
    service.metrics.committed("rename")
    return _description(service, record)


async def delete_network(service: Service, network: str, guard: Guard) -> None:
    """Forget a network with its versions."""
    await service.engine.delete(network, guard)
    service.metrics.committed("delete")


def _description(service: Service, record: NetworkRecord) -> dict[str, Any]:
    return described(record, architecture_of(record.spec), service.engine.backend.name)
