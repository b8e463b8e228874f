"""Optimizers on the wire are those of the core: the same kinds, options, defaults and bounds."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import pytest
from pydantic import TypeAdapter

from core.optimizers import OPTIMIZERS, make_options
from service.errors import InvalidInput
from service.schemas import optimizers
from service.schemas.computing import SgdStep
from service.schemas.optimizers import Optimizer, options
from service.schemas.validation import validate

MODELS = {
    typing.get_args(model.model_fields["kind"].annotation)[0]: model
    for model in (
        optimizers.Sgd,
        optimizers.Adam,
        optimizers.AdamW,
        optimizers.NAdam,
        optimizers.RMSprop,
        optimizers.Adagrad,
        optimizers.Adadelta,
    )
}
# torch.optim's own defaults, version 2, with `lr` under our name.
TORCH: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False},
    "adam": {"learning_rate": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False},
    "adamw": {"learning_rate": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2, "amsgrad": False},
    "nadam": {"learning_rate": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "momentum_decay": 4e-3},
    "rmsprop": {"learning_rate": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0, "momentum": 0, "centered": False},
    "adagrad": {"learning_rate": 1e-2, "lr_decay": 0, "weight_decay": 0, "initial_accumulator_value": 0, "eps": 1e-10},
    "adadelta": {"learning_rate": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0},
}
COMMON = {"clip_norm": None, "clip_value": None, "decay_biases": True}


def _read(optimizer: dict[str, Any]) -> Any:
    return validate(SgdStep, {"inputs": [[1]], "targets": [[1]], "optimizer": optimizer}).optimizer


def test_the_kinds_are_those_of_the_core() -> None:
    assert MODELS.keys() == OPTIMIZERS.keys() == TORCH.keys()
    union = TypeAdapter(Optimizer).json_schema()
    assert union["discriminator"]["mapping"].keys() == OPTIMIZERS.keys()


@pytest.mark.parametrize("kind", MODELS)
def test_options_and_defaults_are_those_of_torch_and_of_the_core(kind: str) -> None:
    read = options(_read({"kind": kind}))
    assert read == TORCH[kind] | COMMON
    assert read == dataclasses.asdict(OPTIMIZERS[kind].options())
    assert make_options(kind, read) == OPTIMIZERS[kind].options()


NUMBERS = [
    (kind, name) for kind, names in TORCH.items() for name, value in names.items() if type(value) not in (bool, tuple)
]
CLIPS = [(kind, name) for kind in TORCH for name in ("clip_norm", "clip_value")]
BETAS = [[1.0, 0.9], [0.9, 1.0], [-0.1, 0.9], [0.9, -0.1]]
OUT_OF_BOUNDS = [
    *((kind, name, -1e-9) for kind, name in [*NUMBERS, *CLIPS] if name != "dampening"),
    *((kind, "betas", betas) for kind in ("adam", "adamw", "nadam") for betas in BETAS),
    ("adadelta", "rho", 1.0000001),
]


@pytest.mark.parametrize(("kind", "name", "value"), OUT_OF_BOUNDS)
def test_bounds_are_those_of_the_core(kind: str, name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        _read({"kind": kind, name: value})
    assert caught.value.faults[0].pointer.startswith(f"/optimizer/{name}")
    with pytest.raises(Exception, match=name):
        make_options(kind, {name: tuple(value) if isinstance(value, list) else value})


AT_THE_BOUNDS = [
    *((kind, name, 0) for kind, name in NUMBERS),
    *((kind, name, value) for kind, name in CLIPS for value in (0, 1.5, None)),
    ("sgd", "dampening", -3),
    ("adam", "betas", [0, 0.9999]),
    ("adadelta", "rho", 1),
    ("sgd", "learning_rate", 1e300),
]


@pytest.mark.parametrize(("kind", "name", "value"), AT_THE_BOUNDS)
def test_bounds_are_within(kind: str, name: str, value: Any) -> None:
    read = options(_read({"kind": kind, name: value}))
    expected = tuple(value) if isinstance(value, list) else value
    assert read[name] == expected
    assert getattr(make_options(kind, read), name) == expected


def test_nesterov_needs_momentum_and_no_dampening() -> None:
    assert _read({"kind": "sgd", "nesterov": True, "momentum": 0.9}).nesterov
    for wrong in ({"momentum": 0}, {"momentum": 0.9, "dampening": 0.5}, {}):
        with pytest.raises(InvalidInput) as caught:
            _read({"kind": "sgd", "nesterov": True, **wrong})
        assert caught.value.faults[0].pointer == "/optimizer/nesterov"
        with pytest.raises(Exception, match=r"(?i)nesterov"):
            make_options("sgd", {"nesterov": True, **wrong})
