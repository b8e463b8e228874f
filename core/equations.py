"""The equations of the lecture, each once, over a batch whose rows are examples.

With m examples, layer l of n_l neurons: a (m, n_{l-1}), w (n_l, n_{l-1}), b (n_l,), z, a', delta (m, n_l). For one example, a row
here is the transpose of the lecture's column, so w a reads a w^T.
Source: Nielsen, "Neural Networks and Deep Learning", chapter 2, (BP1) to (BP4).
"""

from __future__ import annotations

from core.activations import Activation
from core.types import Array, ArrayModule

__all__ = [
    "bias_gradient",
    "hidden_error",
    "mean_bias_gradient",
    "mean_weight_gradient",
    "output_error",
    "weight_gradient",
    "weighted_input",
]


def weighted_input(w: Array, b: Array, a: Array) -> Array:
    """(0)  z^l = w^l a^{l-1} + b^l; (m, n_l)."""
    return a @ w.T + b


def output_error(xp: ArrayModule, sigma: Activation, cost_slope: Array, z: Array, a: Array) -> Array:
    """(1)  delta^L = J_sigma(z^L)^T dC_x/da^L, which for a sigma of each neuron alone is dC_x/da^L * sigma'(z^L); (m, n_L)."""
    return sigma.pullback(xp, cost_slope, z, a)


def hidden_error(xp: ArrayModule, sigma: Activation, w_next: Array, delta_next: Array, z: Array, a: Array) -> Array:
    """(2)  delta^l = ((w^{l+1})^T delta^{l+1}) * sigma'(z^l), by the same product with J_sigma^T; (m, n_l)."""
    return sigma.pullback(xp, delta_next @ w_next, z, a)


def bias_gradient(delta: Array) -> Array:
    """(3)  dC_x/db^l = delta^l; (m, n_l)."""
    return delta


def weight_gradient(delta: Array, a: Array) -> Array:
    """(4)  dC_x/dw^l_{jk} = a^{l-1}_k delta^l_j; (m, n_l, n_{l-1})."""
    return delta[:, :, None] * a[:, None, :]


def mean_bias_gradient(xp: ArrayModule, delta: Array) -> Array:
    """The mean of (3) over the batch; (n_l,)."""
    mean: Array = xp.sum(bias_gradient(delta), axis=0) / delta.shape[0]
    return mean


def mean_weight_gradient(delta: Array, a: Array) -> Array:
    """The mean of (4) over the batch as one matrix product, (delta^l)^T a^{l-1} / m; (n_l, n_{l-1})."""
    return delta.T @ a / delta.shape[0]
