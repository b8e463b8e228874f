"""Activation functions: a = sigma(z), and J_sigma^T v, the only thing that backpropagation asks of their derivative.

Invariant: nothing overflows and nothing is lost at |z| = 1e4 in either dtype. `pullback` is the product with the transposed
Jacobian, so that softmax, whose Jacobian is full, needs no special case anywhere. All functions take (m, n) and answer (m, n),
row by row. They are written with comparisons and `where`, so that they also continue into the complex plane (complex step).
Kinks as in PyTorch: relu'(0) = 0, leaky_relu'(0) = 0.01, elu'(0) = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi, sqrt
from typing import Protocol

from core.special import erfc
from core.types import Array, ArrayModule

__all__ = ["ACTIVATIONS", "Activation", "Elementwise", "Softmax", "log_softmax"]

LEAK = 0.01
"""Slope of leaky_relu below zero (PyTorch's default)."""
GELU_CUBIC = 0.044715
"""Hendrycks and Gimpel, "Gaussian error linear units", 2016."""
GELU_EDGE = 30.0
"""Beyond this the factor of z in gelu_tanh is 0 or 1 to the last bit, so its argument may stop growing; a cube would overflow."""


class Activation(Protocol):
    """One activation function."""

    @property
    def name(self) -> str:
        """Its name on the wire."""

    @property
    def value(self) -> Callable[[ArrayModule, Array], Array]:
        """(xp, z) -> a = sigma(z); (m, n)."""

    @property
    def slope(self) -> Callable[[ArrayModule, Array, Array], Array]:
        """(xp, z, a) -> the diagonal of the Jacobian, d a_j / d z_j; (m, n)."""

    def pullback(self, xp: ArrayModule, v: Array, z: Array, a: Array) -> Array:
        """J_sigma(z)^T v for each row; (m, n)."""


@dataclass(frozen=True)
class Elementwise:
    """An activation that works on each neuron alone, so that its Jacobian is diagonal."""

    name: str
    value: Callable[[ArrayModule, Array], Array]
    slope: Callable[[ArrayModule, Array, Array], Array]
    """sigma'(z), from z and a."""

    def pullback(self, xp: ArrayModule, v: Array, z: Array, a: Array) -> Array:
        """V sigma'(z)."""
        return v * self.slope(xp, z, a)


class Softmax:
    """a_j = e^{z_j} / sum_k e^{z_k}, whose Jacobian is diag(a) - a a^T."""

    name = "softmax"

    def value(self, xp: ArrayModule, z: Array) -> Array:
        """E^{z - max z}, normalized."""
        e = xp.exp(z - xp.max(z, axis=1, keepdims=True))
        return e / xp.sum(e, axis=1, keepdims=True)

    def pullback(self, xp: ArrayModule, v: Array, z: Array, a: Array) -> Array:  # noqa: ARG002  the protocol's z
        """A (v - sum_k v_k a_k)."""
        return a * (v - xp.sum(v * a, axis=1, keepdims=True))

    def slope(self, xp: ArrayModule, z: Array, a: Array) -> Array:  # noqa: ARG002  the protocol's xp and z
        """a_j (1 - a_j)."""
        return a * (1 - a)


def log_softmax(xp: ArrayModule, z: Array) -> Array:
    """Log a_j of the softmax, from differences of z alone, so that a large z costs no digits; (m, n)."""
    below = z - xp.max(z, axis=1, keepdims=True)
    return below - xp.log(xp.sum(xp.exp(below), axis=1, keepdims=True))


def _decay(xp: ArrayModule, z: Array) -> Array:
    """E^{-|z|}: the exponential that cannot overflow."""
    return xp.exp(xp.where(z >= 0, -z, z))


def _sigmoid(xp: ArrayModule, z: Array) -> Array:
    e = _decay(xp, z)
    return xp.where(z >= 0, xp.ones_like(e), e) / (1 + e)


def softplus(xp: ArrayModule, z: Array) -> Array:
    """Log(1 + e^z)."""
    return xp.where(z > 0, z, xp.zeros_like(z)) + xp.log1p(_decay(xp, z))


def _relu(xp: ArrayModule, z: Array) -> Array:
    return xp.where(z > 0, z, xp.zeros_like(z))


def _step(xp: ArrayModule, z: Array, above: float, below: float) -> Array:
    one = xp.ones_like(z)
    return xp.where(z > 0, above * one, below * one)


def _elu(xp: ArrayModule, z: Array) -> Array:
    negative = xp.where(z > 0, xp.zeros_like(z), z)
    return xp.where(z > 0, z, xp.expm1(negative))


def _elu_slope(xp: ArrayModule, z: Array, a: Array) -> Array:  # noqa: ARG001  a + 1 would lose what is left of e^z
    return xp.exp(xp.where(z > 0, xp.zeros_like(z), z))


def _gelu(xp: ArrayModule, z: Array) -> Array:
    return 0.5 * z * erfc(xp, z * (-1 / sqrt(2)))


def _gelu_slope(xp: ArrayModule, z: Array, a: Array) -> Array:  # noqa: ARG001  a / z would be 0 / 0 at 0
    density = xp.exp(-0.5 * z * z) * (1 / sqrt(2 * pi))
    return 0.5 * erfc(xp, z * (-1 / sqrt(2))) + z * density


def _bounded(xp: ArrayModule, z: Array) -> Array:
    edge = GELU_EDGE * xp.ones_like(z)
    return xp.where(z > edge, edge, xp.where(z < -edge, -edge, z))


# gelu_tanh is z (1 + tanh u) / 2 with u = sqrt(2/pi) (z + c z^3). As (1 + tanh u) / 2 is the sigmoid of 2u, which has all
# its digits where 1 + tanh u has lost them, it is written with that.


def _gelu_tanh_argument(near: Array) -> Array:
    """2u."""
    return 2 * sqrt(2 / pi) * (near + GELU_CUBIC * near * near * near)


def _gelu_tanh(xp: ArrayModule, z: Array) -> Array:
    return z * _sigmoid(xp, _gelu_tanh_argument(_bounded(xp, z)))


def _gelu_tanh_slope(xp: ArrayModule, z: Array, a: Array) -> Array:  # noqa: ARG001  from z alone
    near = _bounded(xp, z)
    argument = _gelu_tanh_argument(near)
    s, rest = _sigmoid(xp, argument), _sigmoid(xp, -argument)
    return s + near * s * rest * (2 * sqrt(2 / pi)) * (1 + 3 * GELU_CUBIC * near * near)


def _silu_slope(xp: ArrayModule, z: Array, a: Array) -> Array:
    return _sigmoid(xp, z) + a * _sigmoid(xp, -z)


_ALL: tuple[Activation, ...] = (
    Elementwise("identity", lambda _xp, z: z, lambda xp, z, _a: xp.ones_like(z)),
    Elementwise("sigmoid", _sigmoid, lambda _xp, _z, a: a * (1 - a)),
    Elementwise("tanh", lambda xp, z: xp.tanh(z), lambda _xp, _z, a: 1 - a * a),
    Elementwise("relu", _relu, lambda xp, z, _a: _step(xp, z, 1.0, 0.0)),
    Elementwise("leaky_relu", lambda xp, z: xp.where(z > 0, z, LEAK * z), lambda xp, z, _a: _step(xp, z, 1.0, LEAK)),
    Elementwise("elu", _elu, _elu_slope),
    Elementwise("gelu", _gelu, _gelu_slope),
    Elementwise("gelu_tanh", _gelu_tanh, _gelu_tanh_slope),
    Elementwise("silu", lambda xp, z: z * _sigmoid(xp, z), _silu_slope),
    Elementwise("softplus", softplus, lambda xp, z, _a: _sigmoid(xp, z)),
    Softmax(),
)

ACTIVATIONS: Mapping[str, Activation] = {activation.name: activation for activation in _ALL}
"""Every activation by its name on the wire."""
