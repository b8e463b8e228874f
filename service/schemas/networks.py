"""Networks on the wire: what makes one or a fork of one, and what the service says of one."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, RootModel, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from service.schemas.base import Body, Count, Items, LayerNumber, Name, Seed, Timestamp, VersionNumber, shown
from service.schemas.parameters import LayerParameterList

__all__ = [
    "Activation",
    "Cost",
    "CreateNetwork",
    "CreateOrFork",
    "Dtype",
    "Durability",
    "ForkNetwork",
    "ForkSource",
    "Initializer",
    "LayerSpec",
    "Network",
    "NetworkLayer",
    "NetworkPage",
    "RenameNetwork",
]

Activation = Literal[
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "softplus", "softmax"
]
Cost = Literal[
    "quadratic", "mean_squared_error", "mean_absolute_error", "huber", "binary_cross_entropy", "cross_entropy"
]
Initializer = Literal["gaussian", "scaled_gaussian", "xavier_uniform", "he_normal", "zeros"]
Dtype = Literal["float32", "float64"]
Durability = Annotated[
    Literal["full", "replay"],
    Field(
        description="How an answered step is kept on disk: as the parameters that it made, or (`replay`) as its minibatch,"
        " from which they are computed again after a crash. Faster for large networks: docs/durability.md."
    ),
]

_SPEC: JsonDict = {
    "name": "digits",
    "inputs": 64,
    "layers": [{"units": 30, "activation": "sigmoid"}, {"units": 10, "activation": "sigmoid"}],
    "cost": "quadratic",
    "initializer": "gaussian",
    "seed": 0,
    "dtype": "float32",
}
_NETWORK: JsonDict = {
    "id": "net_k3v7q2m5x4hzc6jd",
    **_SPEC,
    "layers": [{"layer": 2, "units": 30, "activation": "sigmoid"}, {"layer": 3, "units": 10, "activation": "sigmoid"}],
    "durability": "full",
    "parameter_count": 2260,
    "version": 0,
    "created_at": "2026-01-01T00:00:00.000000Z",
    "updated_at": "2026-01-01T00:00:00.000000Z",
    "backend": "numpy",
}


class LayerSpec(Body):
    """A layer with weights."""

    units: Count
    activation: Activation = Field(description="`softmax` may stand in any layer.")


class CreateNetwork(Body):
    """A network to be made, with drawn parameters or with given ones."""

    model_config = shown(_SPEC)

    name: Name | None = None
    inputs: Count = Field(description="n_1, the numbers in one example.")
    layers: Items[LayerSpec] = Field(min_length=1, description="Layers 2, 3, ... L.")
    cost: Cost = Field(
        "quadratic",
        description="`cross_entropy` needs a last layer of `softmax`, `binary_cross_entropy` one of `sigmoid` or it.",
    )
    initializer: Initializer | None = Field(
        None, description="`scaled_gaussian` where neither this nor `parameters` is given."
    )
    seed: Seed | None = None
    dtype: Dtype = Field("float32", description="What the network computes and answers in.")
    durability: Durability = "full"
    parameters: LayerParameterList | None = Field(None, description="In place of `initializer`.")

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if self.parameters is not None and self.initializer is not None:
            context = {
                "detail": "A network starts from `initializer` or from `parameters`, not from both.",
                "pointer": "/parameters",
            }
            raise PydanticCustomError("start", "{detail}", context)
        return self


class ForkSource(Body):
    """A version of a network that is there."""

    network: str = Field(pattern="^[a-z0-9_]{1,64}$", description="Its id.")
    version: VersionNumber | None = Field(None, description="The current one where it is absent.")


class ForkNetwork(Body):
    """A network that starts as a version of another: its spec, its parameters and what its optimizer remembers."""

    model_config = shown({"from": {"network": "net_k3v7q2m5x4hzc6jd", "version": 3}, "name": "digits, another way"})

    source: ForkSource = Field(alias="from")
    name: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_else(cls, document: Any) -> Any:
        for field in CreateNetwork.model_fields:
            if field != "name" and field in document:
                detail = f"A fork has the spec of its source: `from` leaves no room for `{field}`."
                raise PydanticCustomError("fork", "{detail}", {"detail": detail, "pointer": f"/{field}"})
        return document


class CreateOrFork(RootModel[CreateNetwork | ForkNetwork]):
    """A network to be made: a new one, or with `from` a fork of another."""


class RenameNetwork(Body):
    """The one thing about a network that can change without a new version."""

    model_config = shown({"name": "digits, second try"})

    name: Name | None


class NetworkLayer(Body):
    """A layer with weights, and its number."""

    layer: LayerNumber
    units: Count
    activation: Activation


class Network(Body):
    """A network without its numbers."""

    model_config = shown(_NETWORK)

    id: str
    name: str | None
    inputs: Count
    layers: Items[NetworkLayer]
    cost: Cost
    initializer: Initializer | None = Field(description="null where the parameters were given.")
    seed: Seed | None = Field(description="The one that was drawn where none was given.")
    dtype: Dtype
    durability: Durability
    parameter_count: Count
    version: VersionNumber
    created_at: Timestamp
    updated_at: Timestamp
    backend: Literal["numpy", "cupy"]


class NetworkPage(Body):
    """Networks in the order of their creation."""

    networks: Items[Network]
    next: str | None = Field(description="The cursor `after` for the next page; null on the last.")
