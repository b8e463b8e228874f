"""AdamW: Adam whose weight decay shrinks the parameters themselves, apart from the gradient.

Source: torch.optim.AdamW; Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.optimizers.adam import AdamOptions, step_from_moments
from core.optimizers.base import Arrays, Optimizer
from core.types import Array, ArrayModule

__all__ = ["ADAMW", "AdamWOptions"]


@dataclass(frozen=True)
class AdamWOptions(AdamOptions):
    """Options of `adamw`."""

    kind: ClassVar[str] = "adamw"

    weight_decay: float = 1e-2


def _update(
    xp: ArrayModule, theta: Array, gradient: Array, arrays: Arrays, options: AdamWOptions, decays: Array | None
) -> tuple[Array, dict[str, Array]]:
    shrink = options.learning_rate * options.weight_decay
    shrunk = theta * (1 - shrink) if decays is None else theta - shrink * decays * theta
    return step_from_moments(xp, shrunk, gradient, arrays, options)


ADAMW = Optimizer(AdamWOptions, _update)
