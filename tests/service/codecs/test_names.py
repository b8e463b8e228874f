"""Tensor names and documents: each is the other's inverse, and nothing is there twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.codecs.names import flatten, is_name, locate, nest
from service.errors import InvalidInput

ONE = np.ones(1)


@pytest.mark.parametrize(
    "name",
    ["inputs", "input_gradient", "2.weights", "gradient.2.weights", "tangents.parameters.12.biases", "a.b.c", "w2"],
)
def test_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "2",
            "a.",
            ".a",
            "a..b",
            "a.2",
            "2.3.weights",
            "0.weights",
            "02.weights",
            "-1.weights",
            "2.weights.x",
        ),
        *("A", "a-b", "a/b", "../a", "a b", "a\n", "é", "a" * 65, ".".join("a" * 9), "1" * 10 + ".a"),
    ],
)
def test_other_names(name: str) -> None:
    assert not is_name(name)


def test_names_become_paths() -> None:
    document = nest(
        {"10.biases": ONE, "2.weights": ONE, "inputs": ONE, "a.b": ONE, "g.3.w": ONE, "g.2.w": ONE}, {"cost": 1}
    )
    assert document == {
        "cost": 1,
        "layers": [{"layer": 2, "weights": ONE}, {"layer": 10, "biases": ONE}],
        "inputs": ONE,
        "a": {"b": ONE},
        "g": [{"layer": 2, "w": ONE}, {"layer": 3, "w": ONE}],
    }


def test_layers_are_joined_with_what_the_options_say_of_them() -> None:
    options = {"g": [{"layer": 3, "norm": 0.5}, {"layer": 2, "norm": 0.1}], "a": {"c": 1}}
    document = nest({"g.3.w": ONE, "g.4.w": ONE, "a.b": ONE}, options)
    assert document == {
        "g": [{"layer": 2, "norm": 0.1}, {"layer": 3, "norm": 0.5, "w": ONE}, {"layer": 4, "w": ONE}],
        "a": {"c": 1, "b": ONE},
    }
    assert options == {"g": [{"layer": 3, "norm": 0.5}, {"layer": 2, "norm": 0.1}], "a": {"c": 1}}


@pytest.mark.parametrize(
    ("names", "options", "pointer"),
    [
        (["inputs"], {"inputs": [[1]]}, "/inputs"),
        (["inputs"], {"inputs": None}, "/inputs"),
        (["a", "a.b"], {}, "/a"),
        (["a.b", "a"], {}, "/a"),
        (["a.b"], {"a": 1}, "/a"),
        (["a.b"], {"a": {"b": 1}}, "/a/b"),
        (["2.w", "layers.2.w"], {}, "/layers/0/w"),
        (["2.layer"], {}, "/layers/0/layer"),
        (["a.2.w", "a.b"], {}, "/a"),
        (["2.w"], {"layers": [{"units": 3}]}, "/layers"),
        (["2.w"], {"layers": [{"layer": 2}, {"layer": 2}]}, "/layers"),
        (["2.w"], {"layers": [{"layer": True}]}, "/layers"),
        (["2.w"], {"layers": {}}, "/layers"),
        (["2.w"], {"layers": [1]}, "/layers"),
        (["3.w"], {"layers": [{"layer": 2}, {"layer": 3, "w": 1}]}, "/layers/1/w"),
    ],
)
def test_nothing_is_given_twice(names: list[str], options: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInput, match="more than once") as caught:
        nest(dict.fromkeys(names, ONE), options)
    assert caught.value.faults[0].pointer == pointer


def test_places() -> None:
    names = ["inputs", "5.weights", "3.weights", "3.biases", "g.4.w", "t.g.9.w"]
    assert [locate(name, names) for name in names] == [
        "/inputs",
        "/layers/1/weights",
        "/layers/0/weights",
        "/layers/0/biases",
        "/g/0/w",
        "/t/g/0/w",
    ]


def test_documents_become_names() -> None:
    document = {
        "version": 3,
        "cost": np.float32(0.5),
        "zero_d": np.array(1.0),
        "gradient": [{"layer": 2, "weights": ONE}, {"layer": 3, "weights": ONE}],
        "layers": [{"layer": 2, "errors": ONE, "weights": ONE, "biases": ONE}],
        "tangents": {"parameters": [{"layer": 2, "weights": ONE, "norm": 0.5}], "seed": 1},
        "spec": [{"layer": 2, "units": 3}],
        "empty": {},
        "nothing": [],
        "none": None,
        "include": ["layers"],
    }
    tensors, rest = flatten(document)
    assert list(tensors) == [
        "gradient.2.weights",
        "gradient.3.weights",
        "layers.2.errors",
        "2.weights",
        "2.biases",
        "tangents.parameters.2.weights",
    ]
    assert rest == {
        "version": 3,
        "cost": np.float32(0.5),
        "zero_d": np.array(1.0),
        "tangents": {"parameters": [{"layer": 2, "norm": 0.5}], "seed": 1},
        "spec": [{"layer": 2, "units": 3}],
        "empty": {},
        "nothing": [],
        "none": None,
        "include": ["layers"],
    }
    assert nest(tensors, rest) == document
