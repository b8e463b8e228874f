"""A new network that starts where another one is: its spec, its parameters and what its optimizer remembers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.engine.base import Applied, Guard, Snapshot
from service.operations.create_network import new_id
from service.operations.networks import described
from service.operations.service import Service
from service.storage.base import NetworkRecord, timestamp

__all__ = ["fork_network"]


async def fork_network(service: Service, source: str, version: int | None, name: str | None, guard: Guard) -> Applied:
    """Keep a new network whose version 0 is a version of `source`, the current one by default.

    Raises:
        NotFound: no such network or version. Gone: its parameters are kept no longer. Whatever `Engine.fork` raises.
    """

    def describe(snapshot: Snapshot) -> tuple[NetworkRecord, Mapping[str, Any]]:
        now = timestamp()
        record = NetworkRecord(new_id(), name, snapshot.record.spec, 0, now, now)
        return record, described(record, snapshot.architecture, service.engine.backend.name)

    return service.count(await service.engine.fork(source, version, describe, guard), "fork")
