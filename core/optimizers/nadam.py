"""NAdam: Adam with Nesterov's momentum, whose momentum warms up.

Source: torch.optim.NAdam; Dozat, "Incorporating Nesterov momentum into Adam", 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.optimizers.adam import require_betas
from core.optimizers.base import Arrays, Optimizer, Options, counted, decayed, require
from core.types import Array, ArrayModule

__all__ = ["NADAM", "NAdamOptions"]


@dataclass(frozen=True)
class NAdamOptions(Options):
    """Options of `nadam`."""

    kind: ClassVar[str] = "nadam"

    learning_rate: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum_decay: float = 4e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        require_betas(self.betas)
        for name in ("eps", "momentum_decay"):
            require(0 <= getattr(self, name) < float("inf"), name, "is finite and not negative")


def _warmed(beta: float, step: int, decay: float) -> float:
    """mu_t: the momentum of step t."""
    momentum: float = beta * (1 - 0.5 * 0.96 ** (step * decay))
    return momentum


def _update(
    xp: ArrayModule, theta: Array, gradient: Array, arrays: Arrays, options: NAdamOptions, decays: Array | None
) -> tuple[Array, dict[str, Array]]:
    g = decayed(gradient, theta, options, decays)
    step, count = counted(xp, arrays)
    beta1, beta2 = options.betas
    zero = xp.zeros_like(theta)
    mean = beta1 * arrays.get("mean", zero) + (1 - beta1) * g
    square = beta2 * arrays.get("square", zero) + (1 - beta2) * g * g
    momentum, following = (_warmed(beta1, at, options.momentum_decay) for at in (step, step + 1))
    product = momentum * (float(arrays["momentum_product"]) if "momentum_product" in arrays else 1.0)
    denominator = xp.sqrt(square / (1 - beta2**step)) + options.eps
    eta = options.learning_rate
    from_gradient = (eta * (1 - momentum) / (1 - product)) * g / denominator
    from_mean = (eta * following / (1 - product * following)) * mean / denominator
    remembered = {
        "step": count,
        "mean": mean,
        "square": square,
        "momentum_product": xp.asarray(product, dtype=xp.float64),
    }
    return theta - from_gradient - from_mean, remembered


NADAM = Optimizer(NAdamOptions, _update)
