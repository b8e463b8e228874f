"""Costs C_x of one example, their slopes dC_x/da, and how a cost sits on a last layer.

Invariant: a cost knows outputs and targets, nothing of activations; `output_layer` joins the two. Where the exact sum goes
through a logarithm of an activation (the cross entropies), a fused pair computes both the cost and delta^L from z, finite at
|z| = 1e4. Elsewhere the general pair applies equation (1) as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from core import equations
from core.activations import ACTIVATIONS, Activation, log_softmax, softplus
from core.types import Array, ArrayModule

__all__ = ["COSTS", "LAST_LAYERS", "Cost", "OutputLayer", "output_layer"]


@dataclass(frozen=True)
class Cost:
    """One cost function."""

    name: str
    value: Callable[[ArrayModule, Array, Array], Array]
    """C_x from y and a^L; (m,)."""
    gradient: Callable[[ArrayModule, Array, Array], Array]
    """dC_x/da^L from y and a^L; (m, n_L)."""


class OutputLayer(Protocol):
    """A cost on a last layer: what it costs, and what it makes of delta^L."""

    @property
    def value(self) -> Callable[[ArrayModule, Array, Array, Array], Array]:
        """(xp, y, z, a) -> C_x; (m,)."""

    @property
    def error(self) -> Callable[[ArrayModule, Array, Array, Array], Array]:
        """(xp, y, z, a) -> delta^L = dC_x/dz^L; (m, n_L)."""


def output_layer(cost: str, activation: str) -> OutputLayer:
    """The named cost on a last layer of the named activation: the fused pair where there is one, else the general one."""
    return FUSED.get((cost, activation)) or General(COSTS[cost], ACTIVATIONS[activation])


@dataclass(frozen=True)
class General:
    """Any cost on any activation."""

    cost: Cost
    activation: Activation

    def value(self, xp: ArrayModule, y: Array, z: Array, a: Array) -> Array:  # noqa: ARG002  the protocol's z
        """C_x(y, a); (m,)."""
        return self.cost.value(xp, y, a)

    def error(self, xp: ArrayModule, y: Array, z: Array, a: Array) -> Array:
        """Equation (1); (m, n_L)."""
        return equations.output_error(xp, self.activation, self.cost.gradient(xp, y, a), z, a)


@dataclass(frozen=True)
class Fused:
    """A pair whose cost and error have closed forms in z."""

    value: Callable[[ArrayModule, Array, Array, Array], Array]
    error: Callable[[ArrayModule, Array, Array, Array], Array]


def _sum(xp: ArrayModule, terms: Array) -> Array:
    result: Array = xp.sum(terms, axis=1)
    return result


def _size(xp: ArrayModule, d: Array) -> Array:
    """|d|; also for the complex step, where it continues along the sign of the real part."""
    return xp.where(d < 0, -d, d)


def _sign(xp: ArrayModule, d: Array) -> Array:
    one = xp.ones_like(d)
    return xp.where(d > 0, one, xp.where(d < 0, -one, xp.zeros_like(d)))


def _huber(xp: ArrayModule, y: Array, a: Array) -> Array:
    d = a - y
    size = _size(xp, d)
    near = xp.where(size < 1, d, xp.zeros_like(d))
    return _sum(xp, xp.where(size < 1, 0.5 * near * near, size - 0.5)) / a.shape[1]


def _huber_gradient(xp: ArrayModule, y: Array, a: Array) -> Array:
    d = a - y
    return xp.where(_size(xp, d) < 1, d, _sign(xp, d)) / a.shape[1]


def _weighted_log(xp: ArrayModule, weight: Array, a: Array) -> Array:
    """Weight log a, and 0 where the weight is 0, whatever a is."""
    return xp.where(weight == 0, xp.zeros_like(a), weight * xp.log(xp.where(weight == 0, xp.ones_like(a), a)))


def _ratio(xp: ArrayModule, weight: Array, a: Array) -> Array:
    """The slope of `_weighted_log`: weight / a, and 0 where the weight is 0, whatever a is."""
    return xp.where(weight == 0, xp.zeros_like(a), weight / xp.where(weight == 0, xp.ones_like(a), a))


def _binary_cross_entropy(xp: ArrayModule, y: Array, a: Array) -> Array:
    return -_sum(xp, _weighted_log(xp, y, a) + _weighted_log(xp, 1 - y, 1 - a))


def _cross_entropy(xp: ArrayModule, y: Array, a: Array) -> Array:
    return -_sum(xp, _weighted_log(xp, y, a))


_ALL = (
    Cost(
        "quadratic",
        lambda xp, y, a: 0.5 * _sum(xp, (a - y) * (a - y)),
        lambda _xp, y, a: a - y,
    ),
    Cost(
        "mean_squared_error",
        lambda xp, y, a: _sum(xp, (a - y) * (a - y)) / a.shape[1],
        lambda _xp, y, a: (2 / a.shape[1]) * (a - y),
    ),
    Cost(
        "mean_absolute_error",
        lambda xp, y, a: _sum(xp, _size(xp, a - y)) / a.shape[1],
        lambda xp, y, a: _sign(xp, a - y) / a.shape[1],
    ),
    Cost("huber", _huber, _huber_gradient),
    Cost(
        "binary_cross_entropy",
        _binary_cross_entropy,
        lambda xp, y, a: _ratio(xp, 1 - y, 1 - a) - _ratio(xp, y, a),
    ),
    Cost("cross_entropy", _cross_entropy, lambda xp, y, a: -_ratio(xp, y, a)),
)

COSTS: Mapping[str, Cost] = {cost.name: cost for cost in _ALL}
"""Every cost by its name on the wire."""

LAST_LAYERS: Mapping[str, tuple[str, ...]] = {
    "binary_cross_entropy": ("sigmoid", "softmax"),
    "cross_entropy": ("softmax",),
}
"""The last layers of the costs that do not allow every one; each of these pairs is fused."""


# sigmoid + binary cross entropy: -y log a - (1-y) log(1-a) = log(1 + e^z) - y z.


def _sigmoid_binary_value(xp: ArrayModule, y: Array, z: Array, a: Array) -> Array:  # noqa: ARG001  from z alone
    # y softplus(-z) + (1 - y) softplus(z): two small numbers, where softplus(z) - y z may be two large ones.
    return _sum(xp, y * softplus(xp, -z) + (1 - y) * softplus(xp, z))


def _sigmoid_binary_error(_xp: ArrayModule, y: Array, z: Array, a: Array) -> Array:  # noqa: ARG001  a - y it is
    return a - y


# softmax + cross entropy: -sum y log a = sum y (log sum e^z - z). The targets need not sum to 1.


def _softmax_cross_value(xp: ArrayModule, y: Array, z: Array, a: Array) -> Array:  # noqa: ARG001  from z alone
    return -_sum(xp, y * log_softmax(xp, z))


def _softmax_cross_error(xp: ArrayModule, y: Array, z: Array, a: Array) -> Array:  # noqa: ARG001  from a alone
    return a * xp.sum(y, axis=1, keepdims=True) - y


# softmax + binary cross entropy. log a_j = z_j - lse(z), and log(1 - a_j) = lse_{k != j}(z) - lse(z). Only the largest output
# can be near 1, so only its complement needs a sum of its own; the others are log1p(-a_j) with a_j <= 1/2.


def _largest(xp: ArrayModule, z: Array) -> Array:
    """A mask of the first largest entry of each row; (m, n)."""
    columns = xp.arange(z.shape[1])
    winner = xp.argmax(xp.where(z == xp.max(z, axis=1, keepdims=True), xp.ones_like(z), xp.zeros_like(z)), axis=1)
    mask: Array = columns[None, :] == winner[:, None]
    return mask


def _without_largest(xp: ArrayModule, z: Array) -> tuple[Array, Array]:
    """The mask of the largest entry, and z_i minus the log sum exp of the others (m, n); there must be two outputs."""
    mask = _largest(xp, z)
    others = xp.where(mask, xp.min(z, axis=1, keepdims=True) * xp.ones_like(z), z)
    below = z - xp.max(others, axis=1, keepdims=True)
    e = xp.where(mask, xp.zeros_like(z), xp.exp(xp.where(mask, xp.zeros_like(z), below)))
    return mask, below - xp.log(xp.sum(e, axis=1, keepdims=True))


def _softmax_binary_value(xp: ArrayModule, y: Array, z: Array, a: Array) -> Array:
    log_a = log_softmax(xp, z)
    mask, over_rest = _without_largest(xp, z)
    below = xp.where(mask, xp.zeros_like(a), a)
    # log(1 - a_j) of the largest is lse_{k != j} - lse = log a_j - (z_j - lse_{k != j}).
    log_complement = xp.where(mask, log_a - over_rest, xp.log1p(-below))
    kept = xp.where(y == 1, xp.zeros_like(y), (1 - y) * log_complement)
    return -_sum(xp, y * log_a + kept)


def _softmax_binary_error(xp: ArrayModule, y: Array, z: Array, a: Array) -> Array:
    # dC/dz_i = a_i sum(y) - y_i - sum_j (1 - y_j) ([i != j] e^{z_i - lse_{k != j}} - a_i)
    mask, over_rest = _without_largest(xp, z)
    zero = xp.zeros_like(a)
    complement = xp.where(mask, xp.ones_like(a), 1 - a)
    odds = xp.where(mask, zero, (1 - y) / complement)
    from_others = a * (xp.sum(odds, axis=1, keepdims=True) - odds)
    top_weight = xp.sum(xp.where(mask, 1 - y, zero), axis=1, keepdims=True)
    from_top = xp.where(mask, zero, top_weight * xp.exp(xp.where(mask, zero, over_rest)))
    return a * xp.sum(y, axis=1, keepdims=True) - y + a * xp.sum(1 - y, axis=1, keepdims=True) - from_others - from_top


FUSED: Mapping[tuple[str, str], OutputLayer] = {
    ("binary_cross_entropy", "sigmoid"): Fused(_sigmoid_binary_value, _sigmoid_binary_error),
    ("binary_cross_entropy", "softmax"): Fused(_softmax_binary_value, _softmax_binary_error),
    ("cross_entropy", "softmax"): Fused(_softmax_cross_value, _softmax_cross_error),
}
