"""Backpropagation once more, one example at a time and with whole Jacobians: slow, plain, and not the service's code.

Every activation's Jacobian and every cost's gradient is written out from its definition, in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray


def _phi(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _gelu_tanh(z: float) -> tuple[float, float]:
    c = math.sqrt(2 / math.pi)
    t = math.tanh(c * (z + 0.044715 * z**3))
    return 0.5 * z * (1 + t), 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * c * (1 + 3 * 0.044715 * z * z)


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


ELEMENTWISE = {  # z -> (sigma(z), sigma'(z))
    "identity": lambda z: (z, 1.0),
    "sigmoid": lambda z: (_sigmoid(z), _sigmoid(z) * _sigmoid(-z)),
    "tanh": lambda z: (math.tanh(z), 1 - math.tanh(z) ** 2),
    "relu": lambda z: (max(z, 0.0), float(z > 0)),
    "leaky_relu": lambda z: (z if z > 0 else 0.01 * z, 1.0 if z > 0 else 0.01),
    "elu": lambda z: (z if z > 0 else math.expm1(z), 1.0 if z > 0 else math.exp(z)),
    "gelu": lambda z: (z * _phi(z), _phi(z) + z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)),
    "gelu_tanh": _gelu_tanh,
    "silu": lambda z: (z * _sigmoid(z), _sigmoid(z) * (1 + z * _sigmoid(-z))),
    "softplus": lambda z: (max(z, 0) + math.log1p(math.exp(-abs(z))), _sigmoid(z)),
}


def activate(name: str, z: Array) -> tuple[Array, Array]:
    """a (n,) and the Jacobian da/dz (n, n)."""
    if name == "softmax":
        e = np.exp(z - z.max())
        a = e / e.sum()
        return a, np.diag(a) - np.outer(a, a)
    pairs = [ELEMENTWISE[name](float(value)) for value in z]
    return np.array([p[0] for p in pairs]), np.diag([p[1] for p in pairs])


def cost(name: str, y: Array, a: Array) -> tuple[float, Array]:
    """C_x and dC_x/da (n,)."""
    n, d = len(a), a - y
    if name == "quadratic":
        return 0.5 * float(d @ d), d
    if name == "mean_squared_error":
        return float(d @ d) / n, 2 * d / n
    if name == "mean_absolute_error":
        return float(np.abs(d).sum()) / n, np.sign(d) / n
    if name == "huber":
        inside = np.abs(d) <= 1
        return float(np.where(inside, d * d / 2, np.abs(d) - 0.5).sum()) / n, np.where(inside, d, np.sign(d)) / n
    if name == "binary_cross_entropy":
        return float(-(y * np.log(a) + (1 - y) * np.log(1 - a)).sum()), (1 - y) / (1 - a) - y / a
    return float(-(y * np.log(a)).sum()), -y / a


def backprop(spec: dict[str, Any], parameters: list[tuple[Array, Array]], x: Array, y: Array) -> dict[str, Any]:
    """All that `POST .../backprop` answers with everything included, as arrays (layers in lists, from 2 on)."""
    names = [layer["activation"] for layer in spec["layers"]]
    if y.ndim == 1:
        y = np.eye(len(parameters[-1][1]))[y]
    one = [_one(names, spec.get("cost", "quadratic"), parameters, xi, yi) for xi, yi in zip(x, y, strict=True)]
    depth = range(len(parameters))
    stacked = {key: [np.stack([found[key][at] for found in one]) for at in depth] for key in ("z", "a", "delta", "w")}
    return {
        **stacked,
        "cost": float(np.mean([found["cost"] for found in one])),
        "gradient": [(w.mean(axis=0), d.mean(axis=0)) for w, d in zip(stacked["w"], stacked["delta"], strict=True)],
        "input_gradient": np.stack([found["x"] for found in one]),
    }


def _one(names: list[str], loss: str, parameters: list[tuple[Array, Array]], x: Array, y: Array) -> dict[str, Any]:
    zs, activations, jacobians = [], [x], []
    for name, (w, b) in zip(names, parameters, strict=True):
        zs.append(w @ activations[-1] + b)
        a, jacobian = activate(name, zs[-1])
        activations.append(a)
        jacobians.append(jacobian)
    value, slope = cost(loss, y, activations[-1])
    deltas = [jacobians[-1].T @ slope]
    for at in range(len(parameters) - 2, -1, -1):
        deltas.insert(0, jacobians[at].T @ parameters[at + 1][0].T @ deltas[0])
    gradients = [np.outer(delta, a) for delta, a in zip(deltas, activations, strict=False)]
    return {
        "cost": value,
        "z": zs,
        "a": activations[1:],
        "delta": deltas,
        "w": gradients,
        "x": parameters[0][0].T @ deltas[0],
    }
