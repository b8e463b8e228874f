"""Networks: made, listed, described, renamed and deleted."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from core.network import Architecture, Layer
from service import operations
from service.codecs.arrays import cast_layers
from service.engine.base import Applied, Guard
from service.routers import conditions, examples, query
from service.routers.endpoint import Answer, Endpoint
from service.routers.exchange import (
    Asked,
    answer_type,
    guard_of,
    network_of,
    read,
    respond,
    service_of,
    validated,
)
from service.routers.vocabulary import (
    AFTER,
    ANSWER,
    BODY,
    CONDITION,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    KEY,
    LIMIT,
    LONGEST_PAGE,
    NETWORK,
    PAGE,
)
from service.schemas.networks import CreateNetwork, CreateOrFork, ForkNetwork, Network, NetworkPage, RenameNetwork
from service.schemas.validation import validate

__all__ = ["ENDPOINTS"]


async def create(request: Request) -> Response:
    """POST /v1/networks."""
    query.known(request)
    asked = await read(request)
    guard = guard_of(request, asked)
    if "from" in asked.document:
        fork = validate(ForkNetwork, asked.document)
        source = fork.source
        applied = await operations.fork_network(service_of(request), source.network, source.version, fork.name, guard)
    else:
        applied = await _create(request, asked, guard)
    place = {"location": f"/v1/networks/{applied.body['id']}"}
    return respond(applied.body, asked.wanted, status=applied.status, version=applied.version, headers=place)


async def _create(request: Request, asked: Asked, guard: Guard) -> Applied:
    body = await validated(CreateNetwork, asked)
    units = [layer.units for layer in body.layers]
    operations.admit_network(service_of(request).settings, body.inputs, units, body.dtype)
    new = await asked.worked(lambda: _new_network(body))
    return await operations.create_network(service_of(request), new, guard)


def _new_network(body: CreateNetwork) -> operations.NewNetwork:
    layers = tuple(Layer(layer.units, layer.activation) for layer in body.layers)
    architecture = Architecture(body.inputs, layers, body.cost, body.dtype)
    if body.parameters is None:
        return operations.NewNetwork(
            body.name, architecture, operations.drawn(body.initializer, body.seed), body.durability
        )
    given = cast_layers([(at.weights, at.biases) for at in body.parameters], body.dtype, "/parameters")
    return operations.NewNetwork(body.name, architecture, operations.Given(given, body.seed), body.durability)


async def list_page(request: Request) -> Response:
    """GET /v1/networks."""
    found = query.known(request, ("limit", "after"))
    limit = query.natural(found, "limit", least=1, most=LONGEST_PAGE) or PAGE
    wanted = answer_type(request)
    page = await operations.list_networks(service_of(request), limit, found.get("after"))
    return await asyncio.to_thread(respond, page, wanted)


async def describe(request: Request) -> Response:
    """GET /v1/networks/{network}."""
    query.known(request)
    wanted = answer_type(request)
    network = await operations.get_network(service_of(request), network_of(request))
    return respond(network, wanted, version=network["version"])


async def rename(request: Request) -> Response:
    """PATCH /v1/networks/{network}."""
    query.known(request)
    asked = await read(request)
    guard = guard_of(request, asked)
    name = validate(RenameNetwork, asked.document).name
    network = await operations.rename_network(service_of(request), network_of(request), name, guard)
    return respond(network, asked.wanted, version=network["version"])


async def delete(request: Request) -> Response:
    """DELETE /v1/networks/{network}."""
    query.known(request)
    await operations.delete_network(service_of(request), network_of(request), conditions.guard(request))
    return Response(status_code=204)


_NETWORKS: Final = "/v1/networks"
_ONE: Final = "/v1/networks/{network}"

ENDPOINTS: Final = (
    Endpoint(
        "POST",
        _NETWORKS,
        create,
        "createNetwork",
        "Networks",
        "Make a network, or a fork of one",
        Answer(201, "The network.", Network, ("Location", "ETag")),
        description="Equal specs with equal seeds start equal. `parameters` may be given in place of `initializer`."
        " With `from`, the network is a fork: its version 0 has the spec, the parameters and the optimizer state of a"
        " version of another network.",
        request=CreateOrFork,
        parameters=(IDEMPOTENCY_KEY,),
        problems=(*ANSWER, *BODY, *KEY, *NETWORK, "gone", "overloaded"),
        examples=examples.CREATE,
        answers=examples.CREATED,
    ),
    Endpoint(
        "GET",
        _NETWORKS,
        list_page,
        "listNetworks",
        "Networks",
        "List the networks, oldest first",
        Answer(200, "A page of networks.", NetworkPage),
        parameters=(LIMIT, AFTER),
        problems=ANSWER,
        answers=examples.NETWORK_PAGE,
    ),
    Endpoint(
        "GET",
        _ONE,
        describe,
        "getNetwork",
        "Networks",
        "Describe a network",
        Answer(200, "The network.", Network, ("ETag",)),
        description="The `ETag` is the version of the parameters; a new name does not change it.",
        problems=(*ANSWER, *NETWORK),
        answers=examples.NETWORK,
    ),
    Endpoint(
        "PATCH",
        _ONE,
        rename,
        "renameNetwork",
        "Networks",
        "Rename a network",
        Answer(200, "The network.", Network, ("ETag",)),
        description="The name is all that can change without a new version.",
        request=RenameNetwork,
        parameters=(IF_MATCH,),
        problems=(*ANSWER, *NETWORK, *BODY, *CONDITION),
        examples=examples.RENAME,
        answers=examples.RENAMED,
    ),
    Endpoint(
        "DELETE",
        _ONE,
        delete,
        "deleteNetwork",
        "Networks",
        "Delete a network",
        Answer(204, "The network and all its versions are gone.", media=()),
        parameters=(IF_MATCH,),
        problems=(*ANSWER, *NETWORK, *CONDITION),
    ),
)
