"""The lecture, one neuron at a time: plain Python numbers and loops, nothing of core but the names.

Every sum of chapter 2 of Nielsen's book is written out with its indices. Activations have whole Jacobians and costs have
their definitions, so that nothing is shared with the code under test: no matrix, no fused pair, no special form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Vector = Sequence[float]
Matrix = Sequence[Sequence[float]]


def _logistic(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def _phi(z: float) -> float:
    return (1 + math.erf(z / math.sqrt(2))) / 2


def _gelu_tanh_argument(z: float) -> float:
    return math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)


def _gelu_tanh_slope(z: float) -> float:
    u = _gelu_tanh_argument(z)
    # 1 - tanh^2 u = 4 logistic(2u) logistic(-2u), which keeps its digits where tanh u is near 1
    squared = 4 * _logistic(2 * u) * _logistic(-2 * u)
    return (1 + math.tanh(u)) / 2 + z / 2 * squared * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * z**2)


SIGMA: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "identity": (lambda z: z, lambda z: 1.0),
    "sigmoid": (_logistic, lambda z: _logistic(z) * _logistic(-z)),
    "tanh": (math.tanh, lambda z: 1 / math.cosh(z) ** 2),
    "relu": (lambda z: max(z, 0.0), lambda z: 1.0 if z > 0 else 0.0),
    "leaky_relu": (lambda z: max(z, 0.01 * z), lambda z: 1.0 if z > 0 else 0.01),
    "elu": (lambda z: z if z > 0 else math.exp(z) - 1, lambda z: 1.0 if z > 0 else math.exp(z)),
    "gelu": (lambda z: z * _phi(z), lambda z: _phi(z) + z * math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)),
    "gelu_tanh": (lambda z: z / 2 * (1 + math.tanh(_gelu_tanh_argument(z))), _gelu_tanh_slope),
    "silu": (lambda z: z * _logistic(z), lambda z: _logistic(z) + z * _logistic(z) * _logistic(-z)),
    "softplus": (lambda z: math.log(1 + math.exp(z)), _logistic),
}
"""sigma and sigma' of the activations of one neuron."""


def activations(name: str, z: Vector) -> list[float]:
    """a_j."""
    if name == "softmax":
        total = sum(math.exp(zk) for zk in z)
        return [math.exp(zj) / total for zj in z]
    return [SIGMA[name][0](zj) for zj in z]


def jacobian(name: str, z: Vector) -> list[list[float]]:
    """da_j / dz_k."""
    n = range(len(z))
    if name == "softmax":
        a = activations(name, z)
        return [[a[j] * ((j == k) - a[k]) for k in n] for j in n]
    return [[SIGMA[name][1](z[j]) if j == k else 0.0 for k in n] for j in n]


def _sign(d: float) -> float:
    return float((d > 0) - (d < 0))


def cost(name: str, y: Vector, a: Vector) -> float:
    """C_x."""
    pairs = list(zip(y, a, strict=True))
    n = len(a)
    match name:
        case "quadratic":
            return sum((yj - aj) ** 2 for yj, aj in pairs) / 2
        case "mean_squared_error":
            return sum((yj - aj) ** 2 for yj, aj in pairs) / n
        case "mean_absolute_error":
            return sum(abs(yj - aj) for yj, aj in pairs) / n
        case "huber":
            sizes = [abs(yj - aj) for yj, aj in pairs]
            return sum(d**2 / 2 if d < 1 else d - 1 / 2 for d in sizes) / n
        case "binary_cross_entropy":
            return -sum(yj * math.log(aj) + (1 - yj) * math.log(1 - aj) for yj, aj in pairs)
        case "cross_entropy":
            return -sum(yj * math.log(aj) for yj, aj in pairs)
    raise KeyError(name)


def cost_slopes(name: str, y: Vector, a: Vector) -> list[float]:
    """dC_x / da_j."""
    n = len(a)
    slope: dict[str, Callable[[float, float], float]] = {
        "quadratic": lambda yj, aj: aj - yj,
        "mean_squared_error": lambda yj, aj: 2 * (aj - yj) / n,
        "mean_absolute_error": lambda yj, aj: _sign(aj - yj) / n,
        "huber": lambda yj, aj: max(-1.0, min(1.0, aj - yj)) / n,
        "binary_cross_entropy": lambda yj, aj: (1 - yj) / (1 - aj) - yj / aj,
        "cross_entropy": lambda yj, aj: -yj / aj,
    }
    return [slope[name](yj, aj) for yj, aj in zip(y, a, strict=True)]


@dataclass(frozen=True)
class Found:
    """All of one example, by layer (0 is the lecture's layer 2): z, a, delta, dC_x/dw, and dC_x/dx."""

    cost: float
    z: list[list[float]]
    a: list[list[float]]
    delta: list[list[float]]
    weights: list[list[list[float]]]
    x: list[float]


def backprop(
    layers: Sequence[tuple[Matrix, Vector]], names: Sequence[str], cost_name: str, x: Vector, y: Vector
) -> Found:
    """One example through the network and back; `layers` are (w, b) of layers 2..L."""
    z: list[list[float]] = []
    a: list[list[float]] = [list(x)]
    for (w, b), name in zip(layers, names, strict=True):
        z.append([sum(w[j][k] * a[-1][k] for k in range(len(a[-1]))) + b[j] for j in range(len(b))])
        a.append(activations(name, z[-1]))

    delta = [_through(jacobian(names[-1], z[-1]), cost_slopes(cost_name, y, a[-1]))]
    for at in range(len(layers) - 2, -1, -1):
        delta.insert(0, _through(jacobian(names[at], z[at]), _through(layers[at + 1][0], delta[0])))

    weights = [[[dj * ak for ak in a[at]] for dj in delta[at]] for at in range(len(layers))]
    return Found(cost(cost_name, y, a[-1]), z, a[1:], delta, weights, _through(layers[0][0], delta[0]))


def _through(matrix: Matrix, v: Vector) -> list[float]:
    """sum_j matrix_jk v_j: what arrives at each k."""
    return [sum(matrix[j][k] * v[j] for j in range(len(v))) for k in range(len(matrix[0]))]
