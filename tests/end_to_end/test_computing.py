"""What the service computes, against the plain reference, in both media types."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.end_to_end import reference, tensors

EVERYTHING = ["layers", "per_example", "per_example_norms", "input_gradient"]
ACTIVATIONS = [*reference.ELEMENTWISE, "softmax"]
COSTS = {  # cost -> the last layers that it is tried with
    "quadratic": ["sigmoid", "softmax", "identity"],
    "mean_squared_error": ["tanh", "identity"],
    "mean_absolute_error": ["elu"],
    "huber": ["identity", "relu"],
    "binary_cross_entropy": ["sigmoid", "softmax"],
    "cross_entropy": ["softmax"],
}
CASES = [("quadratic", hidden, "sigmoid") for hidden in ACTIVATIONS]
CASES += [(cost, "tanh", last) for cost, lasts in COSTS.items() for last in lasts]
TOLERANCE = {"float64": 1e-10, "float32": 2e-5}


def _parameters(client: httpx.Client, path: str) -> list[tuple[np.ndarray, np.ndarray]]:
    layers = client.get(f"{path}/parameters").json()["layers"]
    assert [layer["layer"] for layer in layers] == list(range(2, len(layers) + 2))
    return [(np.array(layer["weights"]), np.array(layer["biases"])) for layer in layers]


def _batch(cost: str, last: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((5, 4)).astype(dtype).astype("float64")
    y = rng.uniform(0.05, 0.95, (5, last)).astype(dtype).astype("float64")
    return x, y / y.sum(axis=1, keepdims=True) if cost == "cross_entropy" else y


def _named(expected: dict[str, Any]) -> dict[str, np.ndarray]:
    """The reference's answer under the names of the wire."""
    squares = [(w**2).sum((1, 2)) + (d**2).sum(1) for w, d in zip(expected["w"], expected["delta"], strict=True)]
    named = {"input_gradient": expected["input_gradient"], "per_example_norms": np.sqrt(sum(squares))}
    for at, (w, b) in enumerate(expected["gradient"]):
        layer = at + 2
        named |= {f"gradient.{layer}.weights": w, f"gradient.{layer}.biases": b}
        named |= {
            f"layers.{layer}.weighted_inputs": expected["z"][at],
            f"layers.{layer}.activations": expected["a"][at],
        }
        named |= {f"layers.{layer}.errors": expected["delta"][at], f"per_example.{layer}.weights": expected["w"][at]}
        named[f"per_example.{layer}.biases"] = expected["delta"][at]
    return named


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("cost", "hidden", "last"), CASES)
def test_backprop_is_the_reference_s(
    client: httpx.Client, create: Callable[..., str], cost: str, hidden: str, last: str, dtype: str
) -> None:
    layers = [{"units": 6, "activation": hidden}, {"units": 3, "activation": last}]
    spec = {"inputs": 4, "layers": layers, "cost": cost, "dtype": dtype, "initializer": "scaled_gaussian", "seed": 3}
    path = create(**spec)
    x, y = _batch(cost, 3, dtype)
    expected = reference.backprop(spec, _parameters(client, path), x, y)
    request = {"inputs": x.tolist(), "targets": y.tolist(), "include": EVERYTHING}

    answer = client.post(f"{path}/backprop", json=request).json()
    found = tensors.flatten(answer)
    named = _named(expected)
    assert found.keys() == named.keys()
    assert answer["cost"] == pytest.approx(expected["cost"], rel=TOLERANCE[dtype], abs=TOLERANCE[dtype])
    for name, array in named.items():
        np.testing.assert_allclose(found[name], array, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype], err_msg=name)

    body = tensors.encode(request, dtype)
    raw = client.post(f"{path}/backprop", content=body, headers={"content-type": tensors.MEDIA})
    assert raw.headers["content-type"] == tensors.MEDIA
    arrays, rest = tensors.decode(raw.content)
    assert rest == {"version": 0, "cost": answer["cost"]}
    for name, array in named.items():
        assert arrays[name].dtype == dtype
        assert arrays[name].shape == array.shape
        # JSON carries the same bits.
        np.testing.assert_array_equal(arrays[name], found[name].astype(dtype), err_msg=name)
    assert arrays.keys() == named.keys()


