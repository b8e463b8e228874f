"""A network's versions on the wire: what made each one, newest first."""

from __future__ import annotations

from pydantic import Field

from service.schemas.base import Body, Finite, Items, NonNegative, Timestamp, VersionNumber, WholeBytes

__all__ = ["Version", "VersionPage", "VersionSource"]


class VersionSource(Body):
    """Where the numbers of a version come from: a version of this network, by its checkpoint, or of another one."""

    version: VersionNumber
    checkpoint: str | None = Field(None, description="Of a version that was restored.")
    network: str | None = Field(None, description="Of a fork; it may have been deleted since.")


class Version(Body):
    """One version of a network's parameters."""

    version: VersionNumber
    made_by: str = Field(description="`create`, `fork`, `sgd-step`, `put-parameters`, `restore`, ...")
    created_at: Timestamp
    retained: bool = Field(description="Whether its parameters can still be read.")
    stored_bytes: WholeBytes = Field(description="Of its parameters and optimizer state on disk; 0 if not retained.")
    checkpoints: Items[str] = Field(description="The names that it has.")
    cost: Finite | None = Field(None, description="The batch's cost before the step that made it.")
    gradient_norm: NonNegative | None = Field(None, description="The norm of the gradient that it followed.")
    source: VersionSource | None = Field(None, description="Of a version that was restored, or the first of a fork.")


class VersionPage(Body):
    """Versions, newest first."""

    versions: Items[Version]
    next: int | None = Field(description="The cursor `after` for the next page; null on the last.")
    stored_bytes: WholeBytes = Field(description="Of all retained versions of the network together.")
