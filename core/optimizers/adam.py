"""Adam: the mean gradient over the root of its mean square, both corrected for their start at zero.

Source: torch.optim.Adam; Kingma and Ba, "Adam: a method for stochastic optimization", 2015; Reddi and others, 2018 (AMSGrad).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from core.optimizers.base import Arrays, Optimizer, Options, counted, decayed, require
from core.types import Array, ArrayModule

__all__ = ["ADAM", "AdamOptions", "require_betas", "step_from_moments"]


def require_betas(betas: tuple[float, float]) -> None:
    """Raise `InvalidOptions` unless both decays are in [0, 1)."""
    require(len(betas) == 2 and all(0 <= beta < 1 for beta in betas), "betas", "are two, at least 0 and below 1")


@dataclass(frozen=True)
class AdamOptions(Options):
    """Options of `adam`."""

    kind: ClassVar[str] = "adam"

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    amsgrad: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_betas(self.betas)
        require(0 <= self.eps < float("inf"), "eps", "is finite and not negative")


def step_from_moments(
    xp: ArrayModule, theta: Array, g: Array, arrays: Arrays, options: AdamOptions
) -> tuple[Array, dict[str, Array]]:
    """Theta - eta m-hat / (sqrt(v-hat) + eps), and the moments to remember."""
    step, count = counted(xp, arrays)
    beta1, beta2 = options.betas
    zero = xp.zeros_like(theta)
    mean = beta1 * arrays.get("mean", zero) + (1 - beta1) * g
    square = beta2 * arrays.get("square", zero) + (1 - beta2) * g * g
    remembered = {**arrays, "step": count, "mean": mean, "square": square}
    if options.amsgrad:
        square = xp.maximum(arrays.get("largest_square", zero), square)
        remembered["largest_square"] = square
    denominator = xp.sqrt(square) / sqrt(1 - beta2**step) + options.eps
    return theta - (options.learning_rate / (1 - beta1**step)) * mean / denominator, remembered


def _update(
    xp: ArrayModule, theta: Array, gradient: Array, arrays: Arrays, options: AdamOptions, decays: Array | None
) -> tuple[Array, dict[str, Array]]:
    return step_from_moments(xp, theta, decayed(gradient, theta, options, decays), arrays, options)


ADAM = Optimizer(AdamOptions, _update)
