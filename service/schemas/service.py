"""What the service says of itself."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from service.schemas.base import Body, Items

__all__ = ["Health", "Info", "Problem", "ProblemFault", "Readiness"]


_PROBLEM: JsonDict = {
    "type": "/problems/invalid-input",
    "title": "The request was read and is wrong",
    "status": 422,
    "detail": "/inputs/3/7: A number is expected here, not a string.",
    "error": "/inputs/3/7: A number is expected here, not a string.",
    "errors": [{"pointer": "/inputs/3/7", "detail": "A number is expected here, not a string."}],
}


class Health(Body):
    """The process is alive."""

    status: Literal["ok"]


class Readiness(Body):
    """The service can compute and can write."""

    status: Literal["ready"]


class Info(Body):
    """What runs here, what it can do, and what it allows."""

    version: str = Field(description="Of the service.")
    backend: Literal["numpy", "cupy"]
    device: str
    blas: str | None = None
    store: str | None = None
    dtypes: Items[str]
    activations: Items[str]
    costs: Items[str]
    initializers: Items[str]
    optimizers: Items[str]
    media_types: Items[str]
    limits: dict[str, int]
    retention: dict[str, int | float] = Field(description="What is kept of a network's past: docs/versions.md.")


class ProblemFault(Body):
    """One thing wrong with a request."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the request's body.", examples=["/inputs/3/7"])
    detail: str


class Problem(Body):
    """RFC 9457 problem details; further members say more where a problem type has them."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [_PROBLEM]})

    type: str = Field(description="A page about this kind of problem: /problems/{slug}.")
    title: str
    status: int
    detail: str
    error: str = Field(description="`detail` again, for clients of other protocols.")
    request_id: str | None = Field(None, description="The answer's `X-Request-Id`: name it when you ask about it.")
    errors: Items[ProblemFault] | None = Field(None, description="Fault by fault, where the request's body is wrong.")
