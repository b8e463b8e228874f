"""The OpenAPI document's examples: one small network, made and then used, each answer the one that the service gives.

A test sends every request to a running service and compares the answers, but for ids and times. The parameters are
fractions of powers of two, so that the numbers can be followed by hand.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "BACKPROP",
    "BACKPROP_ANSWER",
    "CHECKPOINT",
    "CHECKPOINTED",
    "CHECKPOINTS",
    "CREATE",
    "CREATED",
    "FEEDFORWARD",
    "FEEDFORWARD_ANSWER",
    "INFO",
    "NETWORK",
    "NETWORK_PAGE",
    "PARAMETERS",
    "PUT",
    "PUT_DONE",
    "RENAME",
    "RENAMED",
    "RESTORE",
    "RESTORED",
    "SGD_STEP",
    "SGD_STEP_ANSWER",
    "VERSION_PAGE",
]

Examples = dict[str, Any]

_TIME: Final = "2026-01-01T00:00:00.000000Z"
_LAYERS: Final = [
    {"layer": 2, "weights": [[0.5, -0.25], [1.0, 0.75]], "biases": [0.0, 0.5]},
    {"layer": 3, "weights": [[1.0, -0.5]], "biases": [0.25]},
]
_SMALL: Final = {
    "name": "small",
    "inputs": 2,
    "layers": [{"units": 2, "activation": "relu"}, {"units": 1, "activation": "identity"}],
    "cost": "quadratic",
    "dtype": "float64",
}
_DIGITS: Final = {
    "name": "digits",
    "inputs": 64,
    "layers": [{"units": 30, "activation": "sigmoid"}, {"units": 10, "activation": "sigmoid"}],
    "cost": "quadratic",
    "initializer": "gaussian",
    "seed": 0,
    "dtype": "float32",
}
_BATCH: Final = {"inputs": [[0.0, 1.0], [1.0, 1.0]], "targets": [[1.0], [0.0]]}


def _described(spec: dict[str, Any], identity: str, parameters: int) -> dict[str, Any]:
    layers = [{"layer": number, **layer} for number, layer in enumerate(spec["layers"], 2)]
    rest = {"parameter_count": parameters, "version": 0, "created_at": _TIME, "updated_at": _TIME, "backend": "numpy"}
    defaults = {"initializer": None, "seed": None, "durability": "full"}
    return {"id": identity, **defaults, **spec, "layers": layers, **rest}


_SMALL_MADE: Final = _described(_SMALL, "net_4wq5wr2v7nd6xk3mzjyp2cta", 9)
_DIGITS_MADE: Final = _described(_DIGITS, "net_h2k7f3q6tmz5jv4yxwnbrc2d", 2260)

CREATE: Final[Examples] = {
    "small": {**_SMALL, "parameters": _LAYERS},
    "digits": _DIGITS,
    "fork": {"from": {"network": _SMALL_MADE["id"], "version": 0}, "name": "small, another way"},
}
CREATED: Final[Examples] = {
    "small": _SMALL_MADE,
    "digits": _DIGITS_MADE,
    "fork": {**_SMALL_MADE, "id": "net_tq5xk2d7hwz3mbn6vyrj4cfa", "name": "small, another way"},
}
NETWORK: Final[Examples] = {"small": _SMALL_MADE}
NETWORK_PAGE: Final[Examples] = {"one": {"networks": [_SMALL_MADE], "next": None}}
RENAME: Final[Examples] = {"renamed": {"name": "small, second try"}}
RENAMED: Final[Examples] = {"renamed": {**_SMALL_MADE, "name": "small, second try"}}

PARAMETERS: Final[Examples] = {"small": {"version": 0, "layers": _LAYERS}}
PUT: Final[Examples] = {"put": {"layers": _LAYERS}}
PUT_DONE: Final[Examples] = {"put": {"version": 1}}
VERSION_PAGE: Final[Examples] = {
    "one": {
        "versions": [
            {
                "version": 0,
                "made_by": "create",
                "created_at": _TIME,
                "retained": True,
                "stored_bytes": 320,
                "checkpoints": ["start"],
            }
        ],
        "next": None,
        "stored_bytes": 320,
    }
}

_START: Final = {"name": "start", "version": 0, "created_at": _TIME}
CHECKPOINT: Final[Examples] = {
    "current": {"name": "before lunch"},
    "earlier": {"name": "the first", "version": 0},
}
CHECKPOINTED: Final[Examples] = {
    "current": {**_START, "name": "before lunch"},
    "earlier": {**_START, "name": "the first"},
    "start": _START,
}
CHECKPOINTS: Final[Examples] = {"one": {"checkpoints": [_START]}}
RESTORE: Final[Examples] = {"restored": {"checkpoint": "start"}}
RESTORED: Final[Examples] = {"restored": {"version": 1, "source": {"checkpoint": "start", "version": 0}}}

FEEDFORWARD: Final[Examples] = {
    "outputs": {"inputs": _BATCH["inputs"]},
    "layers": {"inputs": _BATCH["inputs"], "include": ["layers"]},
}
_OUTPUTS: Final = {"version": 0, "outputs": [[-0.375], [-0.625]]}
_TRACE: Final = [
    {"layer": 2, "weighted_inputs": [[-0.25, 1.25], [0.25, 2.25]], "activations": [[0.0, 1.25], [0.25, 2.25]]},
    {"layer": 3, "weighted_inputs": [[-0.375], [-0.625]], "activations": [[-0.375], [-0.625]]},
]
FEEDFORWARD_ANSWER: Final[Examples] = {"outputs": _OUTPUTS, "layers": {**_OUTPUTS, "layers": _TRACE}}

BACKPROP: Final[Examples] = {
    "gradient": _BATCH,
    "everything": {**_BATCH, "include": ["layers", "per_example", "per_example_norms", "input_gradient"]},
}
_GRADIENT: Final = {
    "version": 0,
    "cost": 0.5703125,
    "gradient": [
        {"layer": 2, "weights": [[-0.3125, -0.3125], [0.15625, 0.5]], "biases": [-0.3125, 0.5]},
        {"layer": 3, "weights": [[-0.078125, -1.5625]], "biases": [-1.0]},
    ],
}
_ERRORS: Final = ([[0.0, 0.6875], [-0.625, 0.3125]], [[-1.375], [-0.625]])
BACKPROP_ANSWER: Final[Examples] = {
    "gradient": _GRADIENT,
    "everything": {
        **_GRADIENT,
        "layers": [{**layer, "errors": errors} for layer, errors in zip(_TRACE, _ERRORS, strict=True)],
        "per_example": [
            {
                "layer": 2,
                "weights": [[[0.0, 0.0], [0.0, 0.6875]], [[-0.625, -0.625], [0.3125, 0.3125]]],
                "biases": _ERRORS[0],
            },
            {"layer": 3, "weights": [[[0.0, -1.71875]], [[-0.15625, -1.40625]]], "biases": _ERRORS[1]},
        ],
        "per_example_norms": [2.40625, 1.9640320539474487],
        "input_gradient": [[0.6875, 0.515625], [0.0, 0.390625]],
    },
}

SGD_STEP: Final[Examples] = {
    "sgd": {**_BATCH, "optimizer": {"kind": "sgd", "learning_rate": 0.5}},
    "adam": {**_BATCH, "optimizer": {"kind": "adam", "learning_rate": 0.001, "clip_norm": 1.0}},
}
_STEP: Final = {"version": 1, "cost": 0.5703125, "gradient_norm": 2.065161634866627}
SGD_STEP_ANSWER: Final[Examples] = {"sgd": _STEP, "adam": _STEP}

INFO: Final[Examples] = {
    "numpy": {
        "version": "0.1.0",
        "backend": "numpy",
        "device": "cpu",
        "blas": "openblas",
        "store": "sqlite in gradwire-data",
        "dtypes": ["float32", "float64"],
        "activations": ["identity", "sigmoid"],
        "costs": ["quadratic"],
        "initializers": ["gaussian"],
        "optimizers": ["sgd", "adam"],
        "media_types": ["application/json", "application/vnd.safetensors"],
        "limits": {"max_body_bytes": 134217728},
        "retention": {"keep_versions": 100, "keep_bytes": 16777216},
    }
}
