"""What a client gets wrong, and the problem that it is told: never a 500, and never a change."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from service.problems import PROBLEMS
from tests.end_to_end import tensors
from tests.end_to_end.running import Running, require_ready

JSON = {"content-type": "application/json"}
BATCH = {"inputs": [[0, 1], [1, 1]], "targets": [[1], [0]]}
STEP = {**BATCH, "optimizer": {"kind": "sgd", "learning_rate": 0.5}}
SPEC = {"inputs": 2, "layers": [{"units": 1, "activation": "tanh"}]}


def check(response: httpx.Response, status: int, slug: str, pointer: str | None = None) -> dict[str, Any]:
    """The response is that problem, whole and true to its catalog."""
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["type"]) == (status, f"/problems/{slug}"), problem
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["title"]) == (status, PROBLEMS[slug].title)
    assert problem["error"] == problem["detail"] != ""
    if pointer is not None:
        assert problem["errors"][0]["pointer"] == pointer, problem
        assert problem["errors"][0]["detail"]
    return problem


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"inputs": "2"}, "/inputs"),
        ({"inputs": 0}, "/inputs"),
        ({"inputs": 2.0}, "/inputs"),
        ({"inputs": True}, "/inputs"),
        ({"layers": []}, "/layers"),
        ({"layers": [{"units": -1, "activation": "tanh"}]}, "/layers/0/units"),
        ({"layers": [{"units": 1, "activation": "sine"}]}, "/layers/0/activation"),
        ({"layers": [{"units": 1, "activation": "tanh", "bias": True}]}, "/layers/0/bias"),
        ({"cost": "hinge"}, "/cost"),
        ({"cost": "cross_entropy"}, "/layers/0/activation"),
        ({"cost": "binary_cross_entropy"}, "/layers/0/activation"),
        ({"dtype": "float16"}, "/dtype"),
        ({"initializer": "ones"}, "/initializer"),
        ({"seed": -1}, "/seed"),
        ({"seed": 2**53}, "/seed"),
        ({"seed": 1.5}, "/seed"),
        ({"name": "n" * 201}, "/name"),
        ({"name": "bell\x07"}, "/name"),
        ({"nmae": "x"}, "/nmae"),
        ({"parameters": []}, "/parameters"),
        ({"parameters": [{"layer": 2, "weights": [[1, 2, 3]], "biases": [0]}]}, "/parameters/0/weights"),
        ({"parameters": [{"layer": 2, "weights": [[1, 2]], "biases": [0, 1]}]}, "/parameters/0/biases"),
        ({"parameters": [{"layer": 3, "weights": [[1, 2]], "biases": [0]}]}, "/parameters/0/layer"),
        ({"parameters": [{"layer": 2, "weights": [[1, 1e39]], "biases": [0]}]}, "/parameters/0/weights/0/1"),
        ({"parameters": [{"layer": 2, "weights": [[1, 2]], "biases": [0]}], "initializer": "zeros"}, "/parameters"),
    ],
)
def test_a_network_that_cannot_be(client: httpx.Client, change: dict[str, Any], pointer: str) -> None:
    check(client.post("/v1/networks", json={**SPEC, **change}), 422, "invalid-input", pointer)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"inputs": [[0, 1], [1]]}, "/inputs/1"),
        ({"inputs": [[0, 1], [1, "1"]]}, "/inputs/1/1"),
        ({"inputs": [[0, True], [1, 1]]}, "/inputs/0/1"),
        ({"inputs": [[0, None], [1, 1]]}, "/inputs/0/1"),
        ({"inputs": []}, "/inputs"),
        ({"inputs": [[]]}, "/inputs/0"),
        ({"inputs": [0, 1]}, "/inputs/0"),
        ({"inputs": [[0, 1, 2], [0, 1, 2]]}, "/inputs"),
        ({"inputs": [[0, 1e39], [1, 1]]}, "/inputs/0/1"),
        ({"targets": [[1]]}, "/targets"),
        ({"targets": [[1, 1], [0, 0]]}, "/targets"),
        ({"targets": [1, 0]}, "/targets"),
        ({"include": ["weights"]}, "/include/0"),
        ({"include": ["layers", "all"]}, "/include/1"),
        ({"include": "layers"}, "/include"),
        ({"input": [[0, 1]]}, "/input"),
    ],
)
def test_a_batch_that_does_not_fit(
    client: httpx.Client, create: Callable[..., str], change: dict[str, Any], pointer: str
) -> None:
    path = create(dtype="float32", cost="binary_cross_entropy")
    check(client.post(f"{path}/backprop", json={**BATCH, **change}), 422, "invalid-input", pointer)


@pytest.mark.parametrize(
    ("labels", "pointer"),
    [([0, 3], "/targets/1"), ([0, -1], "/targets/1"), ([0, 1.0], "/targets/1"), ([0], "/targets")],
)
def test_labels_that_name_no_class(
    client: httpx.Client, create: Callable[..., str], labels: list[float], pointer: str
) -> None:
    path = create(layers=[{"units": 3, "activation": "softmax"}], cost="cross_entropy")
    body = {"inputs": BATCH["inputs"], "targets": labels}
    check(client.post(f"{path}/backprop", json=body), 422, "invalid-input", pointer)
    step = {**body, "optimizer": {"kind": "sgd"}}
    check(client.post(f"{path}/sgd-step", json=step), 422, "invalid-input", pointer)


@pytest.mark.parametrize(
    ("optimizer", "pointer"),
    [
        (None, "/optimizer"),
        ({}, "/optimizer/kind"),
        ({"kind": "lion"}, "/optimizer/kind"),
        ({"kind": "sgd", "learning_rate": -1}, "/optimizer/learning_rate"),
        ({"kind": "sgd", "learning_rate": "3"}, "/optimizer/learning_rate"),
        ({"kind": "sgd", "momentum": -0.1}, "/optimizer/momentum"),
        ({"kind": "sgd", "nesterov": True}, "/optimizer/nesterov"),
        ({"kind": "sgd", "betas": [0.9, 0.99]}, "/optimizer/betas"),
        ({"kind": "adam", "betas": [0.9, 1.0]}, "/optimizer/betas/1"),
        ({"kind": "adam", "clip_norm": -1}, "/optimizer/clip_norm"),
    ],
)
def test_an_optimizer_that_cannot_be(
    client: httpx.Client, create: Callable[..., str], optimizer: Any, pointer: str
) -> None:
    path = create()
    before = client.get(path).content
    check(client.post(f"{path}/sgd-step", json={**BATCH, "optimizer": optimizer}), 422, "invalid-input", pointer)
    assert client.get(path).content == before


RAW_BODIES = {
    b"": (400, "malformed-body"),
    b"{": (400, "malformed-body"),
    b"\xff\xfe": (400, "malformed-body"),
    b'{"inputs": [[1, 2]]} x': (400, "malformed-body"),
    b"[]": (422, "invalid-input"),
    b"null": (422, "invalid-input"),
    b'{"inputs": [[0, 1]], "inputs": [[1, 1]]}': (422, "invalid-input"),
    b'{"inputs": [[0, NaN]]}': (422, "invalid-input"),
    b'{"inputs": [[0, -Infinity]]}': (422, "invalid-input"),
    b'{"inputs": [[0, 1e999]]}': (422, "invalid-input"),
    b'{"inputs": [[0, 1' + b"0" * 5000 + b"]]}": (422, "invalid-input"),
    b'{"inputs": [[0, 1]], "\\ud800": 1}': (422, "invalid-input"),
    b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}": (422, "invalid-input"),
}


@pytest.mark.parametrize("body", RAW_BODIES, ids=lambda body: repr(body[:30]))
def test_bytes_that_are_no_request(client: httpx.Client, create: Callable[..., str], body: bytes) -> None:
    response = client.post(f"{create()}/feedforward", content=body, headers=JSON)
    assert response.status_code in (400, 422)
    check(response, *RAW_BODIES[body])


@pytest.mark.parametrize(
    "body", [b"", b"\0" * 7, b"\xff" * 64, (2).to_bytes(8, "little") + b"{}x", tensors.encode(BATCH)[:-1]]
)
def test_bytes_that_are_no_tensors(client: httpx.Client, create: Callable[..., str], body: bytes) -> None:
    response = client.post(f"{create()}/feedforward", content=body, headers={"content-type": tensors.MEDIA})
    check(response, 400, "malformed-body")


def test_tensors_that_do_not_fit(client: httpx.Client, create: Callable[..., str]) -> None:
    path, headers = create(), {"content-type": tensors.MEDIA}

    def ask(document: dict[str, Any]) -> httpx.Response:
        return client.post(f"{path}/feedforward", content=tensors.encode(document), headers=headers)

    check(ask({"inputs": np.array([[0, np.nan]])}), 422, "invalid-input", "/inputs/0/1")
    check(ask({"inputs": np.ones((2, 3))}), 422, "invalid-input", "/inputs")
    check(ask({"inputs": np.ones((2, 2)), "targets": np.ones((2, 1))}), 422, "invalid-input", "/targets")
    check(ask({"inputs": np.ones((2, 2)), "include": ["errors"]}), 422, "invalid-input", "/include/0")


def test_unknown_things_are_not_found(client: httpx.Client, create: Callable[..., str]) -> None:
    create()
    for path in ("/v1/networks/net_unknown", "/v1/networks/..%2f", "/v1/networks/%00", "/v1/networks/%ff/parameters"):
        check(client.get(path), 404, "not-found")
    for path in ("/", "/v1", "/v1/networks/", "/nothing", "/problems/none", "/docs/none.js"):
        check(client.get(path), 404, "not-found")
    for call in ("feedforward", "backprop", "sgd-step"):
        body = {**STEP} if call == "sgd-step" else BATCH if call == "backprop" else {"inputs": [[1]]}
        check(client.post(f"/v1/networks/net_unknown/{call}", json=body), 404, "not-found")
    check(client.put("/v1/networks/net_unknown/parameters", json=_layers()), 404, "not-found")
    check(client.patch("/v1/networks/net_unknown", json={"name": "x"}), 404, "not-found")
    check(client.delete("/v1/networks/net_unknown"), 404, "not-found")


def _layers() -> dict[str, Any]:
    return {"layers": [{"layer": 2, "weights": [[1.0]], "biases": [0.0]}]}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "TRACE"])
@pytest.mark.parametrize("place", ["", "/parameters", "/versions", "/feedforward", "/backprop", "/sgd-step"])
def test_other_methods_are_told_which_there_are(
    client: httpx.Client, create: Callable[..., str], method: str, place: str
) -> None:
    path = create() + place
    allowed = client.request("OPTIONS", path)
    assert (allowed.status_code, allowed.content) == (204, b"")
    known = allowed.headers["allow"].split(", ")
    if method not in known:
        refused = client.request(method, path)
        check(refused, 405, "method-not-allowed")
        assert refused.headers["allow"] == allowed.headers["allow"]
    assert "access-control-allow-origin" not in allowed.headers


def test_head_is_get_without_its_body(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    for place in (path, f"{path}/parameters", "/v1/networks", "/healthz", "/v1/info"):
        head, get = client.head(place), client.get(place)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers.get("etag") == get.headers.get("etag")


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0", "image/*", "application/vnd.safetensors;q=0.0"]
)
def test_an_answer_in_another_type(client: httpx.Client, create: Callable[..., str], accept: str) -> None:
    path, headers = create(), {"accept": accept}
    if "safetensors" in accept:
        headers["content-type"] = tensors.MEDIA
    check(client.get(f"{path}/parameters", headers={"accept": "text/html"}), 406, "not-acceptable")
    step = client.post(f"{path}/sgd-step", json=STEP, headers={"accept": "text/html"})
    check(step, 406, "not-acceptable")
    assert client.get(path).json()["version"] == 0
    check(client.get("/v1/info", headers={"accept": tensors.MEDIA}), 406, "not-acceptable")
    check(client.get(path, headers={"accept": "no/slash/here"}), 400, "malformed-body")


def test_accept_settles_the_type_of_the_answer(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()

    def types(**headers: str) -> tuple[str, str]:
        asked = {"inputs": [[0.0, 1.0]]}
        plain = client.post(f"{path}/feedforward", json=asked, headers=headers)
        headers["content-type"] = tensors.MEDIA
        raw = client.post(f"{path}/feedforward", content=tensors.encode(asked), headers=headers)
        return plain.headers["content-type"], raw.headers["content-type"]

    assert types(accept="*/*") == ("application/json", tensors.MEDIA)
    assert types(accept="application/json") == ("application/json", "application/json")
    assert types(accept=tensors.MEDIA) == (tensors.MEDIA, tensors.MEDIA)
    assert types(accept="application/json;q=0.1, application/vnd.safetensors") == (tensors.MEDIA, tensors.MEDIA)


@pytest.mark.parametrize("media", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml", "json"])
def test_a_body_in_another_type(client: httpx.Client, create: Callable[..., str], media: str | None) -> None:
    path = create()
    request = client.build_request("POST", f"{path}/sgd-step", content=json.dumps(STEP).encode())
    if media:
        request.headers["content-type"] = media
    check(client.send(request), 415, "unsupported-media-type")
    packed = {**JSON, "content-encoding": "br"}
    check(client.post(f"{path}/sgd-step", json=STEP, headers=packed), 415, "unsupported-media-type")
    assert client.get(path).json()["version"] == 0


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("limit=x", "/limit"),
        ("limit=1.0", "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("after=nonsense", "/after"),
        ("page=2", "/page"),
    ],
)
def test_query_parameters_are_read_strictly(client: httpx.Client, query: str, pointer: str) -> None:
    check(client.get(f"/v1/networks?{query}"), 422, "invalid-input", pointer)


def test_query_parameters_of_a_network(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    for query, pointer in (("version=-1", "/version"), ("version=1e3", "/version"), ("version=", "/version")):
        check(client.get(f"{path}/parameters?{query}"), 422, "invalid-input", pointer)
    check(client.get(f"{path}/parameters?version={2**53}"), 422, "invalid-input", "/version")
    check(client.get(f"{path}/parameters?version={2**53 - 1}"), 404, "not-found")
    check(client.get(f"{path}/versions?after=x"), 422, "invalid-input", "/after")
    check(client.post(f"{path}/sgd-step?dry=1", json=STEP), 422, "invalid-input", "/dry")
    check(client.delete(f"{path}?force=1"), 422, "invalid-input", "/force")
    assert client.get(path).json()["version"] == 0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server with low limits."""
    limits = {
        "max-body-bytes": 5000, "max-layers": 3, "max-units": 50, "max-parameters": 200, "max-batch-rows": 20,
        "max-estimated-bytes": 20_000, "max-estimated-operations": 3000,
    }  # fmt: skip
    flags = [part for name, value in limits.items() for part in (f"--{name}", str(value))]
    running = Running(tmp_path_factory.mktemp("small"), *flags)
    with running.client() as client:
        yield client
    running.stop()


