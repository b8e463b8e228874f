"""A network's versions on the wire: what made each one, newest first."""

from __future__ import annotations

from pydantic import Field

from service.schemas.base import Body, Finite, Items, NonNegative, Timestamp, VersionNumber

__all__ = ["Version", "VersionPage"]


class Version(Body):
    """One version of a network's parameters."""

    version: VersionNumber
    made_by: str = Field(description="`create`, `sgd-step`, `put-parameters`, ...")
    created_at: Timestamp
    retained: bool = Field(description="Whether its parameters can still be read.")
    cost: Finite | None = Field(None, description="The batch's cost before the step that made it.")
    gradient_norm: NonNegative | None = Field(None, description="The norm of the gradient that it followed.")


class VersionPage(Body):
    """Versions, newest first."""

    versions: Items[Version]
    next: int | None = Field(description="The cursor `after` for the next page; null on the last.")
