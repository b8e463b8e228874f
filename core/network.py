"""What a network is (`Architecture`) and the numbers it holds (`Parameters`): data, with no behavior hidden in it.

Invariant: all numbers of a network live in one flat vector, w^2 row by row, b^2, w^3, b^3, ...; the weights and biases of a
layer are views of it. Gradients, tangents and whatever else lives in the parameters' space have the same type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from core.activations import ACTIVATIONS
from core.costs import COSTS, LAST_LAYERS
from core.errors import InvalidArchitecture, InvalidBatch
from core.types import Array, ArrayModule

__all__ = ["DTYPES", "Architecture", "DtypeName", "Layer", "LayerLayout", "LayerParameters", "Parameters"]

DtypeName = Literal["float32", "float64"]
DTYPES: tuple[DtypeName, ...] = ("float32", "float64")


@dataclass(frozen=True)
class Layer:
    """One layer with weights: how many neurons, and their activation."""

    units: int
    activation: str


@dataclass(frozen=True)
class LayerLayout:
    """Where layer `layer` (2..L) lies in the flat vector: weights (n_l, n_{l-1}), then biases (n_l,)."""

    layer: int
    rows: int
    columns: int
    start: int

    @property
    def split(self) -> int:
        """Where the weights end and the biases begin."""
        return self.start + self.rows * self.columns

    @property
    def stop(self) -> int:
        """Where the layer ends."""
        return self.split + self.rows


@dataclass(frozen=True)
class Architecture:
    """A fully connected network: n_1 inputs, layers 2..L, a cost, and the dtype that it computes in.

    Raises:
        InvalidArchitecture: no layers or units, an unknown name, or a cost that its last layer does not allow.
    """

    inputs: int
    layers: tuple[Layer, ...]
    cost: str
    dtype: DtypeName = "float32"

    def __post_init__(self) -> None:
        if self.inputs < 1:
            raise InvalidArchitecture("a network has at least one input", ("inputs",))
        if not self.layers:
            raise InvalidArchitecture("a network has at least one layer with weights", ("layers",))
        for index, layer in enumerate(self.layers):
            if layer.units < 1:
                raise InvalidArchitecture("a layer has at least one unit", ("layers", index, "units"))
            if layer.activation not in ACTIVATIONS:
                names = ", ".join(ACTIVATIONS)
                raise InvalidArchitecture(f"unknown activation; known are {names}", ("layers", index, "activation"))
        if self.cost not in COSTS:
            raise InvalidArchitecture(f"unknown cost; known are {', '.join(COSTS)}", ("cost",))
        if self.dtype not in DTYPES:
            raise InvalidArchitecture(f"unknown dtype; known are {', '.join(DTYPES)}", ("dtype",))
        allowed = LAST_LAYERS.get(self.cost)
        if allowed is not None and self.layers[-1].activation not in allowed:
            wanted = " or ".join(allowed)
            raise InvalidArchitecture(
                f"the cost {self.cost} needs a last layer of {wanted}", ("layers", len(self.layers) - 1, "activation")
            )

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """(n_1, ..., n_L)."""
        return (self.inputs, *(layer.units for layer in self.layers))

    @cached_property
    def layout(self) -> tuple[LayerLayout, ...]:
        """Where each layer lies in the flat vector."""
        places: list[LayerLayout] = []
        start = 0
        for index, rows in enumerate(self.sizes[1:]):
            places.append(LayerLayout(index + 2, rows, self.sizes[index], start))
            start = places[-1].stop
        return tuple(places)

    @cached_property
    def parameter_count(self) -> int:
        """P: all weights and biases."""
        return self.layout[-1].stop


@dataclass(frozen=True)
class LayerParameters:
    """What one layer holds: w^l (n_l, n_{l-1}) and b^l (n_l,)."""

    layer: int
    weights: Array
    biases: Array


@dataclass(frozen=True, eq=False)
class Parameters:
    """The numbers of a network as one vector (P,) of its dtype, and its layers as views of that vector.

    A complex vector is allowed: it is how the complex step differentiates.

    Raises:
        InvalidBatch: another shape or dtype.
    """

    architecture: Architecture
    vector: Array

    def __post_init__(self) -> None:
        expected = (self.architecture.parameter_count,)
        if tuple(self.vector.shape) != expected:
            raise InvalidBatch(f"the parameters have shape {tuple(self.vector.shape)}, not {expected}", ("parameters",))
        dtype = _name_of(self.vector.dtype)
        if dtype != self.architecture.dtype and not dtype.startswith("complex"):
            raise InvalidBatch(f"the parameters are {dtype}, not {self.architecture.dtype}", ("parameters",))

    @cached_property
    def layers(self) -> tuple[LayerParameters, ...]:
        """Each layer's weights and biases."""
        return tuple(
            LayerParameters(
                place.layer,
                _reshaped(self.vector[place.start : place.split], (place.rows, place.columns)),
                self.vector[place.split : place.stop],
            )
            for place in self.architecture.layout
        )

    @classmethod
    def from_layers(
        cls, xp: ArrayModule, architecture: Architecture, layers: Sequence[tuple[Array, Array]]
    ) -> Parameters:
        """Join (w, b) of every layer, ascending, rounded to the network's dtype.

        Raises:
            InvalidBatch: too few or too many layers, or a shape that is not the layer's.
        """
        if len(layers) != len(architecture.layers):
            detail = f"{len(layers)} layers were given, the network has {len(architecture.layers)}"
            raise InvalidBatch(detail, ("layers",))
        pieces: list[Array] = []
        for index, (place, (w, b)) in enumerate(zip(architecture.layout, layers, strict=True)):
            for name, array, shape in (("weights", w, (place.rows, place.columns)), ("biases", b, (place.rows,))):
                if tuple(array.shape) != shape:
                    detail = f"the {name} of layer {place.layer} have shape {tuple(array.shape)}, not {shape}"
                    raise InvalidBatch(detail, ("layers", index, name))
                pieces.append(xp.reshape(_in_dtype(xp, array, architecture.dtype), (-1,)))
        return cls(architecture, xp.concat(pieces))


def _name_of(dtype: Any) -> str:
    """`float32`, whether NumPy or another module says it."""
    return _name(type(dtype).__module__, dtype)


@cache
def _name(_module: str, dtype: Any) -> str:
    # The module comes first in the key: dtypes of two modules are not to be compared.
    return str(dtype).rpartition(".")[2]


def _reshaped(array: Array, shape: tuple[int, int]) -> Array:
    """A view in another shape: by the method that NumPy's and CuPy's arrays have, else by the standard's function."""
    if hasattr(array, "reshape"):
        return array.reshape(shape)
    view: Array = array.__array_namespace__().reshape(array, shape)
    return view


def _in_dtype(xp: ArrayModule, array: Array, dtype: DtypeName) -> Array:
    if _name_of(array.dtype) == dtype or xp.isdtype(array.dtype, "complex floating"):
        return array
    return xp.astype(array, getattr(xp, dtype))
