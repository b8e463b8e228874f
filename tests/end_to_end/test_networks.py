"""Networks, parameters and versions over HTTP: what they answer, and what they refuse."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.end_to_end import tensors
from tests.end_to_end.conftest import XOR

STEP = {"inputs": [[0, 1]], "targets": [[1]], "optimizer": {"kind": "sgd", "learning_rate": 0.5}}


def test_create_answers_the_network(client: httpx.Client) -> None:
    spec = {
        "name": "digits",
        "inputs": 64,
        "layers": [{"units": 30, "activation": "sigmoid"}, {"units": 10, "activation": "sigmoid"}],
        "cost": "quadratic",
        "initializer": "gaussian",
        "seed": 0,
        "dtype": "float32",
    }
    response = client.post("/v1/networks", json=spec)
    network = response.json()
    assert response.status_code == 201
    assert response.headers["etag"] == '"0"'
    assert response.headers["location"] == f"/v1/networks/{network['id']}"
    layers = [{"layer": 2, "units": 30, "activation": "sigmoid"}, {"layer": 3, "units": 10, "activation": "sigmoid"}]
    assert {name: network[name] for name in spec} == {**spec, "layers": layers}
    assert (network["parameter_count"], network["version"], network["backend"]) == (2260, 0, "numpy")
    assert network["created_at"] == network["updated_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", network["created_at"])
    described = client.get(response.headers["location"])
    assert described.json() == network
    assert described.headers["etag"] == '"0"'


def test_defaults_are_filled_in_and_a_drawn_seed_makes_the_same_start_again(client: httpx.Client) -> None:
    spec = {"inputs": 3, "layers": [{"units": 2, "activation": "relu"}]}
    network = client.post("/v1/networks", json=spec).json()
    assert (network["name"], network["cost"], network["dtype"]) == (None, "quadratic", "float32")
    assert network["initializer"] == "scaled_gaussian"
    again = client.post("/v1/networks", json={**spec, "seed": network["seed"]}).json()
    first, second = (client.get(f"/v1/networks/{one['id']}/parameters").json() for one in (network, again))
    assert first == second


@pytest.mark.parametrize("initializer", ["gaussian", "scaled_gaussian", "xavier_uniform", "he_normal", "zeros"])
def test_equal_seeds_start_equal(client: httpx.Client, create: Callable[..., str], initializer: str) -> None:
    starts = [client.get(f"{create(initializer=initializer, seed=s)}/parameters").json() for s in (5, 5, 6)]
    assert starts[0] == starts[1]
    assert (starts[0] == starts[2]) == (initializer == "zeros")


def test_given_parameters_come_back_to_the_same_bits(client: httpx.Client, create: Callable[..., str]) -> None:
    rng = np.random.default_rng(0)
    for dtype in ("float64", "float32"):
        layers = [
            {"layer": 2, "weights": rng.standard_normal((3, 2)).tolist(), "biases": [1e-300, 0.1, -1e30]},
            {"layer": 3, "weights": rng.standard_normal((1, 3)).tolist(), "biases": [1 / 3]},
        ]
        path = create(parameters=layers, initializer=None, seed=None, dtype=dtype)
        made = client.get(path).json()
        assert (made["initializer"], made["seed"]) == (None, None)
        answer = client.get(f"{path}/parameters")
        assert answer.headers["etag"] == '"0"'
        for given, found in zip(layers, answer.json()["layers"], strict=True):
            for name in ("weights", "biases"):
                np.testing.assert_array_equal(np.array(found[name], dtype), np.array(given[name], dtype))
        arrays, rest = tensors.decode(client.get(f"{path}/parameters", headers={"accept": tensors.MEDIA}).content)
        assert rest == {"version": 0}
        assert arrays.keys() == {"2.weights", "2.biases", "3.weights", "3.biases"}
        np.testing.assert_array_equal(arrays["2.weights"], np.array(layers[0]["weights"], dtype))
        assert arrays["3.biases"].dtype == dtype


def test_parameters_are_created_and_put_as_tensors(client: httpx.Client, create: Callable[..., str]) -> None:
    layers = [
        {"layer": 2, "weights": np.arange(6.0).reshape(3, 2), "biases": np.ones(3)},
        {"layer": 3, "weights": np.full((1, 3), 0.5), "biases": np.zeros(1)},
    ]
    headers = {"content-type": tensors.MEDIA}
    spec = {name: value for name, value in XOR.items() if name not in ("initializer", "seed")}
    made = client.post("/v1/networks", content=tensors.encode({**spec, "parameters": layers}), headers=headers)
    assert (made.status_code, made.headers["content-type"]) == (201, tensors.MEDIA)
    arrays, network = tensors.decode(made.content)
    assert (arrays, network["parameter_count"]) == ({}, 13)
    path = made.headers["location"]
    assert client.get(f"{path}/parameters").json()["layers"][0]["weights"] == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    layers[0]["biases"] = np.array([9.0, 8.0, 7.0])
    put = client.put(f"{path}/parameters", content=tensors.encode({"layers": layers}), headers=headers)
    assert (put.status_code, put.headers["etag"], tensors.decode(put.content)[1]) == (200, '"1"', {"version": 1})
    assert client.get(f"{path}/parameters").json()["layers"][0]["biases"] == [9.0, 8.0, 7.0]


def test_put_keeps_what_the_optimizer_remembers(client: httpx.Client, create: Callable[..., str]) -> None:
    momentum = {**STEP, "optimizer": {"kind": "sgd", "learning_rate": 0.5, "momentum": 0.9}}
    outcomes = []
    for put in (True, False):
        path = create()
        client.post(f"{path}/sgd-step", json=momentum)
        if put:
            now = client.get(f"{path}/parameters").json()
            assert client.put(f"{path}/parameters", json=now).json() == {"version": 2}
        client.post(f"{path}/sgd-step", json=momentum)
        outcomes.append(client.get(f"{path}/parameters").json()["layers"])
    assert outcomes[0] == outcomes[1]


def test_versions_say_what_made_them_and_can_be_read(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    at = [client.get(f"{path}/parameters").json()]
    step = client.post(f"{path}/sgd-step", json=STEP).json()
    at.append(client.get(f"{path}/parameters").json())
    client.put(f"{path}/parameters", json=at[0])
    versions = client.get(f"{path}/versions").json()
    assert versions["next"] is None
    assert [(one["version"], one["made_by"]) for one in versions["versions"]] == [
        (2, "put-parameters"),
        (1, "sgd-step"),
        (0, "create"),
    ]
    assert all(one["retained"] for one in versions["versions"])
    made = versions["versions"][1]
    assert (made["cost"], made["gradient_norm"]) == (step["cost"], step["gradient_norm"])
    for version in (0, 1):
        read = client.get(f"{path}/parameters", params={"version": version})
        assert (read.json(), read.headers["etag"]) == (at[version], f'"{version}"')
    assert client.get(f"{path}/parameters").json() == {"version": 2, "layers": at[0]["layers"]}
    assert client.get(f"{path}/parameters?version=3").status_code == 404
    page = client.get(f"{path}/versions?limit=2").json()
    assert ([one["version"] for one in page["versions"]], page["next"]) == ([2, 1], 1)
    rest = client.get(f"{path}/versions", params={"limit": 2, "after": page["next"]}).json()
    assert ([one["version"] for one in rest["versions"]], rest["next"]) == ([0], None)


def test_the_list_is_paged_in_order_of_creation(client: httpx.Client, create: Callable[..., str]) -> None:
    made = [create(name=f"page {n}").rsplit("/", 1)[1] for n in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = client.get("/v1/networks", params=query).json()
        assert len(page["networks"]) <= 2
        seen += [network["id"] for network in page["networks"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert [identity for identity in seen if identity in made] == made
    assert len(seen) == len(set(seen))


def test_a_name_changes_without_a_version(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create(name="before")
    renamed = client.patch(path, json={"name": "näher ∂"})
    assert (renamed.status_code, renamed.headers["etag"], renamed.json()["name"]) == (200, '"0"', "näher ∂")
    assert client.get(path).json() == renamed.json()
    assert client.patch(path, json={"name": None}).json()["name"] is None


def test_a_deleted_network_is_unknown(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    gone = client.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    for method, place in (("GET", ""), ("GET", "/parameters"), ("GET", "/versions"), ("DELETE", "")):
        response = client.request(method, path + place)
        assert (response.status_code, response.json()["type"]) == (404, "/problems/not-found")
    assert client.post(f"{path}/sgd-step", json=STEP).status_code == 404
