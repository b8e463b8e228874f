"""Checkpoints on the wire: names for versions, and the way back to one."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from service.schemas.base import Body, Items, Name, Timestamp, VersionNumber, shown

__all__ = ["Checkpoint", "CheckpointList", "CheckpointName", "CreateCheckpoint", "Restore", "Restored", "RestoredFrom"]


def _path_segment(name: str) -> str:
    if "/" in name or name in {".", ".."}:
        raise PydanticCustomError("name", "A checkpoint's name stands in a path: it holds no slash, and is not . or ..")
    return name


CheckpointName = Annotated[
    Name, Field(min_length=1, description="Unique in its network."), AfterValidator(_path_segment)
]


class CreateCheckpoint(Body):
    """A name for a version, whose parameters and optimizer state are then kept until the name is taken away."""

    model_config = shown({"name": "before lunch"}, {"name": "start", "version": 0})

    name: CheckpointName
    version: VersionNumber | None = Field(None, description="The current one where it is absent.")


class Checkpoint(Body):
    """A version with a name."""

    name: str
    version: VersionNumber
    created_at: Timestamp


class CheckpointList(Body):
    """All checkpoints of a network, in the order in which they were made."""

    checkpoints: Items[Checkpoint]


class Restore(Body):
    """The way back to a checkpoint."""

    model_config = shown({"checkpoint": "before lunch"})

    checkpoint: Name = Field(min_length=1, description="Its name.")


class RestoredFrom(Body):
    """What was restored."""

    checkpoint: str
    version: VersionNumber = Field(description="The version that the checkpoint names.")


class Restored(Body):
    """The new version, whose parameters and optimizer state are those of the checkpoint."""

    version: VersionNumber = Field(description="The new one.")
    source: RestoredFrom