def test_what_is_too_large_is_told_in_figures(small: httpx.Client) -> None:
    shown = small.get("/v1/info").json()["limits"]
    layer = {"units": 1, "activation": "tanh"}

    def figures(response: httpx.Response) -> dict[str, int]:
        return check(response, 413, "too-large")["figures"]

    assert figures(small.post("/v1/networks", json={**SPEC, "layers": [layer] * 4})) == {"asked": 4, "limit": 3}
    units = {**SPEC, "layers": [{**layer, "units": 51}]}
    assert figures(small.post("/v1/networks", json=units)) == {"asked": 51, "limit": shown["max_units"]}
    wide = {"inputs": 20, "layers": [{**layer, "units": 10}]}
    assert figures(small.post("/v1/networks", json=wide)) == {"asked": 210, "limit": shown["max_parameters"]}
    huge = {"inputs": 2**53 - 1, "layers": [{**layer, "units": 2**53 - 1}]}
    assert figures(small.post("/v1/networks", json=huge))["asked"] == 2**53 - 1

    path = small.post("/v1/networks", json={"inputs": 19, "layers": [{**layer, "units": 10}]}).headers["location"]
    rows = {"inputs": [[0] * 19] * 21}
    assert figures(small.post(f"{path}/feedforward", json=rows)) == {"asked": 21, "limit": 20}
    assert small.post(f"{path}/feedforward", json={"inputs": [[0] * 19] * 7}).status_code == 200
    assert figures(small.post(f"{path}/feedforward", json={"inputs": [[0] * 19] * 8})) == {"asked": 3040, "limit": 3000}
    two = {"inputs": [[0] * 19] * 2, "targets": [[0] * 10] * 2}
    assert small.post(f"{path}/backprop", json=two).status_code == 200
    eight = {"inputs": [[0] * 19] * 8, "targets": [[0] * 10] * 8, "include": ["per_example"]}
    assert figures(small.post(f"{path}/backprop", json=eight))["limit"] == shown["max_estimated_bytes"]


