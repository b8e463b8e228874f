"""The service about itself: health, readiness, limits, metrics, its pages and its document."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from service.problems import PROBLEMS
from service.settings import LIMITS, Settings
from tests.end_to_end.running import require_ready

ROOT = Path(__file__).parents[2]


def test_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    require_ready(client)


def test_info_says_what_there_is(client: httpx.Client) -> None:
    info = client.get("/v1/info").json()
    assert (info["backend"], info["device"], info["dtypes"]) == ("numpy", "cpu", ["float32", "float64"])
    assert set(info["activations"]) >= {"identity", "sigmoid", "tanh", "relu", "gelu_tanh", "softmax"}
    assert len(info["activations"]) == 11
    assert len(info["costs"]) == 6
    assert len(info["initializers"]) == 5
    assert info["optimizers"] == ["sgd", "adam", "adamw", "nadam", "rmsprop", "adagrad", "adadelta"]
    assert info["limits"] == {name: getattr(Settings(), name) for name in LIMITS}


def test_metrics_count_by_template_and_status(client: httpx.Client, create: Callable[..., str]) -> None:
    def count(method: str, route: str, status: int) -> float:
        text = client.get("/metrics").text
        labels = f'method="{method}",route="{route}",status="{status}"'
        found = re.search(rf"^gradwire_requests_total{{{re.escape(labels)}}} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0

    series = [("GET", "/v1/networks/{network}", 200), ("POST", "/v1/networks/{network}/feedforward", 422)]
    series += [("GET", "/v1/networks/{network}", 404), ("GET", "unknown", 404)]
    path = create()
    before = [count(*one) for one in series]
    client.get(path)
    client.post(f"{path}/feedforward", json={})
    client.get("/v1/networks/net_none")
    client.get("/made/up")
    assert [count(*one) for one in series] == [number + 1 for number in before]
    text = client.get("/metrics").text
    assert re.search(r"^gradwire_live_bytes [1-9]", text, re.MULTILINE)
    assert re.search(r"^process_resident_memory_bytes ", text, re.MULTILINE)
    assert "made/up" not in text


def test_metrics_count_what_is_on_disk_once(client: httpx.Client, create: Callable[..., str]) -> None:
    def read(name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0

    steps, networks = 'gradwire_store_commits_total{made_by="sgd-step"}', "gradwire_store_networks"
    before = read(steps), read(networks)
    path = create()
    body = {"inputs": [[0, 1]], "targets": [[1]], "optimizer": {"kind": "sgd"}}
    for _ in range(2):
        assert client.post(f"{path}/sgd-step", json=body, headers={"idempotency-key": "counted"}).status_code == 200
    assert (read(steps), read(networks)) == (before[0] + 1, before[1] + 1)
    assert read("gradwire_store_bytes") > 0
    assert read("gradwire_store_free_bytes") > 0


def test_the_docs_page_asks_this_host_alone(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    places = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {"docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js"} <= set(places)
    assert not [place for place in places if "//" in place]
    for place in places:
        if not place.startswith("data:"):
            assert client.get(f"/{place}").status_code == 200
    start = client.get("/docs/start.js").text
    assert '"openapi.json"' in start
    assert "http" not in start


def test_every_problem_has_its_page(client: httpx.Client) -> None:
    for slug in PROBLEMS:
        page = client.get(f"/problems/{slug}")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/markdown")
        assert PROBLEMS[slug].title in page.text or slug in page.text


def test_the_document_is_the_committed_one(client: httpx.Client) -> None:
    served = client.get("/openapi.json")
    assert served.text == (ROOT / "openapi" / "openapi.json").read_text(encoding="utf-8")
    assert "HTTPValidationError" not in served.text
    schemas = json.loads(served.text)["components"]["schemas"]
    types = {kind["allOf"][1]["properties"]["type"]["const"] for name, kind in schemas.items() if "allOf" in kind}
    assert types == {f"/problems/{slug}" for slug in PROBLEMS}


@pytest.mark.parametrize("path", ["/v1/networks", "/healthz"])
def test_no_other_origin_is_let_in(client: httpx.Client, path: str) -> None:
    headers = {"origin": "http://elsewhere.example", "access-control-request-method": "POST"}
    for response in (client.get(path, headers=headers), client.options(path, headers=headers)):
        assert not [name for name in response.headers if name.startswith("access-control")]
