"""Backpropagation: Trace -> errors -> gradient, by the four equations and nothing else.

Invariant: errors and per-example gradients are of C_x, not divided by m; the gradient is their mean over the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from core import equations
from core.activations import ACTIVATIONS
from core.costs import OutputLayer, output_layer
from core.errors import InvalidBatch
from core.feedforward import Trace, as_computed, feedforward
from core.finite import quiet, require_finite, require_finite_parameters
from core.network import LayerParameters, Parameters
from core.types import Array, ArrayModule

__all__ = [
    "Backprop",
    "backprop",
    "cost_of",
    "input_gradient",
    "per_example_gradients",
    "per_example_norms",
    "require_targets",
]


@dataclass(frozen=True, eq=False)
class Backprop:
    """What one backward pass found."""

    cost: float
    """C, the mean of C_x over the batch."""
    trace: Trace
    errors: tuple[Array, ...]
    """delta^l of layers 2..L, (m, n_l) each."""
    gradient: Parameters
    """dC/dw^l and dC/db^l, means over the batch."""


def require_targets(xp: ArrayModule, parameters: Parameters, y: Array, examples: int) -> Array:
    """Targets as (m, n_L) in the network's dtype, from that or from integer labels (m,) of a cross entropy.

    Raises:
        InvalidBatch: another shape, labels for another cost, or a label out of range; `path` names the first fault.
    """
    architecture = parameters.architecture
    units = architecture.sizes[-1]
    if y.ndim == 1 and architecture.cost == "cross_entropy":
        return _one_hot(xp, parameters, y, examples, units)
    if tuple(y.shape) != (examples, units):
        detail = f"the targets have shape {tuple(y.shape)}, not {(examples, units)}"
        raise InvalidBatch(detail, ("targets",))
    with quiet():
        return as_computed(xp, parameters, y)


def _one_hot(xp: ArrayModule, parameters: Parameters, labels: Array, examples: int, units: int) -> Array:
    if not xp.isdtype(labels.dtype, "integral"):
        raise InvalidBatch("class labels are integers", ("targets",))
    if labels.shape[0] != examples:
        raise InvalidBatch(f"{labels.shape[0]} labels were given for {examples} examples", ("targets",))
    outside = (labels < 0) | (labels >= units)
    if bool(xp.any(outside)):
        first = int(xp.argmax(xp.astype(outside, xp.int64)))
        detail = f"label {int(labels[first])} is not one of the {units} classes, 0 to {units - 1}"
        raise InvalidBatch(detail, ("targets", first))
    classes = xp.arange(units, dtype=labels.dtype)
    hot: Array = xp.astype(labels[:, None] == classes[None, :], parameters.vector.dtype)
    return hot


def _head(parameters: Parameters) -> OutputLayer:
    architecture = parameters.architecture
    return output_layer(architecture.cost, architecture.layers[-1].activation)


def cost_of(xp: ArrayModule, parameters: Parameters, trace: Trace, y: Array) -> float:
    """C = (1/m) sum_x C_x for targets as `require_targets` returns them."""
    last = trace.layers[-1]
    with quiet():
        costs = _head(parameters).value(xp, y, last.z, last.a)
        mean = xp.sum(costs) / costs.shape[0]
    require_finite(xp, mean, last.layer, "cost")
    return float(mean)


def backprop(xp: ArrayModule, parameters: Parameters, x: Array, y: Array) -> Backprop:
    """Cost, errors and mean gradient for x (m, n_1) and y (m, n_L), or labels (m,) where the cost is a cross entropy.

    Raises:
        InvalidBatch: shapes that do not fit, or labels out of range.
        NonFiniteError: names the first layer that left the finite numbers.
    """
    trace = feedforward(xp, parameters, x)
    y = require_targets(xp, parameters, y, x.shape[0])
    cost = cost_of(xp, parameters, trace, y)
    with quiet():
        errors = _errors(xp, parameters, trace, y)
        gradient = _mean_gradient(xp, parameters, trace, errors)
    return Backprop(cost, trace, errors, gradient)


def _errors(xp: ArrayModule, parameters: Parameters, trace: Trace, y: Array) -> tuple[Array, ...]:
    """delta^L by equation (1), then backwards by equation (2)."""
    last = trace.layers[-1]
    errors = [_head(parameters).error(xp, y, last.z, last.a)]
    require_finite(xp, errors[0], last.layer, "errors")
    for index in range(len(trace.layers) - 2, -1, -1):
        at = trace.layers[index]
        sigma = ACTIVATIONS[parameters.architecture.layers[index].activation]
        delta = equations.hidden_error(xp, sigma, parameters.layers[index + 1].weights, errors[-1], at.z, at.a)
        require_finite(xp, delta, at.layer, "errors")
        errors.append(delta)
    return tuple(reversed(errors))


def _mean_gradient(xp: ArrayModule, parameters: Parameters, trace: Trace, errors: tuple[Array, ...]) -> Parameters:
    layers: list[tuple[Array, Array]] = []
    for index, delta in enumerate(errors):
        w = equations.mean_weight_gradient(delta, trace.input_of(index))
        b = equations.mean_bias_gradient(xp, delta)
        layers.append((w, b))
    gradient = Parameters.from_layers(xp, parameters.architecture, layers)
    require_finite_parameters(xp, gradient, "gradient")
    return gradient


def per_example_gradients(xp: ArrayModule, found: Backprop) -> tuple[LayerParameters, ...]:
    """dC_x/dw^l (m, n_l, n_{l-1}) and dC_x/db^l (m, n_l) of every layer, by equations (3) and (4)."""
    layers: list[LayerParameters] = []
    with quiet():
        for index, delta in enumerate(found.errors):
            w = equations.weight_gradient(delta, found.trace.input_of(index))
            require_finite(xp, w, index + 2, "per-example gradient")
            layers.append(LayerParameters(index + 2, w, equations.bias_gradient(delta)))
    return tuple(layers)


def per_example_norms(xp: ArrayModule, found: Backprop) -> Array:
    """The L2 norm of every example's gradient over all parameters, without making one; (m,).

    The gradient of one example is an outer product, so its norm is a product of norms:
    ||dC_x/dw^l|| = ||delta^l|| ||a^{l-1}||, and ||dC_x/db^l|| = ||delta^l||.
    """
    with quiet():
        squares = [
            xp.sum(delta * delta, axis=1) * (1 + xp.sum(a * a, axis=1))
            for delta, a in ((delta, found.trace.input_of(index)) for index, delta in enumerate(found.errors))
        ]
        total = squares[0]
        for square in squares[1:]:
            total = total + square
        norms = xp.sqrt(total)
    require_finite(xp, norms, None, "per-example gradient norms")
    return norms


def input_gradient(xp: ArrayModule, parameters: Parameters, found: Backprop) -> Array:
    """dC_x/dx = (w^2)^T delta^2; (m, n_1): equation (2) for a layer whose sigma is the identity."""
    x = found.trace.x
    with quiet():
        gradient = equations.hidden_error(
            xp, ACTIVATIONS["identity"], parameters.layers[0].weights, found.errors[0], x, x
        )
    require_finite(xp, gradient, 2, "input gradient")
    return gradient
