"""A store that keeps most versions as steps: for the tests of any store, and for faults that happen to such versions.

A step here is the difference of the bits of two versions, so that what there is to compute again is plain to see: each version is
the one before, with those bits changed, and has the digest that was recorded.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import numpy as np

from service.errors import ServiceError
from service.storage.base import CheckpointRecord, NetworkState, Receipt, StepRecord, VersionRecord
from service.storage.digests import digest_of
from service.storage.sqlite import SqliteStore

WHOLE_EVERY = 3


class LoggedStore(SqliteStore):
    """Versions that are no multiple of three are kept as steps, where the version before has arrays of the same kind."""

    def commit_version(
        self,
        network: str,
        expected: int,
        numbers: NetworkState | StepRecord,
        made: VersionRecord,
        receipt: Receipt | None = None,
    ) -> Future[None]:
        if isinstance(numbers, NetworkState) and made.version % WHOLE_EVERY:
            numbers = self._step(network, expected, numbers)
        return super().commit_version(network, expected, numbers, made, receipt)

    def create_checkpoint(
        self,
        network: str,
        checkpoint: CheckpointRecord,
        expected: int | None = None,
        receipt: Receipt | None = None,
        state: NetworkState | None = None,
    ) -> Future[None]:
        found = state or self.state(network, checkpoint.version)
        return super().create_checkpoint(network, checkpoint, expected, receipt, found)

    def state(self, network: str, version: int | None = None) -> NetworkState:
        trail = self.trail(network, version)
        state = trail.state
        for step in trail.steps:
            state = _changed(state, step)
            assert digest_of(state) == step.digest
        return state

    def _step(self, network: str, expected: int, state: NetworkState) -> NetworkState | StepRecord:
        try:
            before = self.state(network, expected)
        except ServiceError:
            return state  # whoever commits it is told
        if _shapes(before) != _shapes(state):
            return state
        bits = _bits(before) ^ _bits(state)
        return StepRecord(bits, bits[:1], {"kind": "difference"}, {"difference": "1"}, digest_of(state))


def _arrays(state: NetworkState) -> dict[str, np.ndarray[Any, Any]]:
    return {"": state.parameters, **state.optimizer}


def _shapes(state: NetworkState) -> list[Any]:
    return [state.optimizer_kind, *((name, array.dtype, array.shape) for name, array in _arrays(state).items())]


def _bits(state: NetworkState) -> np.ndarray[Any, Any]:
    return np.concatenate([np.atleast_1d(array).view(np.uint8) for array in _arrays(state).values()])


def _changed(state: NetworkState, step: StepRecord) -> NetworkState:
    bits, at, arrays = _bits(state) ^ step.inputs, 0, {}
    for name, array in _arrays(state).items():
        arrays[name] = bits[at : at + array.nbytes].view(array.dtype).reshape(array.shape)
        at += array.nbytes
    parameters = arrays.pop("")
    return NetworkState(parameters, state.optimizer_kind, arrays)
