"""What every operation works with: the engine, the settings and the counters of one application."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.engine.base import Applied, Engine
from service.metrics import Metrics
from service.operations.logged_steps import LoggedSteps
from service.operations.workspaces import Workspaces
from service.settings import Settings

__all__ = ["Service"]


@dataclass(frozen=True)
class Service:
    """A running service, without its HTTP."""

    settings: Settings
    engine: Engine
    metrics: Metrics
    owner: str = ""
    """Whose networks the engine shows; empty: of those who come without a key, and in the whole service, everybody's."""
    workspaces: Workspaces = field(init=False)
    steps: LoggedSteps = field(init=False)

    def __post_init__(self) -> None:
        workspaces = Workspaces(self.engine.backend)
        object.__setattr__(self, "workspaces", workspaces)
        object.__setattr__(self, "steps", LoggedSteps(self.engine.backend, workspaces))

    def count(self, applied: Applied, made_by: str) -> Applied:
        """Count a write, unless it was applied before and only its answer is given again."""
        if not applied.replayed:
            self.metrics.committed(made_by)
        return applied
