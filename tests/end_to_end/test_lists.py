"""`gradwire networks` and `gradwire jobs` against a running service."""

from __future__ import annotations

import http.server
import re
import subprocess
import threading
from collections.abc import Callable

import httpx
import pytest

from tests.end_to_end.running import GRADWIRE, Running, environment
from tests.end_to_end.working import STEP, ask, end


def gradwire(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GRADWIRE, *arguments], capture_output=True, text=True, env=environment(**extra), timeout=60, check=False
    )


def rows(shown: subprocess.CompletedProcess[str]) -> list[list[str]]:
    assert (shown.returncode, shown.stderr) == (0, "")
    return [re.split(r" {2,}", line) for line in shown.stdout.splitlines()]


def test_both_lists(launch: Callable[..., Running]) -> None:
    running = launch()
    client = running.client()
    assert rows(gradwire("jobs", "--url", running.url)) == [
        ["ID", "KIND", "NETWORK", "STATUS", "CREATED", "SECONDS", "PROGRESS"]
    ]
    layers = [{"units": 3, "activation": "tanh"}, {"units": 1, "activation": "identity"}]
    names = ["plain", "bell\u202e", None]
    made = [client.post("/v1/networks", json={"inputs": 2, "layers": layers, "name": name}).json() for name in names]
    one = f"/v1/networks/{made[0]['id']}"
    done = ask(client, f"{one}/sgd-step", STEP)
    end(client, done)
    client.put(f"{one}/parameters", json=client.get(f"{one}/parameters").json())
    failed = ask(client, f"{one}/sgd-step", {**STEP, "targets": [[3e38], [3e38]]})
    assert end(client, failed)["status"] == "failed"

    networks = rows(gradwire("networks", "--url", running.url))
    assert networks[0] == ["ID", "NAME", "VERSION", "PARAMETERS", "DTYPE", "COST", "UPDATED", "LAYERS"]
    assert [row[:4] for row in networks[1:]] == [
        [made[0]["id"], "plain", "2", "13"],
        [made[1]["id"], "bell?", "0", "13"],
        [made[2]["id"], "-", "0", "13"],
    ]
    assert networks[1][4:6] == ["float32", "quadratic"]
    assert networks[1][-1] == "2, 3 tanh, 1 identity"
    assert len(rows(gradwire("networks", "--url", running.url, "--limit", "2"))) == 3

    jobs = rows(gradwire("jobs", "--url", running.url))[1:]
    assert [row[:4] for row in jobs] == [
        [failed.rpartition("/")[2], "sgd-step", made[0]["id"], "failed"],
        [done.rpartition("/")[2], "sgd-step", made[0]["id"], "succeeded"],
    ]
    assert "layer" in jobs[0][-1]
    assert float(jobs[1][-2]) >= 0
    assert len(rows(gradwire("jobs", "--url", running.url + "/", "--status", "failed"))) == 2
    assert len(rows(gradwire("jobs", "--url", running.url, "--network", made[1]["id"]))) == 1
    host, port = running.url.removeprefix("http://").split(":")
    assert len(rows(gradwire("jobs", GRADWIRE_HOST=host, GRADWIRE_PORT=port, http_proxy="http://127.0.0.1:9"))) == 3
    assert len(rows(gradwire("jobs", "--host", host, "--port", port, GRADWIRE_PORT="1"))) == 3


def test_more_than_a_page(launch: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> None:
    running = launch()
    client = running.client()
    layers = [{"units": 1, "activation": "tanh"}]
    for _ in range(510):
        assert client.post("/v1/networks", json={"inputs": 1, "layers": layers}).status_code == 201
    assert len(rows(gradwire("networks", "--url", running.url, "--limit", "505"))) == 506
    assert len(rows(gradwire("networks", "--url", running.url, "--limit", "5000"))) == 511


def test_a_key_is_sent_where_it_is_asked_for(launch: Callable[..., Running]) -> None:
    running = launch()
    secret = gradwire("keys", "create", "--data", str(running.data)).stdout.strip()
    headers = {"authorization": f"Bearer {secret}"}
    client = running.client()
    while client.get("/v1/networks").status_code != 401:  # the server looks for new keys now and then
        pass
    made = client.post(
        "/v1/networks", json={"inputs": 1, "layers": [{"units": 1, "activation": "tanh"}]}, headers=headers
    )
    assert made.status_code == 201
    refused = gradwire("networks", "--url", running.url)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(r"gradwire: http://\S+: 401 [^\n]+\n", refused.stderr)
    assert len(rows(gradwire("networks", "--url", running.url, GRADWIRE_API_KEY=secret))) == 2
    job = client.post(
        made.headers["location"] + "/feedforward",
        json={"inputs": [[1.0]]},
        headers={**headers, "prefer": "respond-async"},
    ).headers["location"]
    assert httpx.get(running.url + job, headers=headers, params={"wait": 20}).json()["status"] == "succeeded"
    assert len(rows(gradwire("jobs", "--url", running.url, GRADWIRE_API_KEY=secret))) == 2
    # Another owner's job is not there.
    other = {"authorization": f"Bearer {gradwire('keys', 'create', '--data', str(running.data)).stdout.strip()}"}
    while client.get("/v1/networks", headers=other).status_code != 200:
        pass
    for method, place in (("GET", ""), ("GET", "/result"), ("GET", "/events"), ("DELETE", "")):
        assert client.request(method, job + place, headers=other).status_code == 404
    assert client.get("/v1/jobs", headers=other).json()["jobs"] == []
    assert client.get(f"{job}/result", headers=headers).status_code == 200


def test_what_goes_wrong_is_one_line(launch: Callable[..., Running]) -> None:
    for url in ("http://127.0.0.1:1", "http://no.such.host.invalid"):
        lost = gradwire("jobs", "--url", url)
        assert (lost.returncode, lost.stdout) == (1, "")
        assert re.fullmatch(r"gradwire: [^\n]+ does not answer: [^\n]+\n", lost.stderr)
    for wrong in (("--url", "file:///etc/passwd"), ("--url", "127.0.0.1"), ("--limit", "0"), ("--status", "done")):
        assert gradwire("jobs", *wrong).returncode == 2


def test_a_service_that_is_none(tmp_path: object) -> None:
    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path.startswith("/v1/")
            self.send_response(302 if "jobs" in self.path else 200)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "4")
            self.end_headers()
            self.wfile.write(b"html" if "limit=50" in self.path else b"{}  ")

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        moved = gradwire("jobs", "--url", url, GRADWIRE_API_KEY="secret")
        assert (moved.returncode, moved.stderr.count("\n")) == (1, 1)
        assert "302" in moved.stderr
        other = gradwire("networks", "--url", url)
        assert (other.returncode, other.stderr.count("\n")) == (1, 1)
        assert "does not answer" in other.stderr
        third = gradwire("networks", "--url", url, "--limit", "7")
        assert (third.returncode, third.stderr) == (1, f"gradwire: {url} is no Gradwire\n")
        server.shutdown()
