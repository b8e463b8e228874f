"""What is seen of a server from outside: ids, logs, headers, metrics, traces, and pages of other origins."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.end_to_end import running as running_module
from tests.end_to_end.conftest import XOR
from tests.end_to_end.running import Running, environment
from tests.end_to_end.test_load import metric

STEP = {"inputs": [[0, 1]], "targets": [[1]], "optimizer": {"kind": "sgd", "learning_rate": 0.5}}


# Ids.


def test_every_answer_has_an_id_of_its_own(client: httpx.Client) -> None:
    paths = ["/healthz", "/v1/networks", "/v1/networks/net_none", "/nowhere", "/docs", "/metrics"]
    ids = [client.get(path).headers["x-request-id"] for path in paths * 2]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,64}", one) for one in ids)


@pytest.mark.parametrize("given", ["a", "A-1_b.c", "x" * 64])
def test_a_sane_id_is_taken(client: httpx.Client, given: str) -> None:
    answer = client.get("/v1/networks/net_none", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\tb", '"', "ä", "a,b"])
def test_another_one_is_not(client: httpx.Client, given: str) -> None:
    answer = client.get("/healthz", headers=[(b"x-request-id", given.encode())])
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] != given
    assert re.fullmatch(r"[a-z0-9-]+", answer.headers["x-request-id"])


# Headers.


def test_headers_that_protect(client: httpx.Client, create: Callable[..., str]) -> None:
    path = create()
    for answer in (
        client.get("/healthz"),
        client.get(path),
        client.post(f"{path}/feedforward", json={"inputs": [[0, 1]]}),
        client.post(f"{path}/feedforward", content=b"{"),
        client.get("/docs"),
        client.get("/nowhere"),
        client.delete(path),
    ):
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert "server" not in answer.headers
    for url in ("/v1/networks", "/v1/networks/net_none", "/healthz", "/metrics"):
        assert client.get(url).headers["cache-control"] == "no-store"
    page = client.get("/docs").headers
    assert "frame-ancestors 'none'" in page["content-security-policy"]
    assert page["cache-control"] == "public, max-age=3600"


# Other origins.


def test_only_the_named_origins_are_let_in(launch: Callable[..., Running]) -> None:
    client = launch("--cors-origins", "https://app.example http://localhost:3000").client()
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,if-match"}
    for origin in ("https://app.example", "http://localhost:3000"):
        preflight = client.options("/v1/networks", headers={"origin": origin, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == origin
        answer = client.get("/v1/networks/net_none", headers={"origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin
        assert "ETag" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
    others = ("https://app.example.evil", "http://app.example", "https://app.example:8443", "null", "https://x")
    for origin in others:
        preflight = client.options("/v1/networks", headers={"origin": origin, **asked})
        assert preflight.status_code == 400
        for response in (preflight, client.get("/v1/networks", headers={"origin": origin})):
            assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origins", ["*", "app.example", "https://a/path", "https://a,https://b", "https://*.a"])
def test_origins_are_exact(launch: Callable[..., Running], origins: str) -> None:
    with pytest.raises(AssertionError, match="--cors-origins"):
        launch("--cors-origins", origins)


# Logs.


def test_json_lines(launch: Callable[..., Running]) -> None:
    running = launch("--log-format", "json", "--access-log")
    client = running.client()
    path = client.post("/v1/networks", json=XOR).headers["location"]
    client.get(f"{path}?x=1", headers={"x-request-id": "mine"})
    client.get('/v1/networks/"<\\x1b>%0a%22')
    running.terminate()
    assert running.wait() == 0
    said = [line for line in running.log.read_text().splitlines() if not line.startswith("gradwire: listening")]
    lines = [json.loads(line) for line in said]
    assert all({"time", "level", "logger", "message", "request_id"} <= line.keys() for line in lines)
    made, refused, odd = (line for line in lines if line["logger"] == "gradwire.access")
    assert (made["method"], made["route"], made["status"]) == ("POST", "/v1/networks", 201)
    assert made["seconds"] > 0
    assert made["bytes"] > 100
    assert (refused["request_id"], refused["status"], refused["path"]) == ("mine", 422, f"{path}?x=1")
    assert refused["route"] == "/v1/networks/{network}"
    assert odd["status"] == 404


def test_lines_for_people_name_the_request(launch: Callable[..., Running]) -> None:
    running = launch("--access-log")
    running.client().get("/v1/info", headers={"x-request-id": "look-for-me"})
    running.terminate()
    assert running.wait() == 0
    said = running.log.read_text()
    assert re.search(r'"GET /v1/info HTTP/1\.1" 200 .* request_id=look-for-me\n', said)


def test_without_a_log_there_is_no_line(launch: Callable[..., Running]) -> None:
    running = launch()
    running.client().get("/v1/networks/net_none")
    assert running.log.read_text().count("\n") == 1


# Metrics.


def test_metrics_of_the_work(client: httpx.Client, create: Callable[..., str]) -> None:
    def count(name: str) -> float:
        try:
            return metric(client, name)
        except AssertionError:
            return 0.0

    path = create()
    labels = '{method="POST",route="/v1/networks/{network}/feedforward",status="200"}'
    names = [f"gradwire_request{kind}{labels}" for kind in ("s_total", "_bytes_total", "_seconds_count")]
    names += [f"gradwire_response_bytes_total{labels}", 'gradwire_compute_seconds_count{where="loop"}']
    before = [count(name) for name in names]
    body = json.dumps({"inputs": [[0.0, 1.0]] * 10}).encode()
    answer = client.post(f"{path}/feedforward", content=body, headers={"content-type": "application/json"})
    after = [count(name) for name in names]
    gained = [now - then for now, then in zip(after, before, strict=True)]
    assert gained[:4] == [1, len(body), 1, len(answer.content)]
    assert gained[4] >= 1
    chunked = client.post(
        f"{path}/feedforward", content=iter([body[:50], body[50:]]), headers={"content-type": "application/json"}
    )
    assert chunked.status_code == 200
    assert count(names[1]) - after[1] == len(body)
    for name in (
        "gradwire_live_networks",
        "gradwire_queue_depth",
        "gradwire_working_bytes",
        "gradwire_compute_running",
    ):
        assert metric(client, name) >= 0


# Traces.


class Collector:
    """A collector of OpenTelemetry's protocol over HTTP, which keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == "/v1/traces":
                    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                        spans.extend(span for scope in resource.scope_spans for span in scope.spans)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    @contextmanager
    def open(self) -> Iterator[Collector]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def test_traces_carry_the_routes_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector().open() as collector:
        extra = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_LOGS_EXPORTER": "none"}
        monkeypatch.setattr(running_module, "environment", lambda: environment(**extra))
        running = Running(tmp_path, "--telemetry")
        try:
            client = running.client()
            path = client.post("/v1/networks", json=XOR).headers["location"]
            parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            client.post(f"{path}/sgd-step", json=STEP, headers={"traceparent": parent})
            client.get("/v1/networks/net_none")
            client.get("/made/up")
            running.terminate()
            assert running.wait() == 0
        finally:
            running.stop()
        spans = {span.name: span for span in collector.spans}
    assert {"POST /v1/networks", "POST /v1/networks/{network}/sgd-step", "GET /v1/networks/{network}"} <= spans.keys()
    step = spans["POST /v1/networks/{network}/sgd-step"]
    attributes = {one.key: one.value for one in step.attributes}
    assert attributes["http.route"].string_value == "/v1/networks/{network}/sgd-step"
    assert attributes["http.response.status_code"].int_value == 200
    assert step.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert not any("made/up" in name for name in spans)


def test_telemetry_that_cannot_work_stops_the_start(launch: Callable[..., Running]) -> None:
    with pytest.raises(AssertionError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        launch("--telemetry")
