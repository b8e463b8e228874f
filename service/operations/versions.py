"""The versions of a network, newest first, with what made each one."""

from __future__ import annotations

from typing import Any

from service.operations.service import Service

__all__ = ["list_versions"]


async def list_versions(service: Service, network: str, limit: int, after: int | None) -> dict[str, Any]:
    """A page of versions older than `after`, the cursor of the next one (null at the end), and the bytes of them all."""
    found = await service.engine.versions(network, limit + 1, after)
    page = [
        {
            "version": one.version,
            "made_by": one.made_by,
            "created_at": one.created_at,
            "retained": one.retained,
            "stored_bytes": one.stored_bytes,
            "checkpoints": list(one.checkpoints),
            **{name: one.summary[name] for name in ("cost", "gradient_norm", "source") if name in one.summary},
        }
        for one in found[:limit]
    ]
    following = page[-1]["version"] if len(found) > limit else None
    return {"versions": page, "next": following, "stored_bytes": await service.engine.stored_bytes(network)}
