"""A client of one network that speaks nothing but REST: no import of Gradwire, JSON bodies over httpx.

Every write carries an `Idempotency-Key`, so sending it again can never apply it twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

__all__ = ["Batch", "NetworkClient", "Step"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """Examples and what the network should answer: inputs (m, n_1), targets (m, n_L)."""

    inputs: Floats
    targets: Floats


@dataclass(frozen=True)
class Step:
    """The answer to one sgd-step."""

    version: int
    cost: float
    gradient_norm: float


class NetworkClient:
    """Calls on one network of the service at `url`; a failure is an `httpx.HTTPError` that says what was answered."""

    def __init__(self, url: str, network: str, optimizer: dict[str, Any]) -> None:
        self.network = network
        self.optimizer = optimizer
        self._http = _connection(url)

    @classmethod
    def create(cls, url: str, spec: dict[str, Any], optimizer: dict[str, Any], key: str) -> NetworkClient:
        """Create the network that `spec` describes and give a client of it."""
        with _connection(url) as http:
            answer = _read(http.post("/v1/networks", json=spec, headers={"Idempotency-Key": key}))
        return cls(url, answer["id"], optimizer)

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def reconnect(self, url: str) -> None:
        """Go on with a server elsewhere."""
        self._http.close()
        self._http = _connection(url)

    def describe(self) -> dict[str, Any]:
        """The network as the service has it now, `version` and `backend` among it."""
        return _read(self._http.get(self._path()))

    def parameters(self, version: int) -> list[dict[str, Any]]:
        """The layers' weights and biases at a version."""
        layers: list[dict[str, Any]] = _read(self._http.get(self._path("parameters"), params={"version": version}))[
            "layers"
        ]
        return layers

    def outputs(self, inputs: Floats) -> Floats:
        """What the network answers: (m, n_1) to (m, n_L)."""
        answer = _read(self._http.post(self._path("feedforward"), json={"inputs": inputs.tolist()}))
        return np.array(answer["outputs"])

    def step(self, batch: Batch, key: str) -> Step:
        """One update by the mean gradient of `batch`, once for each key however often it is sent."""
        return _step(self._http.post(self._path("sgd-step"), content=self.step_body(batch), headers=_headers(key)))

    def step_in_flight(self, batch: Batch, key: str, meanwhile: Callable[[], None]) -> Step | None:
        """Send the whole request of a step, then call `meanwhile`, and only then listen for the answer.

        Returns:
            The answer, or None where the connection broke before it came.
        """
        body = self.step_body(batch)

        def sent() -> Iterator[bytes]:
            yield body
            meanwhile()  # httpx asks for more once the body is in the socket

        headers = {**_headers(key), "Content-Length": str(len(body))}
        try:
            return _step(self._http.post(self._path("sgd-step"), content=sent(), headers=headers))
        except httpx.TransportError:
            return None

    def step_body(self, batch: Batch) -> bytes:
        """The JSON of a step's request."""
        arrays = {"inputs": batch.inputs.tolist(), "targets": batch.targets.tolist()}
        return json.dumps({**arrays, "optimizer": self.optimizer}).encode()

    def _path(self, call: str = "") -> str:
        return f"/v1/networks/{self.network}/{call}".rstrip("/")


def _connection(url: str) -> httpx.Client:
    # A proxy in the environment has no business between us and a server on this machine.
    return httpx.Client(base_url=url, timeout=60.0, trust_env=False)


def _headers(key: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "Idempotency-Key": key}


def _step(response: httpx.Response) -> Step:
    answer = _read(response)
    return Step(answer["version"], answer["cost"], answer["gradient_norm"])


def _read(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        raise httpx.HTTPStatusError(
            f"{response.request.method} {response.request.url.path} was answered {response.status_code}: {response.text}",
            request=response.request,
            response=response,
        )
    document: dict[str, Any] = response.json()
    return document
