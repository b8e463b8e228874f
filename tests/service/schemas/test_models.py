"""The models of requests and answers: their examples are read, their vocabularies are the core's, defaults the contract's."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing

import orjson
import pytest
from pydantic import BaseModel

import service.schemas
from core.activations import ACTIVATIONS
from core.costs import COSTS
from core.initializers import INITIALIZERS
from service.codecs.documents import parse, render
from service.codecs.media import JSON
from service.errors import InvalidInput
from service.schemas.base import Body
from service.schemas.computing import Backprop, Feedforward, SgdStep
from service.schemas.networks import Activation, Cost, CreateNetwork, Dtype, Initializer, Network, RenameNetwork
from service.schemas.parameters import PutParameters
from service.schemas.service import Problem
from service.schemas.validation import validate

MODULES = [
    importlib.import_module(f"service.schemas.{module.name}")
    for module in pkgutil.iter_modules(service.schemas.__path__)
]
MODELS = {
    model
    for module in MODULES
    for _, model in inspect.getmembers(module, inspect.isclass)
    if issubclass(model, Body) and model is not Body
}


@pytest.mark.parametrize("model", sorted(MODELS, key=lambda model: model.__name__))
def test_models_describe_themselves(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    assert orjson.dumps(schema)
    assert inspect.getdoc(model)
    assert schema.get("additionalProperties", True) is (model is Problem)
    config = model.model_config
    assert config["strict"]
    assert config["frozen"]


@pytest.mark.parametrize(
    "model", [CreateNetwork, RenameNetwork, PutParameters, Feedforward, Backprop, SgdStep, Network, Problem]
)
def test_examples_are_read(model: type[BaseModel]) -> None:
    examples = model.model_json_schema()["examples"]
    assert examples
    for example in examples:
        validate(model, parse(render(example, JSON), JSON))


def test_vocabularies_are_those_of_the_core() -> None:
    assert list(typing.get_args(Activation)) == list(ACTIVATIONS)
    assert list(typing.get_args(Cost)) == list(COSTS)
    assert list(typing.get_args(Initializer)) == list(INITIALIZERS)
    assert typing.get_args(Dtype) == ("float32", "float64")


def test_the_least_that_makes_a_network() -> None:
    spec = validate(CreateNetwork, {"inputs": 2, "layers": [{"units": 1, "activation": "tanh"}]})
    assert (spec.cost, spec.dtype, spec.initializer, spec.seed, spec.name, spec.parameters) == (
        "quadratic",
        "float32",
        None,
        None,
        None,
        None,
    )


def test_a_network_starts_in_one_way() -> None:
    parameters = [{"layer": 2, "weights": [[1, 2]], "biases": [0]}]
    spec = {"inputs": 2, "layers": [{"units": 1, "activation": "tanh"}], "parameters": parameters}
    assert validate(CreateNetwork, {**spec, "initializer": None}).parameters is not None
    with pytest.raises(InvalidInput) as caught:
        validate(CreateNetwork, {**spec, "initializer": "zeros"})
    assert caught.value.faults[0].pointer == "/parameters"


def test_layers_of_parameters_stand_in_order() -> None:
    def layers(*numbers: int) -> dict[str, object]:
        return {"layers": [{"layer": number, "weights": [[1]], "biases": [1]} for number in numbers]}

    assert [layer.layer for layer in validate(PutParameters, layers(2, 3, 4)).layers] == [2, 3, 4]
    for numbers, place in (((3,), 0), ((2, 2), 1), ((2, 4), 1), ((3, 2), 0)):
        with pytest.raises(InvalidInput) as caught:
            validate(PutParameters, layers(*numbers))
        assert caught.value.faults[0].pointer == f"/layers/{place}/layer"
