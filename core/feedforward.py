"""Feedforward in matrix form: x -> Trace(z, a), or only the outputs.

Invariant: every number of a trace is finite; examples do not see each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core import equations
from core.activations import ACTIVATIONS
from core.errors import InvalidBatch
from core.finite import quiet, require_finite
from core.network import Parameters
from core.types import Array, ArrayModule

__all__ = ["LayerTrace", "Trace", "as_computed", "feedforward", "predict", "require_inputs"]


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """What one layer (2..L) made of a batch: z^l and a^l, both (m, n_l)."""

    layer: int
    z: Array
    a: Array


@dataclass(frozen=True, eq=False)
class Trace:
    """A batch on its way through a network: x (m, n_1) and every layer's z and a."""

    x: Array
    layers: tuple[LayerTrace, ...]

    @property
    def outputs(self) -> Array:
        """a^L (m, n_L)."""
        return self.layers[-1].a

    def input_of(self, index: int) -> Array:
        """a^{l-1}, what the layer at `index` of `layers` was given; (m, n_{l-1})."""
        return self.layers[index - 1].a if index else self.x


def require_inputs(parameters: Parameters, x: Array) -> None:
    """Raise `InvalidBatch` unless x is (m, n_1) with m >= 1."""
    inputs = parameters.architecture.inputs
    if x.ndim != 2 or x.shape[0] < 1 or x.shape[1] != inputs:
        raise InvalidBatch(f"the inputs have shape {tuple(x.shape)}, not (m, {inputs}) with m >= 1", ("inputs",))


def as_computed(xp: ArrayModule, parameters: Parameters, array: Array) -> Array:
    """The array in the dtype that the network computes in, so that no product is promoted to another."""
    dtype = parameters.vector.dtype
    return array if array.dtype == dtype else xp.astype(array, dtype)


def feedforward(xp: ArrayModule, parameters: Parameters, x: Array) -> Trace:
    """Every z^l and a^l for x (m, n_1), in the network's dtype, which x is rounded to.

    Raises:
        InvalidBatch: x is not (m, n_1). NonFiniteError: names the first layer that left the finite numbers.
    """
    require_inputs(parameters, x)
    with quiet():
        x = as_computed(xp, parameters, x)
        return Trace(x, tuple(_layers(xp, parameters, x)))


def predict(xp: ArrayModule, parameters: Parameters, x: Array) -> Array:
    """The outputs a^L (m, n_L) alone; no layer is kept. Raises as `feedforward`."""
    require_inputs(parameters, x)
    with quiet():
        for layer in _layers(xp, parameters, as_computed(xp, parameters, x)):
            outputs = layer.a
    return outputs


def _layers(xp: ArrayModule, parameters: Parameters, x: Array) -> Iterator[LayerTrace]:
    """Equation (0) and a = sigma(z), layer after layer."""
    a = x
    for held, shape in zip(parameters.layers, parameters.architecture.layers, strict=True):
        z = equations.weighted_input(held.weights, held.biases, a)
        require_finite(xp, z, held.layer, "weighted inputs")
        a = ACTIVATIONS[shape.activation].value(xp, z)
        require_finite(xp, a, held.layer, "activations")
        yield LayerTrace(held.layer, z, a)
