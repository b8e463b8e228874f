"""What can go wrong in core, each error with the place it happened at.

CoreError
├── InvalidArchitecture     a network that cannot be
├── InvalidBatch            inputs, targets or parameters that do not fit the network
├── InvalidOptions          options that an optimizer refuses
├── NonFiniteError          a computation that left the finite numbers
└── BackendUnavailable      an array library or a device that is not there
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = [
    "BackendUnavailable",
    "CoreError",
    "InvalidArchitecture",
    "InvalidBatch",
    "InvalidOptions",
    "NonFiniteError",
]

Path = tuple[str | int, ...]


@dataclass(eq=False)
class CoreError(Exception):
    """The root; `detail` is one sentence for whoever called."""

    detail: str

    def __str__(self) -> str:
        return self.detail

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.__dict__))


def _rebuild(kind: type[CoreError], fields: dict[str, Any]) -> CoreError:
    return kind(**fields)


@dataclass(eq=False)
class InvalidArchitecture(CoreError):
    """A network that cannot be; `path` leads to the fault, such as ("layers", 1, "activation")."""

    path: Path = ()


@dataclass(eq=False)
class InvalidBatch(CoreError):
    """Numbers that do not fit the network; `path` leads to the fault, such as ("targets", 3)."""

    path: Path = ()


@dataclass(eq=False)
class InvalidOptions(CoreError):
    """Options that an optimizer refuses; `path` names the option."""

    path: Path = ()


@dataclass(eq=False)
class NonFiniteError(CoreError):
    """A computation left the finite numbers: in which layer (2..L, the cost counted to L) and in which quantity."""

    layer: int | None = None
    quantity: str = ""


@dataclass(eq=False)
class BackendUnavailable(CoreError):
    """The array library or the device that was asked for is not there."""
