"""Optimizers on the wire: a union on the required `kind`, with PyTorch's names, defaults and bounds.

A model's fields are those of the options of the same kind in `core.optimizers`; `learning_rate` is PyTorch's `lr`.
Source: torch.optim, version 2.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from service.schemas.base import Body, Finite, JsonNumber, NonNegative

__all__ = ["Adadelta", "Adagrad", "Adam", "AdamW", "NAdam", "Optimizer", "RMSprop", "Sgd", "options"]

Decay = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), JsonNumber]
Betas = Annotated[
    tuple[Decay, Decay],
    BeforeValidator(lambda value: tuple(value) if type(value) is list else value),
    Field(description="Decay of the running means of the gradient and of its square."),
]


class _Optimizer(Body):
    clip_norm: NonNegative | None = Field(
        None, description="Scale the gradient so that its global L2 norm is at most this, before anything else."
    )
    clip_value: NonNegative | None = Field(
        None, description="Limit each entry of the gradient to this size, after `clip_norm`."
    )
    decay_biases: bool = Field(True, description="Whether weight decay takes in the biases, as PyTorch's does.")
    weight_decay: NonNegative = Field(0.0, description="L2 penalty, added to the gradient.")


class Sgd(_Optimizer):
    """Gradient descent, with momentum if asked for."""

    kind: Literal["sgd"]
    learning_rate: NonNegative = 1e-3
    momentum: NonNegative = 0.0
    dampening: Finite = 0.0
    nesterov: bool = Field(False, description="Needs a momentum, and no dampening.")

    @model_validator(mode="after")
    def _nesterov_can_work(self) -> Self:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            context = {
                "detail": "Nesterov's momentum needs a momentum above 0 and no dampening.",
                "pointer": "/nesterov",
            }
            raise PydanticCustomError("nesterov", "{detail}", context)
        return self


class Adam(_Optimizer):
    """Adam (Kingma and Ba, 2015), with AMSGrad if asked for."""

    kind: Literal["adam"]
    learning_rate: NonNegative = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    amsgrad: bool = False


class AdamW(_Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    kind: Literal["adamw"]
    learning_rate: NonNegative = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = Field(1e-2, description="Shrinks the parameters themselves, apart from the gradient.")
    amsgrad: bool = False


class NAdam(_Optimizer):
    """Adam with Nesterov's momentum (Dozat, 2016)."""

    kind: Literal["nadam"]
    learning_rate: NonNegative = 2e-3
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    momentum_decay: NonNegative = 4e-3


class RMSprop(_Optimizer):
    """The gradient over the root of its mean square (Hinton, 2012)."""

    kind: Literal["rmsprop"]
    learning_rate: NonNegative = 1e-2
    alpha: NonNegative = Field(0.99, description="Decay of the running mean of the squared gradient.")
    eps: NonNegative = 1e-8
    momentum: NonNegative = 0.0
    centered: bool = Field(
        False, description="Divide by the estimated standard deviation in place of the root mean square."
    )


class Adagrad(_Optimizer):
    """The gradient over the root of the sum of its squares (Duchi and others, 2011)."""

    kind: Literal["adagrad"]
    learning_rate: NonNegative = 1e-2
    lr_decay: NonNegative = 0.0
    initial_accumulator_value: NonNegative = 0.0
    eps: NonNegative = 1e-10


class Adadelta(_Optimizer):
    """Adagrad over a window, scaled by the updates themselves (Zeiler, 2012)."""

    kind: Literal["adadelta"]
    learning_rate: NonNegative = 1.0
    rho: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), JsonNumber] = 0.9
    eps: NonNegative = 1e-6


Optimizer = Annotated[
    Sgd | Adam | AdamW | NAdam | RMSprop | Adagrad | Adadelta,
    Field(discriminator="kind", description="PyTorch's conventions and defaults throughout."),
]


def options(optimizer: _Optimizer) -> dict[str, Any]:
    """The options by name, without `kind`: the arguments of the core's options of that kind."""
    return {name: value for name, value in optimizer if name != "kind"}
