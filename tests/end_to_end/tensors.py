"""Safetensors bodies by the contract's rules, written anew so that the service's own codec is not judged by itself."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors.numpy import load, save

MEDIA = "application/vnd.safetensors"
ARRAYS = {
    "inputs", "targets", "outputs", "weights", "biases", "weighted_inputs", "activations", "errors", "input_gradient",
    "per_example_norms",
}  # fmt: skip


def encode(document: dict[str, Any], dtype: str = "float64") -> bytes:
    """A request's JSON form as safetensors; class labels become int64."""
    tensors: dict[str, np.ndarray] = {}
    rest = _take(document, "", tensors, dtype)
    return save(tensors, metadata={"json": json.dumps(rest)})


def _take(value: dict[str, Any], prefix: str, tensors: dict[str, np.ndarray], dtype: str) -> dict[str, Any]:
    rest = {}
    for key, item in value.items():
        if key in ARRAYS and isinstance(item, list | np.ndarray):
            array = np.asarray(item)
            labels = array.ndim == 1 and array.dtype.kind == "i" and key == "targets"
            tensors[prefix + key] = np.ascontiguousarray(array if labels else array.astype(dtype))
        elif isinstance(item, list) and item and isinstance(item[0], dict) and "layer" in item[0]:
            if "weights" not in item[0]:
                rest[key] = item
                continue
            for entry in item:
                path = "" if key == "layers" and not prefix else f"{key}."
                _take(entry, f"{prefix}{path}{entry['layer']}.", tensors, dtype)
        else:
            rest[key] = item
    return rest


def decode(body: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors of an answer by name, and the JSON in its metadata."""
    length = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + length])
    return load(body), json.loads(header["__metadata__"]["json"])


def flatten(document: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of a JSON answer under the names that they have in safetensors."""
    named: dict[str, np.ndarray] = {}
    for key, value in document.items():
        if key in ARRAYS and isinstance(value, list):
            named[key] = np.asarray(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict) and "layer" in value[0]:
            for entry in value:
                for name, array in entry.items():
                    bare = key == "layers" and name in ("weights", "biases")
                    path = f"{entry['layer']}.{name}" if bare else f"{key}.{entry['layer']}.{name}"
                    if name in ARRAYS:
                        named[path] = np.asarray(array)
    return named
