"""Parameters: read at a version and replaced, and the list of the versions."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from service import operations
from service.codecs.arrays import cast_layers
from service.routers import conditions, examples, query
from service.routers.endpoint import Answer, Endpoint, Parameter
from service.routers.exchange import (
    answer_type,
    guard_of,
    network_of,
    read,
    respond,
    responded,
    service_of,
    validated,
)
from service.routers.vocabulary import (
    ANSWER,
    BODY,
    CONDITION,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    KEY,
    LIMIT,
    LONGEST_PAGE,
    NETWORK,
    PAGE,
    VERSIONS_AFTER,
)
from service.schemas.parameters import Parameters, ParametersPut, PutParameters
from service.schemas.versions import VersionPage

__all__ = ["ENDPOINTS"]


async def get(request: Request) -> Response:
    """GET /v1/networks/{network}/parameters."""
    version = query.natural(query.known(request, ("version",)), "version")
    wanted = answer_type(request)
    found = await operations.find_parameters(service_of(request), network_of(request), version)
    if not conditions.matches_none(request, found.version):
        return Response(status_code=304, headers={"etag": conditions.etag(found.version), "vary": "Accept"})
    return await responded(
        await operations.parameter_document(service_of(request), found), wanted, version=found.version
    )


async def put(request: Request) -> Response:
    """PUT /v1/networks/{network}/parameters."""
    query.known(request)
    asked = await read(request)
    guard = guard_of(request, asked)
    body = await validated(PutParameters, asked)
    snapshot = await service_of(request).engine.snapshot(network_of(request))
    given, dtype = [(at.weights, at.biases) for at in body.layers], snapshot.architecture.dtype
    layers = await asked.worked(lambda: cast_layers(given, dtype, "/layers"))
    applied = await operations.put_parameters(service_of(request), snapshot, layers, guard)
    return respond(applied.body, asked.wanted, status=applied.status, version=applied.version)


async def list_versions(request: Request) -> Response:
    """GET /v1/networks/{network}/versions."""
    found = query.known(request, ("limit", "after"))
    limit = query.natural(found, "limit", least=1, most=LONGEST_PAGE) or PAGE
    after = query.natural(found, "after")
    wanted = answer_type(request)
    return respond(await operations.list_versions(service_of(request), network_of(request), limit, after), wanted)


_PARAMETERS: Final = "/v1/networks/{network}/parameters"
_VERSION: Final = Parameter(
    "version", "query", "Which version; the current one by default.", VERSIONS_AFTER.schema, example=0
)

ENDPOINTS: Final = (
    Endpoint(
        "GET",
        _PARAMETERS,
        get,
        "getParameters",
        "Parameters",
        "Read the parameters of a version",
        Answer(200, "The parameters.", Parameters, ("ETag",)),
        description="Older versions are kept while there is room for them; one that was given up is answered with 410.",
        parameters=(_VERSION, IF_NONE_MATCH),
        problems=(*ANSWER, *NETWORK, "gone"),
        not_modified=True,
        answers=examples.PARAMETERS,
    ),
    Endpoint(
        "PUT",
        _PARAMETERS,
        put,
        "putParameters",
        "Parameters",
        "Replace the parameters",
        Answer(200, "The version that they have become.", ParametersPut, ("ETag",)),
        description="What the optimizer remembers stays. `version` in the body is not compared: `If-Match` is.",
        request=PutParameters,
        parameters=(IF_MATCH, IDEMPOTENCY_KEY),
        problems=(*ANSWER, *NETWORK, *BODY, *CONDITION, *KEY),
        examples=examples.PUT,
        answers=examples.PUT_DONE,
    ),
    Endpoint(
        "GET",
        "/v1/networks/{network}/versions",
        list_versions,
        "listVersions",
        "Parameters",
        "List the versions, newest first, with what made each",
        Answer(200, "A page of versions.", VersionPage),
        parameters=(LIMIT, VERSIONS_AFTER),
        problems=(*ANSWER, *NETWORK),
        answers=examples.VERSION_PAGE,
    ),
)
