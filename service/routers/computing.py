"""Feedforward, backprop and the step: the hot calls, with nothing between the bytes and the arrays but the codec."""

from __future__ import annotations

from typing import Any, Final

import numpy.typing as npt

from core.optimizers import make_options
from service import operations
from service.codecs.arrays import cast
from service.engine.base import Guard, Snapshot
from service.operations.service import Service
from service.routers import examples, examples_jobs
from service.routers.calls import Call, Done, handler
from service.routers.endpoint import Answer, Endpoint
from service.routers.vocabulary import (
    ANSWER,
    BATCH,
    BODY,
    CONDITION,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    JOB,
    JOB_KEY,
    KEY,
    NETWORK,
    PREFER,
)
from service.schemas.computing import Backprop, BackpropAnswer, Feedforward, FeedforwardAnswer, SgdStep, SgdStepAnswer
from service.schemas.optimizers import options

__all__ = ["CALLS", "ENDPOINTS"]


def _check_feedforward(service: Service, snapshot: Snapshot, batch: Feedforward) -> None:
    operations.check_batch(service, snapshot, cast(batch.inputs, snapshot.architecture.dtype, "/inputs"))


async def _feedforward(service: Service, snapshot: Snapshot, batch: Feedforward, _guard: Guard) -> Done:
    inputs = cast(batch.inputs, snapshot.architecture.dtype, "/inputs")
    return Done(await operations.feedforward(service, snapshot, inputs, batch.include))


def _check_backprop(service: Service, snapshot: Snapshot, batch: Backprop) -> None:
    per_example = "per_example" in batch.include
    operations.check_batch(service, snapshot, *_cast(batch, snapshot), per_example=per_example)


async def _backprop(service: Service, snapshot: Snapshot, batch: Backprop, _guard: Guard) -> Done:
    return Done(await operations.backprop(service, snapshot, _cast(batch, snapshot), batch.include))


def _check_step(service: Service, snapshot: Snapshot, batch: SgdStep) -> None:
    make_options(batch.optimizer.kind, options(batch.optimizer))
    operations.check_batch(service, snapshot, *_cast(batch, snapshot))


async def _step(service: Service, snapshot: Snapshot, batch: SgdStep, guard: Guard) -> Done:
    optimizer = make_options(batch.optimizer.kind, options(batch.optimizer))
    applied = await operations.sgd_step(service, snapshot, _cast(batch, snapshot), optimizer, guard)
    return Done(applied.body, applied.status, applied.version)


def _cast(batch: Backprop | SgdStep, snapshot: Snapshot) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    dtype = snapshot.architecture.dtype
    return cast(batch.inputs, dtype, "/inputs"), cast(batch.targets, dtype, "/targets")


_FEEDFORWARD: Final = Call("feedforward", Feedforward, _check_feedforward, _feedforward)
_BACKPROP: Final = Call("backprop", Backprop, _check_backprop, _backprop)
_STEP: Final = Call("sgd-step", SgdStep, _check_step, _step, writes=True)

CALLS: Final[tuple[Call[Any], ...]] = (_FEEDFORWARD, _BACKPROP, _STEP)
"""The calls, each of which may become a job."""

_ONE: Final = "/v1/networks/{network}"

ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{_ONE}/feedforward",
        handler(_FEEDFORWARD),
        "feedforward",
        "Computing",
        "The outputs of a batch",
        Answer(200, "The outputs, and what `include` names.", FeedforwardAnswer),
        request=Feedforward,
        parameters=(PREFER, JOB_KEY),
        problems=(*ANSWER, *NETWORK, *BODY, *BATCH, *JOB),
        deferred=examples_jobs.ACCEPTED,
        examples=examples.FEEDFORWARD,
        answers=examples.FEEDFORWARD_ANSWER,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/backprop",
        handler(_BACKPROP),
        "backprop",
        "Computing",
        "The cost of a batch and its gradient",
        Answer(200, "The cost, its mean gradient, and what `include` names.", BackpropAnswer),
        request=Backprop,
        parameters=(PREFER, JOB_KEY),
        problems=(*ANSWER, *NETWORK, *BODY, *BATCH, *JOB),
        deferred=examples_jobs.ACCEPTED,
        examples=examples.BACKPROP,
        answers=examples.BACKPROP_ANSWER,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/sgd-step",
        handler(_STEP),
        "sgdStep",
        "Computing",
        "One update by the mean gradient of a batch",
        Answer(200, "The version that the update made, and the cost before it.", SgdStepAnswer, ("ETag",)),
        description="The answer is given when the new version is on disk. What the optimizer remembers is part of the"
        " network's state, and is given up when `kind` changes; every other option may change from call to call.",
        request=SgdStep,
        parameters=(IF_MATCH, IDEMPOTENCY_KEY, PREFER),
        problems=(*ANSWER, *NETWORK, *BODY, *BATCH, *CONDITION, *KEY),
        deferred=examples_jobs.ACCEPTED,
        examples=examples.SGD_STEP,
        answers=examples.SGD_STEP_ANSWER,
    ),
)
