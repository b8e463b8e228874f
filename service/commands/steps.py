"""What `gradwire doctor` says of logged steps: whether what computes here computed them, and whether they come out the same."""

from __future__ import annotations

from core.backend import select
from service.engine.replay import Bounds, Replays
from service.errors import ReplayDiffers
from service.operations.logged_steps import LoggedSteps
from service.operations.workspaces import Workspaces
from service.storage.chains import chains
from service.storage.doctor import Report

__all__ = ["look_at_steps"]


def look_at_steps(report: Report, backend: str, *, again: bool) -> None:
    """Add to the report what can be told at once, and with `again` what comes out when all are computed again."""
    chosen = select(backend)
    steps = LoggedSteps(chosen, Workspaces(chosen))
    for then in report.numerics:
        other = [
            f"{name} {then.get(name, '')!r} (here {now!r})"
            for name, now in steps.numerics.items()
            if then.get(name) != now
        ]
        if other:
            report.notes.append(
                f"steps were computed by {', '.join(other)}; computed here they may come out differently"
            )
    if again:
        _replay(report, Replays(chosen, steps, Bounds()))


def _replay(report: Report, replays: Replays) -> None:
    count = 0
    for record, trail in chains(report.folder):
        try:
            replays.snapshot(record, trail)
        except ReplayDiffers as error:
            report.faults.append(error.detail)
        else:
            count += len(trail.steps)
    report.notes.append(f"{count} steps, computed again, gave what was answered")
