"""The servers that take part: how each is started, asked, and what its answers hold."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load

from benchmarks.core.cases import Array, join
from benchmarks.core.process import ROOT
from benchmarks.core.reference import disagreement
from benchmarks.http.calls import CALLS, JSON, SAFETENSORS, Call, Numbers
from benchmarks.http.client import Connection, Reply, Request
from benchmarks.http.process import Server, free_port
from benchmarks.http.servers.network import PARAMETERS

__all__ = ["CONTESTANTS", "Contestant"]


class Place(NamedTuple):
    """Where a server runs."""

    python: Path
    folder: Path
    """Has the parameters, and room of its own."""
    port: int


@dataclass
class Contestant(ABC):
    """A server, running once it was started."""

    name: str
    home: str
    """Whose Python runs it: the product's, or the peers'."""
    takes: Collection[Call] = tuple(call for call in CALLS.values() if call.is_what_all_have)
    """The calls that there are."""
    server: Server = field(init=False, repr=False)

    def start(self, python: Path, folder: Path) -> None:
        """Run it."""
        place = Place(python, folder, free_port())
        environment = {PARAMETERS: str(folder / "parameters.npy"), "PYTHONPATH": str(ROOT)}
        self.server = Server(self.name, self.command(place), place.port, environment)

    @abstractmethod
    def command(self, place: Place) -> list[str]:
        """What is run."""

    def ready(self, numbers: Numbers) -> Request:
        """The request of a call, for which everything has been prepared."""
        return Request.post("/feedforward", JSON, numbers.body)

    def error(self, numbers: Numbers, reply: Reply) -> float:
        """How far the answer to the first request of a call is from what it has to be, as a part of that."""
        return numbers.outputs_error(np.asarray(json.loads(reply.body)["outputs"]))

    def connect(self) -> Connection:
        """A connection to it."""
        return Connection(self.server.port)


class Echo(Contestant):
    """Answers as many bytes as `answers` says, which was measured on ours."""

    answers: int = 0

    def command(self, place: Place) -> list[str]:
        return [str(place.python), "-m", "benchmarks.http.servers.echo", str(place.port)]

    def ready(self, numbers: Numbers) -> Request:
        return Request.post(f"/{self.answers}", numbers.call.media, numbers.body)

    def error(self, numbers: Numbers, reply: Reply) -> float:  # noqa: ARG002  there are none in it
        return float(len(reply.body) != self.answers)


@dataclass
class Gradwire(Contestant):
    """Ours, as `gradwire serve` starts it."""

    flags: tuple[str, ...] = ()
    network: str = ""

    def command(self, place: Place) -> list[str]:
        program, data = place.python.with_name("gradwire"), place.folder / self.name
        return [str(program), "serve", "--port", str(place.port), "--data", str(data), *self.flags]

    def ready(self, numbers: Numbers) -> Request:
        layers = [{"units": units, "activation": "sigmoid"} for units in numbers.case.sizes[1:]]
        spec = {"inputs": numbers.case.sizes[0], "layers": layers, "cost": "quadratic", "dtype": "float32"}
        body = json.dumps(spec | {"parameters": numbers.layers}).encode()
        self.network = json.loads(self._exchange(Request.post("/v1/networks", JSON, body)).body)["id"]
        call = numbers.call
        return Request.post(f"/v1/networks/{self.network}/{call.operation}", call.media, numbers.body)

    def error(self, numbers: Numbers, reply: Reply) -> float:
        call, body = numbers.call, bytes(reply.body)
        if call.operation == "feedforward":
            outputs = load(body)["outputs"] if call.media == SAFETENSORS else json.loads(body)["outputs"]
            return numbers.outputs_error(np.asarray(outputs))
        if call.operation == "sgd-step":
            place = f"/v1/networks/{self.network}/parameters"
            body = bytes(self._exchange(Request.get(place, SAFETENSORS)).body)
        what = {"backprop": "backprop", "sgd-step": "step"}[call.operation]
        return disagreement(numbers.case, what, numbers.vector, _vector(load(body)), numbers.wanted)

    def _exchange(self, request: Request) -> Reply:
        connection = self.connect()
        reply = connection.exchange(request)
        connection.close()
        if reply.status >= 300:
            raise RuntimeError(f"{self.name} answered {reply.status}: {bytes(reply.body[:500])!r}")
        return reply


class PlainFastAPI(Contestant):
    """FastAPI and pydantic, of the product's own versions."""

    def command(self, place: Place) -> list[str]:
        return [str(place.python), "-m", "benchmarks.http.servers.plain_fastapi", str(place.port)]


class LitServe(Contestant):
    """LitServe, with one worker."""

    def command(self, place: Place) -> list[str]:
        return [str(place.python), "-m", "benchmarks.http.servers.lit", str(place.port)]

    def ready(self, numbers: Numbers) -> Request:
        return Request.post("/predict", JSON, numbers.body)


class MLServer(Contestant):
    """MLServer, its model in the server's own process: passing numbers to a worker costs more than they do."""

    def command(self, place: Place) -> list[str]:
        folder = place.folder / self.name
        folder.mkdir(exist_ok=True)
        runtime = {"name": "network", "implementation": "benchmarks.http.servers.mlserver_runtime.Network"}
        (folder / "model-settings.json").write_text(json.dumps(runtime))
        settings = {
            "debug": False,
            "host": "127.0.0.1",
            "http_port": place.port,
            "grpc_port": free_port(),
            "metrics_port": free_port(),
            "parallel_workers": 0,
            "gzip_enabled": False,
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        return [str(place.python.with_name("mlserver")), "start", str(folder)]

    def ready(self, numbers: Numbers) -> Request:
        return Request.post("/v2/models/network/infer", JSON, numbers.v2_body)

    def error(self, numbers: Numbers, reply: Reply) -> float:
        (tensor,) = json.loads(reply.body)["outputs"]
        return numbers.outputs_error(np.asarray(tensor["data"]).reshape(tensor["shape"]))


def _vector(tensors: dict[str, Any]) -> Array:
    """Parameters or a gradient as one vector, layers ascending."""
    prefix = "gradient." if "gradient.2.weights" in tensors else ""
    return join([(tensors[f"{prefix}{layer}.weights"], tensors[f"{prefix}{layer}.biases"]) for layer in (2, 3)])


CONTESTANTS: dict[str, Contestant] = {
    each.name: each
    for each in (
        Gradwire("gradwire", "product", [call for call in CALLS.values() if call.durable]),
        Gradwire("gradwire-unsynced", "product", [call for call in CALLS.values() if not call.durable], ("--no-sync",)),
        Echo("echo", "product", CALLS.values()),
        PlainFastAPI("fastapi", "product"),
        MLServer("mlserver", "peers"),
        LitServe("litserve", "peers"),
    )
}
