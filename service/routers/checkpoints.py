"""Checkpoints: made, listed, described, restored and deleted."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from service import operations
from service.routers import conditions, examples, query
from service.routers.endpoint import Answer, Endpoint
from service.routers.exchange import answer_type, checkpoint_of, guard_of, network_of, read, respond, service_of
from service.routers.vocabulary import ANSWER, BODY, CONDITION, IDEMPOTENCY_KEY, IF_MATCH, KEY, NETWORK
from service.schemas.checkpoints import Checkpoint, CheckpointList, CreateCheckpoint, Restore, Restored
from service.schemas.validation import validate

__all__ = ["ENDPOINTS"]


async def create(request: Request) -> Response:
    """POST /v1/networks/{network}/checkpoints."""
    query.known(request)
    asked = await read(request)
    guard = guard_of(request, asked)
    body = validate(CreateCheckpoint, asked.document)
    network = network_of(request)
    applied = await operations.create_checkpoint(service_of(request), network, body.name, body.version, guard)
    place = {"location": f"/v1/networks/{network}/checkpoints/{quote(applied.body['name'], safe='')}"}
    return respond(applied.body, asked.wanted, status=applied.status, headers=place)


async def list_all(request: Request) -> Response:
    """GET /v1/networks/{network}/checkpoints."""
    query.known(request)
    wanted = answer_type(request)
    return respond(await operations.list_checkpoints(service_of(request), network_of(request)), wanted)


async def describe(request: Request) -> Response:
    """GET /v1/networks/{network}/checkpoints/{checkpoint}."""
    query.known(request)
    wanted = answer_type(request)
    found = await operations.get_checkpoint(service_of(request), network_of(request), checkpoint_of(request))
    return respond(found, wanted)


async def delete(request: Request) -> Response:
    """DELETE /v1/networks/{network}/checkpoints/{checkpoint}."""
    query.known(request)
    guard = conditions.guard(request)
    await operations.delete_checkpoint(service_of(request), network_of(request), checkpoint_of(request), guard)
    return Response(status_code=204)


async def restore(request: Request) -> Response:
    """POST /v1/networks/{network}/restore."""
    query.known(request)
    asked = await read(request)
    guard = guard_of(request, asked)
    name = validate(Restore, asked.document).checkpoint
    applied = await operations.restore(service_of(request), network_of(request), name, guard)
    return respond(applied.body, asked.wanted, status=applied.status, version=applied.version)


_CHECKPOINTS: Final = "/v1/networks/{network}/checkpoints"
_ONE: Final = "/v1/networks/{network}/checkpoints/{checkpoint}"

ENDPOINTS: Final = (
    Endpoint(
        "POST",
        _CHECKPOINTS,
        create,
        "createCheckpoint",
        "Checkpoints",
        "Name a version",
        Answer(201, "The checkpoint.", Checkpoint, ("Location",)),
        description="A named version's parameters and optimizer state are kept until the name is taken away, whatever"
        " is written since. No version is made. A network has a limited number of checkpoints (413).",
        request=CreateCheckpoint,
        parameters=(IF_MATCH, IDEMPOTENCY_KEY),
        problems=(*ANSWER, *NETWORK, *BODY, *CONDITION, *KEY, "already-exists", "gone"),
        examples=examples.CHECKPOINT,
        answers=examples.CHECKPOINTED,
    ),
    Endpoint(
        "GET",
        _CHECKPOINTS,
        list_all,
        "listCheckpoints",
        "Checkpoints",
        "List the checkpoints of a network, oldest first",
        Answer(200, "All checkpoints.", CheckpointList),
        problems=(*ANSWER, *NETWORK),
        answers=examples.CHECKPOINTS,
    ),
    Endpoint(
        "GET",
        _ONE,
        describe,
        "getCheckpoint",
        "Checkpoints",
        "Describe a checkpoint",
        Answer(200, "The checkpoint.", Checkpoint),
        problems=(*ANSWER, *NETWORK),
        answers={"start": examples.CHECKPOINTED["start"]},
    ),
    Endpoint(
        "DELETE",
        _ONE,
        delete,
        "deleteCheckpoint",
        "Checkpoints",
        "Take a name away",
        Answer(204, "The version has this name no longer, and is kept for as long as any other is.", media=()),
        parameters=(IF_MATCH,),
        problems=(*ANSWER, *NETWORK, *CONDITION),
    ),
    Endpoint(
        "POST",
        "/v1/networks/{network}/restore",
        restore,
        "restoreCheckpoint",
        "Checkpoints",
        "Go back to a checkpoint",
        Answer(200, "The new version.", Restored, ("ETag",)),
        description="Makes a new version with the parameters and the optimizer state of the checkpoint; nothing that"
        " was written since is taken out of the history.",
        request=Restore,
        parameters=(IF_MATCH, IDEMPOTENCY_KEY),
        problems=(*ANSWER, *NETWORK, *BODY, *CONDITION, *KEY, "overloaded"),
        examples=examples.RESTORE,
        answers=examples.RESTORED,
    ),
)
