"""Parameters on the wire: one object a layer, in the order of the layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue
from pydantic_core import PydanticCustomError

from service.codecs.pointers import pointer
from service.schemas.base import Body, Items, LayerNumber, Matrix, Vector, VersionNumber, shown

__all__ = ["LayerParameterList", "LayerParameters", "Parameters", "ParametersPut", "PutParameters"]

_EXAMPLE: list[JsonValue] = [
    {"layer": 2, "weights": [[0.5, -0.25], [1.0, 0.75], [-0.5, 0.125]], "biases": [0.0, 0.1, -0.2]},
    {"layer": 3, "weights": [[1.0, -1.0, 0.5]], "biases": [0.25]},
]


class LayerParameters(Body):
    """The weights and biases that lead into one layer."""

    layer: LayerNumber
    weights: Matrix = Field(description="(n_l, n_{l-1}): w[j][k] is from neuron k of the layer before to neuron j.")
    biases: Vector = Field(description="(n_l,)")


def _in_order(layers: Sequence[LayerParameters]) -> Sequence[LayerParameters]:
    for place, entry in enumerate(layers):
        if entry.layer != place + 2:
            context = {
                "detail": f"Layers stand in order from 2: this is layer {place + 2}.",
                "pointer": pointer(place, "layer"),
            }
            raise PydanticCustomError("layers", "{detail}", context)
    return layers


LayerParameterList = Annotated[Items[LayerParameters], Field(min_length=1), AfterValidator(_in_order)]
"""All layers of a network, from 2 on, none left out."""


class PutParameters(Body):
    """New parameters for a network; what the optimizer remembers stays."""

    model_config = shown({"layers": _EXAMPLE})

    version: VersionNumber | None = Field(
        None, description="Taken, so that what GET gave can be sent back, and not compared: use If-Match for that."
    )
    layers: LayerParameterList


class Parameters(Body):
    """The parameters of one version of a network."""

    version: VersionNumber
    layers: LayerParameterList


class ParametersPut(Body):
    """The version that the new parameters have become."""

    version: VersionNumber
