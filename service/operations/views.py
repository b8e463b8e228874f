"""The service as one caller sees it: its owner's networks, its key's limits."""

from __future__ import annotations

from copy import copy

from service.engine.owned import OwnedEngine
from service.operations.service import Service

__all__ = ["seen_by"]


def seen_by(
    service: Service, owner: str, max_networks: int | None = None, max_parameters: int | None = None
) -> Service:
    """A service that shares everything with another one but shows the networks of one owner only."""
    settings = service.settings
    if max_parameters is not None:
        settings = settings.model_copy(update={"max_parameters": min(max_parameters, settings.max_parameters)})
    seen = copy(service)
    object.__setattr__(seen, "settings", settings)
    object.__setattr__(seen, "owner", owner)
    object.__setattr__(seen, "engine", OwnedEngine(service.engine, owner, max_networks))
    return seen
