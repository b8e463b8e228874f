"""What every optimizer has: options, a state that is only arrays, and an update that returns new ones.

Invariant: an update writes to nothing that it was given. Everything works on the flat vector (P,), and PyTorch's conventions
and defaults hold throughout (torch.optim, version 2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from core.errors import InvalidOptions
from core.types import Array, ArrayModule

__all__ = ["Arrays", "Optimizer", "OptimizerState", "Options", "counted", "decayed", "require"]

Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class Options:
    """The options that every kind takes.

    Raises:
        InvalidOptions: a value out of its range.
    """

    kind: ClassVar[str]

    learning_rate: float = 1e-3
    """eta, finite and not negative."""
    weight_decay: float = 0.0
    """lambda of an L2 penalty, added to the gradient (adamw: taken from the parameters)."""
    decay_biases: bool = True
    """Whether the decay takes in the biases, as PyTorch's does."""
    clip_norm: float | None = None
    """The gradient's global L2 norm is scaled down to this, before anything else."""
    clip_value: float | None = None
    """Each entry of the gradient is limited to this size, after `clip_norm`."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "weight_decay", "clip_norm", "clip_value"):
            value = getattr(self, name)
            if value is not None:
                require(0 <= value < float("inf"), name, "is finite and not negative")


def require(holds: bool, name: str, rule: str) -> None:
    """Raise `InvalidOptions` for the option `name` unless its rule holds."""
    if not holds:
        raise InvalidOptions(f"{name} {rule}", (name,))


@dataclass(frozen=True, eq=False)
class OptimizerState:
    """What an optimizer of `kind` remembers: vectors (P,) and scalars (), as arrays that a store can keep."""

    kind: str
    arrays: Arrays


@dataclass(frozen=True)
class Optimizer:
    """One algorithm: its options and its update.

    `update(xp, theta, gradient, arrays, options, decays)` takes theta and the clipped gradient (P,), what was remembered (empty at
    the start), and where decay applies (None: everywhere, else a (P,) array of ones and zeros); it returns the new theta
    and what to remember.
    """

    options: type[Options]
    update: Callable[[ArrayModule, Array, Array, Arrays, Any, Array | None], tuple[Array, dict[str, Array]]]


def decayed(gradient: Array, theta: Array, options: Options, decays: Array | None) -> Array:
    """The gradient with the slope of lambda/2 ||theta||^2 added; (P,)."""
    if options.weight_decay == 0:
        return gradient
    return gradient + options.weight_decay * (theta if decays is None else theta * decays)


def counted(xp: ArrayModule, arrays: Arrays) -> tuple[int, Array]:
    """The number of this step (from 1), as a number and as the array () to remember."""
    step = int(arrays["step"]) + 1 if "step" in arrays else 1
    return step, xp.asarray(step, dtype=xp.int64)