def test_a_body_over_the_limit_is_refused_however_it_comes(small: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(60):
            yield b" " * 100

    for body in (b" " * 5001, chunks()):
        response = small.post("/v1/networks", content=body, headers=JSON)
        assert check(response, 413, "too-large")["figures"]["limit"] == 5000
    assert small.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"inputs": [[0, NaN]], "targets": [[1]]}', "/inputs/0/1"),
        ('{"inputs": [[0, 1e39]], "targets": [[1]]}', "/inputs/0/1"),
        ('{"inputs": [[0, 1]], "targets": [[1]], "targets": [[1]]}', "/targets"),
        ('{"inputs": [[0, 1]], "targets": [[1]], "include": ["\\ud800"]}', "/include/0"),
        ('{"inputs": [[0, "1"]], "targets": [[1]]}', "/inputs/0/1"),
        ('{"inputs": [[0, 1]], "targets": [[1, 0]]}', "/targets"),
        ('{"inputs": [[0, 1]], "targets": [[1]], "optimizer": {}}', "/optimizer/kind"),
    ],
)
def test_the_detail_alone_says_where(client: httpx.Client, create: Callable[..., str], body: str, pointer: str) -> None:
    call = "sgd-step" if "optimizer" in body else "backprop"
    response = client.post(f"{create(dtype='float32')}/{call}", content=body, headers=JSON)
    assert check(response, 422, "invalid-input", pointer)["error"].startswith(f"{pointer}: ")


def test_what_is_no_http_is_a_problem_too(server: Running) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"NONSENSE\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert b"x-content-type-options: nosniff" in head
    problem, text = json.loads(body), "Invalid HTTP request received."
    assert f"x-request-id: {problem.pop('request_id')}".encode() in head
    assert problem == {
        "type": "/problems/malformed-body",
        "title": "The request cannot be parsed",
        "status": 400,
        "detail": text,
        "error": text,
    }


def test_a_client_that_hangs_up_leaves_the_server_whole(server: Running, client: httpx.Client) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    for sent in (
        b"POST /v1/networks HTTP/1.1\r\ncontent-le",
        b"POST /v1/networks HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(sent)
    require_ready(client)
    assert "Traceback" not in server.log.read_text()
