"""Feedforward, backprop and the step: the hot calls, with nothing between the bytes and the arrays but the codec."""

from __future__ import annotations

from typing import Any, Final

import numpy.typing as npt
from starlette.requests import Request
from starlette.responses import Response

from core.optimizers import make_options
from service import operations
from service.codecs.arrays import cast
from service.engine.base import Snapshot
from service.routers import examples, query
from service.routers.endpoint import Answer, Endpoint
from service.routers.exchange import guard_of, network_of, read, respond, service_of
from service.routers.vocabulary import (
    ANSWER,
    BATCH,
    BODY,
    CONDITION,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    KEY,
    NETWORK,
)
from service.schemas.computing import Backprop, BackpropAnswer, Feedforward, FeedforwardAnswer, SgdStep, SgdStepAnswer
from service.schemas.optimizers import options
from service.schemas.validation import validate

__all__ = ["ENDPOINTS"]


async def feedforward(request: Request) -> Response:
    """POST /v1/networks/{network}/feedforward."""
    query.known(request)
    asked = await read(request)
    batch = validate(Feedforward, asked.document)
    snapshot = await _snapshot(request)
    inputs = cast(batch.inputs, snapshot.architecture.dtype, "/inputs")
    return respond(await operations.feedforward(service_of(request), snapshot, inputs, batch.include), asked.wanted)


async def backprop(request: Request) -> Response:
    """POST /v1/networks/{network}/backprop."""
    query.known(request)
    asked = await read(request)
    batch = validate(Backprop, asked.document)
    snapshot = await _snapshot(request)
    answer = await operations.backprop(service_of(request), snapshot, _cast(batch, snapshot), batch.include)
    return respond(answer, asked.wanted)


async def sgd_step(request: Request) -> Response:
    """POST /v1/networks/{network}/sgd-step."""
    query.known(request)
    asked = await read(request)
    guard = guard_of(request, asked)
    batch = validate(SgdStep, asked.document)
    snapshot = await _snapshot(request)
    optimizer = make_options(batch.optimizer.kind, options(batch.optimizer))
    applied = await operations.sgd_step(service_of(request), snapshot, _cast(batch, snapshot), optimizer, guard)
    return respond(applied.body, asked.wanted, status=applied.status, version=applied.version)


async def _snapshot(request: Request) -> Snapshot:
    return await service_of(request).engine.snapshot(network_of(request))


def _cast(batch: Backprop | SgdStep, snapshot: Snapshot) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    dtype = snapshot.architecture.dtype
    return cast(batch.inputs, dtype, "/inputs"), cast(batch.targets, dtype, "/targets")


_ONE: Final = "/v1/networks/{network}"

ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{_ONE}/feedforward",
        feedforward,
        "feedforward",
        "Computing",
        "The outputs of a batch",
        Answer(200, "The outputs, and what `include` names.", FeedforwardAnswer),
        request=Feedforward,
        problems=(*ANSWER, *NETWORK, *BODY, *BATCH),
        examples=examples.FEEDFORWARD,
        answers=examples.FEEDFORWARD_ANSWER,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/backprop",
        backprop,
        "backprop",
        "Computing",
        "The cost of a batch and its gradient",
        Answer(200, "The cost, its mean gradient, and what `include` names.", BackpropAnswer),
        request=Backprop,
        problems=(*ANSWER, *NETWORK, *BODY, *BATCH),
        examples=examples.BACKPROP,
        answers=examples.BACKPROP_ANSWER,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/sgd-step",
        sgd_step,
        "sgdStep",
        "Computing",
        "One update by the mean gradient of a batch",
        Answer(200, "The version that the update made, and the cost before it.", SgdStepAnswer, ("ETag",)),
        description="The answer is given when the new version is on disk. What the optimizer remembers is part of the"
        " network's state, and is given up when `kind` changes; every other option may change from call to call.",
        request=SgdStep,
        parameters=(IF_MATCH, IDEMPOTENCY_KEY),
        problems=(*ANSWER, *NETWORK, *BODY, *BATCH, *CONDITION, *KEY),
        examples=examples.SGD_STEP,
        answers=examples.SGD_STEP_ANSWER,
    ),
)
