"""Adagrad: the gradient over the root of the sum of its squares.

Source: torch.optim.Adagrad; Duchi, Hazan and Singer, "Adaptive subgradient methods", 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.optimizers.base import Arrays, Optimizer, Options, counted, decayed, require
from core.types import Array, ArrayModule

__all__ = ["ADAGRAD", "AdagradOptions"]


@dataclass(frozen=True)
class AdagradOptions(Options):
    """Options of `adagrad`."""

    kind: ClassVar[str] = "adagrad"

    learning_rate: float = 1e-2
    lr_decay: float = 0.0
    initial_accumulator_value: float = 0.0
    eps: float = 1e-10

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("lr_decay", "initial_accumulator_value", "eps"):
            require(0 <= getattr(self, name) < float("inf"), name, "is finite and not negative")


def _update(
    xp: ArrayModule, theta: Array, gradient: Array, arrays: Arrays, options: AdagradOptions, decays: Array | None
) -> tuple[Array, dict[str, Array]]:
    g = decayed(gradient, theta, options, decays)
    step, count = counted(xp, arrays)
    start = arrays["sum"] if "sum" in arrays else xp.full_like(theta, options.initial_accumulator_value)
    total = start + g * g
    eta = options.learning_rate / (1 + (step - 1) * options.lr_decay)
    return theta - eta * g / (xp.sqrt(total) + options.eps), {"step": count, "sum": total}


ADAGRAD = Optimizer(AdagradOptions, _update)
