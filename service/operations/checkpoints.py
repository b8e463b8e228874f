"""Checkpoints: versions with names, which outlive retention, and the way back to one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from service.engine.base import Applied, Guard
from service.operations.service import Service

__all__ = ["create_checkpoint", "delete_checkpoint", "get_checkpoint", "list_checkpoints", "restore"]


async def create_checkpoint(service: Service, network: str, name: str, version: int | None, guard: Guard) -> Applied:
    """Give a version a name, the current one by default, and answer the checkpoint.

    Raises:
        AlreadyExists: the name is taken. TooLarge: the network has as many as it may have. NotFound, Gone: the version.
    """
    return service.count(await service.engine.create_checkpoint(network, name, version, guard), "checkpoint")


async def delete_checkpoint(service: Service, network: str, name: str, guard: Guard) -> None:
    """Take a name away; the version stays for as long as retention keeps it."""
    await service.engine.delete_checkpoint(network, name, guard)
    service.metrics.committed("delete-checkpoint")


async def get_checkpoint(service: Service, network: str, name: str) -> dict[str, Any]:
    """One checkpoint."""
    return asdict(await service.engine.checkpoint(network, name))


async def list_checkpoints(service: Service, network: str) -> dict[str, Any]:
    """All checkpoints of a network; there are no more than a limit allows."""
    return {"checkpoints": [asdict(found) for found in await service.engine.checkpoints(network)]}


async def restore(service: Service, network: str, checkpoint: str, guard: Guard) -> Applied:
    """Make the next version from a checkpoint: its parameters and what the optimizer remembered then."""
    return service.count(await service.engine.restore(network, checkpoint, guard), "restore")
