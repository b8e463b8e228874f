"""The versions of a network, newest first, with what made each one."""

from __future__ import annotations

from typing import Any

from service.operations.service import Service

__all__ = ["list_versions"]


async def list_versions(service: Service, network: str, limit: int, after: int | None) -> dict[str, Any]:
    """A page of versions older than `after`, and the cursor of the next one (null at the end)."""
    found = await service.engine.versions(network, limit + 1, after)
    page = [
        {
            "version": one.version,
            "made_by": one.made_by,
            "created_at": one.created_at,
            "retained": one.retained,
            **{name: one.summary[name] for name in ("cost", "gradient_norm") if name in one.summary},
        }
        for one in found[:limit]
    ]
    return {"versions": page, "next": page[-1]["version"] if len(found) > limit else None}
