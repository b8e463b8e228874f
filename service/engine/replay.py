"""Networks whose steps are logged: what a new version is kept as, and how a logged one is computed again.

Invariant: numbers that were computed again are handed out only where their digest is that of the numbers that were answered.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Final, Protocol

from core.backend import Backend
from core.errors import CoreError
from core.network import Parameters
from core.optimizers import OptimizerState
from service.engine.base import Change, Since, Snapshot
from service.engine.states import snapshot_of, state_of
from service.errors import ReplayDiffers
from service.storage.base import NetworkRecord, NetworkState, StepRecord, Trail
from service.storage.digests import digest_of

__all__ = ["Bounds", "Recompute", "Replays", "is_logged"]

_LOG: Final = logging.getLogger("gradwire.replay")


class Recompute(Protocol):
    """Computes logged steps again."""

    @property
    def numerics(self) -> Mapping[str, str]:
        """What computes here, by name and version."""

    def __call__(self, current: Snapshot, step: StepRecord) -> tuple[Parameters, OptimizerState]:
        """What a step makes of a version, computed the way that its record names."""


@dataclass(frozen=True)
class Bounds:
    """How much there may be to compute again for one version."""

    steps: int = 64
    nbytes: int = 16 * 2**20
    """Of records; where the numbers themselves are larger, as much as they are."""
    seconds: float = 30.0
    """As long as the steps took."""


def is_logged(spec: Mapping[str, Any]) -> bool:
    """Whether a network's steps are logged; a network from before there was a choice is kept whole."""
    return bool(spec.get("durability") == "replay")


class Replays:
    """Decides what versions are kept as, and brings logged ones back.

    Args:
        backend: where live networks are.
        recompute: computes a logged step; None: there is nothing here that could, and nothing is logged.
    """

    def __init__(self, backend: Backend, recompute: Recompute | None, bounds: Bounds) -> None:
        self._backend = backend
        self._recompute = recompute
        self._bounds = bounds
        self._differing: dict[tuple[str, int], ReplayDiffers] = {}
        """What was found, by network and whole version: a replay that differs once is not tried again."""

    def kept_as(
        self, current: Snapshot, change: Change, state: NetworkState, seconds: float
    ) -> tuple[NetworkState | StepRecord, Since]:
        """What the next version is kept as, whose numbers are `state`, and what there is to compute again from then on."""
        step = change.step
        if step is None or self._recompute is None or not is_logged(current.record.spec):
            return state, Since()
        since = current.since.and_one(step.nbytes, seconds)
        changes_kind = current.optimizer is not None and current.optimizer.kind != state.optimizer_kind
        if changes_kind or step.nbytes >= state.nbytes or self._is_due(since, state):
            return state, Since()
        return replace(step, digest=digest_of(state)), since

    def _is_due(self, since: Since, state: NetworkState) -> bool:
        bounds = self._bounds
        return (
            since.steps >= bounds.steps
            or since.nbytes > max(bounds.nbytes, state.nbytes)
            or since.seconds > bounds.seconds
        )

    def snapshot(self, record: NetworkRecord, trail: Trail) -> Snapshot:
        """The version that `record` names, at the end of its trail.

        Raises:
            ReplayDiffers: a step does not give the numbers that were answered.
        """
        known = self._differing.get((record.id, trail.version))
        if known is not None and known.version <= record.version:
            raise copy(known)
        current = snapshot_of(self._backend, replace(record, version=trail.version), trail.state)
        for step in trail.steps:
            current = self._next(current, step, trail.version)
        return replace(current, record=record)

    def _next(self, current: Snapshot, step: StepRecord, whole: int) -> Snapshot:
        begun = perf_counter()
        try:
            if self._recompute is None:
                raise ValueError("nothing here computes logged steps")
            parameters, optimizer = self._recompute(current, step)
        except (CoreError, ValueError) as error:
            raise self._differs(current, step, whole) from error
        if digest_of(state_of(self._backend, parameters, optimizer)) != step.digest:
            raise self._differs(current, step, whole)
        since = current.since.and_one(step.nbytes, perf_counter() - begun)
        record = replace(current.record, version=current.version + 1)
        return Snapshot(record, current.architecture, parameters, optimizer, since)

    def _differs(self, current: Snapshot, step: StepRecord, whole: int) -> ReplayDiffers:
        network, version = current.record.id, current.version + 1
        now = self._recompute.numerics if self._recompute is not None else {}
        other = {
            name: {"then": then, "now": now.get(name, "")}
            for name, then in step.numerics.items()
            if name in now and then != now[name]
        }
        because = f": {', '.join(other)} then and now are not the same" if other else ""
        detail = (
            f"The step to version {version} of network {network}, computed again, does not give the numbers that were"
            f" answered{because}. Versions {whole} to {version - 1} are there."
        )
        _LOG.error("%s", detail)
        found = ReplayDiffers(detail, version, whole, other)
        self._differing[network, whole] = found
        return copy(found)
