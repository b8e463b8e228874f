"""An exception's HTTP face: kind, headers and members. One line of `_FACES` a kind of exception, and no other place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException

from core import errors as core
from service import errors as service
from service.codecs.pointers import excerpt, pointer
from service.problems.catalog import PROBLEMS, ProblemType

__all__ = ["Face", "face_of"]

_RETRY_LATER: Final = {"retry-after": "5"}
_BY_STATUS: Final = {kind.status: kind for kind in reversed(list(PROBLEMS.values()))}


@dataclass(frozen=True)
class Face:
    """What a client sees of an exception."""

    kind: ProblemType
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[service.Fault, ...] = ()
    members: Mapping[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """The RFC 9457 object, with `error` (the detail again) and, for bad input, `errors`."""
        detail = excerpt(self.detail, 1000)
        document: dict[str, Any] = {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": detail,
            "error": detail,
        }
        if self.faults:
            document["errors"] = [
                {"pointer": fault.pointer, "detail": excerpt(fault.detail, 1000)} for fault in self.faults
            ]
        return document | dict(self.members)


def face_of(error: Exception) -> Face:
    """The face of any exception; of one that nobody foresaw, a bare `internal` that tells nothing of the inside."""
    for kind in type(error).__mro__:
        if kind in _FACES:
            return _FACES[kind](error)
    return Face(PROBLEMS["internal"], "The service has a fault; its log says more.")


def _plain(slug: str, headers: Mapping[str, str] | None = None) -> Callable[[Any], Face]:
    return lambda error: Face(PROBLEMS[slug], error.detail, headers or {})


def _waiting(slug: str) -> Callable[[Any], Face]:
    return lambda error: Face(PROBLEMS[slug], error.detail, {"retry-after": str(error.retry_after)})


def _invalid_input(error: service.InvalidInput) -> Face:
    return Face(PROBLEMS["invalid-input"], error.detail, faults=error.faults)


def _unauthorized(error: service.Unauthorized) -> Face:
    # RFC 6750, 3.1: whoever sent no key is not told that it is wrong.
    challenge = 'Bearer realm="gradwire"' + (', error="invalid_token"' if error.given else "")
    return Face(PROBLEMS["unauthorized"], error.detail, {"www-authenticate": challenge})


def _too_large(error: service.TooLarge) -> Face:
    return Face(PROBLEMS["too-large"], error.detail, members={"figures": error.figures})


def _unsupported(error: service.UnsupportedMediaType) -> Face:
    # RFC 9110, 15.5.16: the answer says in `Accept` or `Accept-Encoding` what would have been understood.
    header = "accept-encoding" if "identity" in error.supported else "accept"
    members = {"supported": list(error.supported)}
    return Face(PROBLEMS["unsupported-media-type"], error.detail, {header: ", ".join(error.supported)}, members=members)


def _not_acceptable(error: service.NotAcceptable) -> Face:
    return Face(PROBLEMS["not-acceptable"], error.detail, members={"available": list(error.available)})


def _stale(error: service.StalePrecondition) -> Face:
    members = {"current": error.current}
    return Face(PROBLEMS["stale-precondition"], error.detail, {"etag": f'"{error.current}"'}, members=members)


def _non_finite(error: service.NonFinite) -> Face:
    members = {} if error.layer is None else {"layer": error.layer}
    return Face(PROBLEMS["non-finite"], error.detail, members=members)


def _replay_differs(error: service.ReplayDiffers) -> Face:
    members = {"version": error.version, "whole": error.whole, "numerics": error.numerics}
    return Face(PROBLEMS["replay-differs"], error.detail, members=members)


def _core_non_finite(error: core.NonFiniteError) -> Face:
    return _non_finite(service.NonFinite(str(error), error.layer))


def _core_invalid(*prefix: str) -> Callable[[Any], Face]:
    def face(error: core.InvalidArchitecture | core.InvalidBatch | core.InvalidOptions) -> Face:
        fault = service.Fault(pointer(*prefix, *error.path), error.detail)
        return Face(PROBLEMS["invalid-input"], f"{fault.pointer}: {fault.detail}", faults=(fault,))

    return face


def _out_of_memory(_error: MemoryError) -> Face:
    detail = "There is not enough memory for this request now; nothing was changed."
    return Face(PROBLEMS["overloaded"], detail, _RETRY_LATER)


def _http(error: HTTPException) -> Face:
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:  # RFC 9457, 4.2.1: no more than the status code says
        kind = ProblemType("", HTTPStatus(error.status_code).phrase, error.status_code)
    details = {404: "There is nothing at this path.", 405: "This path does not take this method."}
    return Face(kind, details.get(error.status_code, kind.title), error.headers or {})


_FACES: Final[Mapping[type, Callable[[Any], Face]]] = {
    service.InvalidInput: _invalid_input,
    service.MalformedBody: _plain("malformed-body"),
    service.TooLarge: _too_large,
    service.UnsupportedMediaType: _unsupported,
    service.NotAcceptable: _not_acceptable,
    service.NotFound: _plain("not-found"),
    service.Gone: _plain("gone"),
    service.AlreadyExists: _plain("already-exists"),
    service.StalePrecondition: _stale,
    service.PreconditionRequired: _plain("precondition-required"),
    service.IdempotencyMismatch: _plain("idempotency-mismatch"),
    service.StillRunning: _waiting("still-running"),
    service.JobRunning: _waiting("job-running"),
    service.Interrupted: _plain("interrupted"),
    service.NonFinite: _non_finite,
    service.Unauthorized: _unauthorized,
    service.RateLimited: _waiting("rate-limited"),
    service.Overloaded: _waiting("overloaded"),
    service.StorageFull: _plain("storage-full"),
    service.CorruptState: _plain("corrupt-state"),
    service.ReplayDiffers: _replay_differs,
    service.StorageError: _plain("storage-unavailable", _RETRY_LATER),
    core.InvalidArchitecture: _core_invalid(),
    core.InvalidBatch: _core_invalid(),
    core.InvalidOptions: _core_invalid("optimizer"),
    core.NonFiniteError: _core_non_finite,
    MemoryError: _out_of_memory,
    HTTPException: _http,
}
