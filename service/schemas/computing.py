"""Feedforward, backprop and the step on the wire; shapes are those of the contract's vocabulary."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.config import JsonDict

from service.schemas.base import (
    Body,
    Finite,
    Items,
    LayerNumber,
    Matrix,
    NonNegative,
    Targets,
    Tensor3,
    Vector,
    VersionNumber,
    shown,
)
from service.schemas.optimizers import Optimizer

__all__ = [
    "Backprop",
    "BackpropAnswer",
    "BackpropLayer",
    "Feedforward",
    "FeedforwardAnswer",
    "FeedforwardLayer",
    "LayerGradient",
    "PerExampleGradient",
    "SgdStep",
    "SgdStepAnswer",
]

_INPUTS = "(m, n_1): rows are examples."
_TARGETS = "(m, n_L), or (m,) integer class labels where the cost is `cross_entropy`."
_INCLUDE = "What else to answer; what is not named here is absent."
_BATCH: JsonDict = {"inputs": [[0.0, 1.0], [1.0, 1.0]], "targets": [[1.0], [0.0]]}


class Feedforward(Body):
    """A batch to be sent through the network."""

    model_config = shown({"inputs": _BATCH["inputs"], "include": ["layers"]})

    inputs: Matrix = Field(description=_INPUTS)
    include: Items[Literal["layers"]] = Field((), description=_INCLUDE)


class FeedforwardLayer(Body):
    """What a layer computed."""

    layer: LayerNumber
    weighted_inputs: Matrix = Field(description="z^l, (m, n_l)")
    activations: Matrix = Field(description="a^l, (m, n_l)")


class FeedforwardAnswer(Body):
    """The outputs of the batch, and the trace if it was asked for."""

    version: VersionNumber
    outputs: Matrix = Field(description="a^L, (m, n_L)")
    layers: Items[FeedforwardLayer] | None = None


class Backprop(Body):
    """A batch whose cost is to be differentiated."""

    model_config = shown({**_BATCH, "include": ["layers", "per_example", "per_example_norms", "input_gradient"]})

    inputs: Matrix = Field(description=_INPUTS)
    targets: Targets = Field(description=_TARGETS)
    include: Items[Literal["layers", "per_example", "per_example_norms", "input_gradient"]] = Field(
        (), description=_INCLUDE
    )


class LayerGradient(Body):
    """The mean gradient over the examples, of one layer's parameters."""

    layer: LayerNumber
    weights: Matrix = Field(description="dC/dw^l, (n_l, n_{l-1})")
    biases: Vector = Field(description="dC/db^l, (n_l,)")


class BackpropLayer(Body):
    """What a layer computed, forward and backward."""

    layer: LayerNumber
    weighted_inputs: Matrix = Field(description="z^l, (m, n_l)")
    activations: Matrix = Field(description="a^l, (m, n_l)")
    errors: Matrix = Field(description="delta^l = dC_x/dz^l, per example and not divided by m, (m, n_l)")


class PerExampleGradient(Body):
    """The gradient of each example's own cost, of one layer's parameters."""

    layer: LayerNumber
    weights: Tensor3 = Field(description="dC_x/dw^l, (m, n_l, n_{l-1})")
    biases: Matrix = Field(description="dC_x/db^l, (m, n_l)")


class BackpropAnswer(Body):
    """The cost, its gradient, and what was asked for besides."""

    version: VersionNumber
    cost: Finite = Field(description="C, the mean over the examples.")
    gradient: Items[LayerGradient]
    layers: Items[BackpropLayer] | None = None
    per_example: Items[PerExampleGradient] | None = None
    per_example_norms: Vector | None = Field(
        None, description="L2 norm of each example's gradient over all parameters, (m,); no gradient is made for it"
    )
    input_gradient: Matrix | None = Field(None, description="dC_x/dx, (m, n_1)")


class SgdStep(Body):
    """A batch, and how to follow its mean gradient."""

    model_config = shown({**_BATCH, "optimizer": {"kind": "sgd", "learning_rate": 3.0}})

    inputs: Matrix = Field(description=_INPUTS)
    targets: Targets = Field(description=_TARGETS)
    optimizer: Optimizer


class SgdStepAnswer(Body):
    """What one update did."""

    version: VersionNumber
    cost: Finite = Field(description="The batch's cost before the update.")
    gradient_norm: NonNegative = Field(description="Global L2 norm of the batch's gradient, before any clipping.")
