"""One network as a model: the parameters of each version and the answer to each key, without any code of the service.

The network is 2-2-1, tanh and identity, with the quadratic cost, in float64; its steps are plain gradient descent, so
that the parameters after each of them follow from the definition of the gradient.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.end_to_end import reference, tensors

SPEC = {
    "inputs": 2,
    "layers": [{"units": 2, "activation": "tanh"}, {"units": 1, "activation": "identity"}],
    "dtype": "float64",
}
SHAPES = [((2, 2), (2,)), ((1, 2), (1,))]
CLOSE = {"rtol": 1e-11, "atol": 1e-13}

Layers = list[tuple[np.ndarray, np.ndarray]]


@dataclass
class Life:
    """What must be true of the network at `path` now."""

    path: str
    name: str | None
    layers: list[Layers]
    """By version."""
    made_by: list[str]
    kept: list[bytes] = field(default_factory=list)
    """What was first read of each version; it is read the same ever after."""

    @property
    def version(self) -> int:
        return len(self.layers) - 1

    def step(self, batch: dict[str, Any], rate: float) -> tuple[float, float]:
        """One update of gradient descent; the cost before it and the gradient's norm."""
        found = reference.backprop(SPEC, self.layers[-1], np.array(batch["inputs"]), np.array(batch["targets"]))
        stepped = [
            (w - rate * dw, b - rate * db) for (w, b), (dw, db) in zip(self.layers[-1], found["gradient"], strict=True)
        ]
        self.write(stepped, "sgd-step")
        squares = sum(float((part**2).sum()) for pair in found["gradient"] for part in pair)
        return found["cost"], squares**0.5

    def write(self, layers: Layers, made_by: str) -> None:
        self.layers.append(layers)
        self.made_by.append(made_by)


def layers_of(document: dict[str, Any]) -> Layers:
    return [(np.array(at["weights"]), np.array(at["biases"])) for at in document["layers"]]


def document_of(layers: Layers) -> dict[str, Any]:
    return {
        "layers": [
            {"layer": place + 2, "weights": w.tolist(), "biases": b.tolist()} for place, (w, b) in enumerate(layers)
        ]
    }


def encoded(document: dict[str, Any], binary: bool) -> tuple[bytes, dict[str, str]]:
    """A body and its header, as JSON or as safetensors; the answer comes in JSON."""
    if binary:
        return tensors.encode(document), {"content-type": tensors.MEDIA, "accept": "application/json"}
    return json.dumps(document).encode(), {"content-type": "application/json"}


def require_equal(found: Layers, expected: Layers) -> None:
    for (w, b), (v, c) in zip(found, expected, strict=True):
        np.testing.assert_allclose(w, v, **CLOSE)
        np.testing.assert_allclose(b, c, **CLOSE)