def test_class_labels_are_one_hot_targets(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create(layers=[{"units": 3, "activation": "softmax"}], cost="cross_entropy", inputs=4)
    x, _ = _batch("cross_entropy", 3, "float64")
    labels = [2, 0, 1, 1, 2]
    as_labels = {"inputs": x.tolist(), "targets": labels}
    by_rows = client.post(f"{path}/backprop", json={**as_labels, "targets": np.eye(3)[labels].tolist()}).json()
    assert client.post(f"{path}/backprop", json=as_labels).json() == by_rows
    raw = client.post(f"{path}/backprop", content=tensors.encode(as_labels), headers={"content-type": tensors.MEDIA})
    assert tensors.decode(raw.content)[1]["cost"] == by_rows["cost"]
    spec = {"layers": [{"activation": "softmax"}], "cost": "cross_entropy"}
    expected = reference.backprop(spec, _parameters(client, path), x, np.array(labels))
    assert by_rows["cost"] == pytest.approx(expected["cost"], rel=1e-12)


def test_feedforward_answers_what_include_names(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    inputs = [[0.0, 1.0], [1.0, 1.0]]
    plain = client.post(f"{path}/feedforward", json={"inputs": inputs}).json()
    assert plain.keys() == {"version", "outputs"}
    traced = client.post(f"{path}/feedforward", json={"inputs": inputs, "include": ["layers"]}).json()
    assert traced["outputs"] == traced["layers"][-1]["activations"]
    np.testing.assert_allclose(traced["outputs"], plain["outputs"], rtol=1e-14)  # compiled, without a trace
    assert [layer["layer"] for layer in traced["layers"]] == [2, 3]
    assert traced["layers"][0].keys() == {"layer", "weighted_inputs", "activations"}
    (w, b), *_ = _parameters(client, path)
    np.testing.assert_allclose(traced["layers"][0]["weighted_inputs"], np.array(inputs) @ w.T + b, rtol=1e-14)


def test_backprop_without_include_answers_cost_and_gradient_alone(
    client: httpx.Client, create: Callable[..., str]
) -> None:
    answer = client.post(f"{create()}/backprop", json={"inputs": [[0, 1]], "targets": [[1]]}).json()
    assert answer.keys() == {"version", "cost", "gradient"}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_ten_steps_of_sgd_with_momentum_are_the_reference_s(
    client: httpx.Client, create: Callable[..., str], dtype: str
) -> None:
    path = create(dtype=dtype)
    spec = {"layers": [{"activation": "tanh"}, {"activation": "sigmoid"}]}
    x, y = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]), np.array([[1.0], [0.0], [1.0]])
    parameters = _parameters(client, path)
    velocity: list[tuple[np.ndarray, np.ndarray]] | None = None
    for step in range(10):
        found = reference.backprop(spec, parameters, x, y)
        gradient = [
            (gw + 0.01 * w, gb + 0.01 * b) for (gw, gb), (w, b) in zip(found["gradient"], parameters, strict=True)
        ]
        pairs = zip(velocity or gradient, gradient, strict=True)
        velocity = gradient if velocity is None else [(0.9 * vw + gw, 0.9 * vb + gb) for (vw, vb), (gw, gb) in pairs]
        parameters = [(w - 0.5 * vw, b - 0.5 * vb) for (w, b), (vw, vb) in zip(parameters, velocity, strict=True)]
        norm = np.sqrt(sum(float((w**2).sum() + (b**2).sum()) for w, b in found["gradient"]))
        optimizer = {"kind": "sgd", "learning_rate": 0.5, "momentum": 0.9, "weight_decay": 0.01}
        request = {"inputs": x.tolist(), "targets": y.tolist(), "optimizer": optimizer}
        response = client.post(f"{path}/sgd-step", json=request)
        answer = response.json()
        assert answer["version"] == step + 1
        assert response.headers["etag"] == f'"{step + 1}"'
        assert answer["cost"] == pytest.approx(found["cost"], rel=TOLERANCE[dtype])
        assert answer["gradient_norm"] == pytest.approx(norm, rel=TOLERANCE[dtype])
    for (w, b), (expected_w, expected_b) in zip(_parameters(client, path), parameters, strict=True):
        np.testing.assert_allclose(w, expected_w, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
        np.testing.assert_allclose(b, expected_b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw", "nadam", "rmsprop", "adagrad", "adadelta"])
def test_every_optimizer_steps_and_a_non_finite_step_changes_nothing(
    client: httpx.Client, create: Callable[..., str], kind: str
) -> None:
    path = create(layers=[{"units": 1, "activation": "identity"}])
    request = {"inputs": [[0.5, 1]], "targets": [[3]], "optimizer": {"kind": kind, "learning_rate": 0.01}}
    for version in (1, 2):
        assert client.post(f"{path}/sgd-step", json=request).json()["version"] == version
    before = client.get(f"{path}/parameters").content
    bad = {"inputs": [[1e200, 1e200]], "targets": [[-1e200]], "optimizer": {"kind": kind, "learning_rate": 1e300}}
    response = client.post(f"{path}/sgd-step", json=bad)
    assert response.status_code == 422
    assert response.json()["type"] == "/problems/non-finite"
    assert client.get(f"{path}/parameters").content == before
    assert client.get(path).json()["version"] == 2


def test_non_finite_names_the_layer(client: httpx.Client, create: Callable[..., str]) -> None:
    layers = [{"units": 1, "activation": "identity"}] * 3
    huge = [{"layer": n, "weights": [[1e200]], "biases": [0]} for n in (2, 3, 4)]
    path = create(inputs=1, layers=layers, parameters=huge, initializer=None)
    problem = client.post(f"{path}/feedforward", json={"inputs": [[1.0]]})
    assert (problem.status_code, problem.json()["layer"]) == (422, 3)


@pytest.mark.parametrize("size", [2**19, 3 * 2**19, 5 * 2**19])
def test_json_of_any_size_is_read_and_refused_alike(
    client: httpx.Client, create: Callable[..., str], size: int
) -> None:
    path = create(inputs=3, layers=[{"units": 2, "activation": "tanh"}], cost="quadratic", dtype="float64", seed=1)
    x = np.random.default_rng(3).standard_normal((size // 60, 3))
    small = client.post(f"{path}/feedforward", json={"inputs": x[-5:].tolist()}).json()["outputs"]

    def asked(**fields: Any) -> httpx.Response:
        content = json.dumps({"inputs": x.tolist(), **fields})
        assert abs(len(content) - size) < size // 8
        return client.post(f"{path}/feedforward", content=content, headers={"content-type": "application/json"})

    outputs = asked().json()["outputs"]
    assert len(outputs) == len(x)
    np.testing.assert_allclose(outputs[-5:], small, rtol=1e-12)
    for fields, place in [
        ({"more": 1}, "/more"),
        ({"include": [[1.5]]}, "/include/0"),
        ({"inputs": [*x.tolist(), [1]]}, f"/inputs/{len(x)}"),
    ]:
        answer = asked(**fields)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, place)
