"""What can go wrong in the service, said without HTTP.

    ServiceError
    ├── InvalidInput            a request that was read and is wrong, fault by fault
    ├── MalformedBody           a body or header that cannot be parsed
    ├── TooLarge                over a stated limit
    ├── UnsupportedMediaType    a body in a type or encoding that is not spoken here
    ├── NotAcceptable           an answer was asked for in a type that it does not have
    ├── NotFound                no such network, version or other thing
    ├── Gone                    it existed and has been given up (a version past its retention)
    ├── AlreadyExists           the name is taken
    ├── StalePrecondition       `If-Match` names another version than the current one
    ├── PreconditionRequired    a write without `If-Match` where the service demands one
    ├── IdempotencyMismatch     a key that was used for a different request
    ├── StillRunning            the first request with this key has not been answered yet
    ├── JobRunning              a job that has no result yet
    ├── Interrupted             a job during which the service stopped, more than once
    ├── NonFinite               the computation left the finite numbers
    ├── Unauthorized            no key where one is needed, or one that is not good
    ├── RateLimited             the key has used its allowance up
    ├── Overloaded              no room for the request now
    └── StorageError
        ├── StorageFull         the disk is full; nothing was changed
        ├── CorruptState        bytes on disk are not the ones that were written
        ├── ReplayDiffers       logged steps, computed again, do not give what was answered
        └── StorageUnavailable  the store cannot be opened or has stopped

`service.problems` gives each its HTTP face. Nothing else in the service names a status code for a failure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

__all__ = [
    "AlreadyExists",
    "CorruptState",
    "Fault",
    "Gone",
    "IdempotencyMismatch",
    "Interrupted",
    "InvalidInput",
    "JobRunning",
    "MalformedBody",
    "NonFinite",
    "NotAcceptable",
    "NotFound",
    "Overloaded",
    "PreconditionRequired",
    "RateLimited",
    "ReplayDiffers",
    "ServiceError",
    "StalePrecondition",
    "StillRunning",
    "StorageError",
    "StorageFull",
    "StorageUnavailable",
    "TooLarge",
    "Unauthorized",
    "UnsupportedMediaType",
]


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a request: where (a JSON pointer, RFC 6901) and what."""

    pointer: str
    detail: str


@dataclass(eq=False)
class ServiceError(Exception):
    """The root of what can go wrong; `detail` is one sentence for the person who sent the request."""

    detail: str

    def __str__(self) -> str:
        return self.detail

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.__dict__))


def _rebuild(kind: type[ServiceError], fields: dict[str, Any]) -> ServiceError:
    return kind(**fields)


@dataclass(eq=False)
class InvalidInput(ServiceError):
    """A request that was read and is wrong; every fault found is named."""

    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, *faults: Fault) -> Self:
        """With the first one, its place and how many more there are as the detail: for clients that read no more."""
        where = f"{faults[0].pointer}: " if faults[0].pointer else ""
        more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
        return cls(f"{where}{faults[0].detail}{more}", faults)


@dataclass(eq=False)
class MalformedBody(ServiceError):
    """A body or header that cannot be parsed at all."""


@dataclass(eq=False)
class TooLarge(ServiceError):
    """Over a stated limit; `figures` holds what was asked for and what is allowed."""

    figures: dict[str, int] = field(default_factory=dict)


@dataclass(eq=False)
class UnsupportedMediaType(ServiceError):
    """The body's media type or content encoding is missing or not spoken here."""

    supported: tuple[str, ...] = ()


@dataclass(eq=False)
class NotAcceptable(ServiceError):
    """`Accept` allows none of the types that the answer has."""

    available: tuple[str, ...] = ()


@dataclass(eq=False)
class NotFound(ServiceError):
    """There is no such thing, or it is not the caller's."""


@dataclass(eq=False)
class Gone(ServiceError):
    """It existed and has been given up."""


@dataclass(eq=False)
class AlreadyExists(ServiceError):
    """The name is taken; nothing was changed."""


@dataclass(eq=False)
class StalePrecondition(ServiceError):
    """`If-Match` names another version; `current` is the one that stands."""

    current: int = 0


@dataclass(eq=False)
class PreconditionRequired(ServiceError):
    """The service is set to take writes only with `If-Match`."""


@dataclass(eq=False)
class IdempotencyMismatch(ServiceError):
    """The key belongs to an earlier request that was different."""


@dataclass(eq=False)
class StillRunning(ServiceError):
    """The first request with this key has not been answered yet."""

    retry_after: int = 1


@dataclass(eq=False)
class JobRunning(ServiceError):
    """The job has not finished, so that it has no result yet."""

    retry_after: int = 1


@dataclass(eq=False)
class Interrupted(ServiceError):
    """The service stopped again and again while it ran the job, which is not tried once more."""


@dataclass(eq=False)
class NonFinite(ServiceError):
    """The computation left the finite numbers; nothing was changed."""

    layer: int | None = None


@dataclass(eq=False)
class Unauthorized(ServiceError):
    """No key where one is needed, or one that is not good; `given` tells which."""

    given: bool = False


@dataclass(eq=False)
class RateLimited(ServiceError):
    """The key has used its allowance up; there is room for a request after `retry_after` seconds."""

    retry_after: int = 1


@dataclass(eq=False)
class Overloaded(ServiceError):
    """No room now; try again after `retry_after` seconds."""

    retry_after: int = 1


@dataclass(eq=False)
class StorageError(ServiceError):
    """The store could not do what was asked; what was answered before is safe."""


@dataclass(eq=False)
class StorageFull(StorageError):
    """The disk is full; nothing was changed and reads go on."""


@dataclass(eq=False)
class CorruptState(StorageError):
    """Bytes on disk differ from the ones that were written; they are never served."""


@dataclass(eq=False)
class ReplayDiffers(StorageError):
    """Logged steps, computed again, do not give what was answered; what they give is never served."""

    version: int = 0
    """The first version that came out differently: it and those after it cannot be read."""
    whole: int = 0
    """The version that is kept whole, from which the steps start."""
    numerics: dict[str, dict[str, str]] = field(default_factory=dict)
    """What computes otherwise than it did: by name, `then` and `now`."""


@dataclass(eq=False)
class StorageUnavailable(StorageError):
    """The store cannot be opened, or has stopped after a failed write."""
