"""What a batch would be refused for, found out without computing anything: for work that is to be done later."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.backprop import require_targets
from core.feedforward import require_inputs
from service.engine.base import Snapshot
from service.operations.admission import admit_batch
from service.operations.service import Service

__all__ = ["check_batch"]


def check_batch(
    service: Service,
    snapshot: Snapshot,
    inputs: npt.NDArray[Any],
    targets: npt.NDArray[Any] | None = None,
    *,
    per_example: bool = False,
) -> None:
    """Let a batch pass whose inputs (m, n_1) and targets, if there are any, fit the network.

    Raises:
        TooLarge: over a limit. InvalidBatch: wrong shapes or labels.
    """
    backprop = targets is not None
    admit_batch(service.settings, snapshot.architecture, len(inputs), backprop=backprop, per_example=per_example)
    require_inputs(snapshot.parameters, inputs)
    if targets is not None:
        require_targets(np, snapshot.parameters, targets, len(inputs))
