"""Every optimizer for one parameter: plain Python numbers, from PyTorch's documentation, nothing of core.

`STEPS[kind](theta, g, memory, options, decays)` returns the next theta and writes what it remembers into `memory`; the gradient g
is already clipped, and `decays` says whether the decay takes in this parameter. `clip` is what clips, over all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

Memory = dict[str, float]

DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False},
    "adam": {"learning_rate": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False},
    "adamw": {"learning_rate": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2, "amsgrad": False},
    "nadam": {"learning_rate": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "momentum_decay": 4e-3},
    "rmsprop": {
        "learning_rate": 1e-2,
        "alpha": 0.99,
        "eps": 1e-8,
        "weight_decay": 0,
        "momentum": 0,
        "centered": False,
    },
    "adagrad": {
        "learning_rate": 1e-2,
        "lr_decay": 0,
        "weight_decay": 0,
        "initial_accumulator_value": 0,
        "eps": 1e-10,
    },
    "adadelta": {"learning_rate": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0},
}
"""PyTorch's, with its lr called learning_rate."""


def clip(gradient: Sequence[float], norm_limit: float | None, value_limit: float | None) -> list[float]:
    g = list(gradient)
    if norm_limit is not None:
        norm = math.sqrt(math.fsum(gi * gi for gi in g))
        factor = norm_limit / (norm + 1e-6)
        g = [gi * factor for gi in g] if factor < 1 else g
    if value_limit is not None:
        g = [max(-value_limit, min(value_limit, gi)) for gi in g]
    return g


def _pulled(theta: float, g: float, o: dict[str, Any], decays: bool) -> float:
    return g + o["weight_decay"] * theta if decays else g


def _sgd(theta: float, g: float, memory: Memory, o: dict[str, Any], decays: bool) -> float:
    g = _pulled(theta, g, o, decays)
    if o["momentum"]:
        if "v" in memory:
            memory["v"] = o["momentum"] * memory["v"] + (1 - o["dampening"]) * g
        else:
            memory["v"] = g
        g = g + o["momentum"] * memory["v"] if o["nesterov"] else memory["v"]
    return theta - o["learning_rate"] * g


def _count(memory: Memory) -> float:
    memory["t"] = memory.get("t", 0) + 1
    return memory["t"]


def _moments(g: float, memory: Memory, o: dict[str, Any]) -> tuple[float, float]:
    beta1, beta2 = o["betas"]
    memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
    memory["s"] = beta2 * memory.get("s", 0.0) + (1 - beta2) * g**2
    return memory["m"], memory["s"]


def _adam(theta: float, g: float, memory: Memory, o: dict[str, Any], decays: bool) -> float:
    return _adam_from(theta, _pulled(theta, g, o, decays), memory, o)


def _adamw(theta: float, g: float, memory: Memory, o: dict[str, Any], decays: bool) -> float:
    if decays:
        theta -= o["learning_rate"] * o["weight_decay"] * theta
    return _adam_from(theta, g, memory, o)


def _adam_from(theta: float, g: float, memory: Memory, o: dict[str, Any]) -> float:
    t = _count(memory)
    m, s = _moments(g, memory, o)
    if o["amsgrad"]:
        s = memory["largest"] = max(memory.get("largest", 0.0), s)
    beta1, beta2 = o["betas"]
    return theta - o["learning_rate"] * (m / (1 - beta1**t)) / (math.sqrt(s / (1 - beta2**t)) + o["eps"])


def _nadam(theta: float, g: float, memory: Memory, o: dict[str, Any], decays: bool) -> float:
    g = _pulled(theta, g, o, decays)
    t = _count(memory)
    m, s = _moments(g, memory, o)
    beta1, beta2 = o["betas"]
    mu, following = (beta1 * (1 - 0.96 ** (at * o["momentum_decay"]) / 2) for at in (t, t + 1))
    memory["product"] = memory.get("product", 1.0) * mu
    product = memory["product"]
    m_hat = following * m / (1 - product * following) + (1 - mu) * g / (1 - product)
    return theta - o["learning_rate"] * m_hat / (math.sqrt(s / (1 - beta2**t)) + o["eps"])


def _rmsprop(theta: float, g: float, memory: Memory, o: dict[str, Any], decays: bool) -> float:
    g = _pulled(theta, g, o, decays)
    memory["s"] = o["alpha"] * memory.get("s", 0.0) + (1 - o["alpha"]) * g**2
    variance = memory["s"]
    if o["centered"]:
        memory["m"] = o["alpha"] * memory.get("m", 0.0) + (1 - o["alpha"]) * g
        variance -= memory["m"] ** 2
    moved = g / (math.sqrt(variance) + o["eps"])
    if o["momentum"]:
        moved = memory["v"] = o["momentum"] * memory.get("v", 0.0) + moved
    return theta - o["learning_rate"] * moved


def _adagrad(theta: float, g: float, memory: Memory, o: dict[str, Any], decays: bool) -> float:
    g = _pulled(theta, g, o, decays)
    eta = o["learning_rate"] / (1 + (_count(memory) - 1) * o["lr_decay"])
    memory["sum"] = memory.get("sum", o["initial_accumulator_value"]) + g**2
    return theta - eta * g / (math.sqrt(memory["sum"]) + o["eps"])


def _adadelta(theta: float, g: float, memory: Memory, o: dict[str, Any], decays: bool) -> float:
    g = _pulled(theta, g, o, decays)
    memory["s"] = o["rho"] * memory.get("s", 0.0) + (1 - o["rho"]) * g**2
    moved = math.sqrt(memory.get("u", 0.0) + o["eps"]) / math.sqrt(memory["s"] + o["eps"]) * g
    memory["u"] = o["rho"] * memory.get("u", 0.0) + (1 - o["rho"]) * moved**2
    return theta - o["learning_rate"] * moved


STEPS: dict[str, Callable[[float, float, Memory, dict[str, Any], bool], float]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
    "nadam": _nadam,
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
}
