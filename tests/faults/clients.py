"""Clients that send steps to a server, each under its key, again and again until it is answered."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from tests.faults.server import Server
from tests.faults.training import network_of, request

PATIENCE = 300.0
KNOWN = {409, 412, 429, 503, 507}
"""An earlier try of the step is under way; others were faster; too busy, too busy, no room."""


@dataclass
class Client:
    """One thread. Some of its steps come with `If-Match`."""

    server: Server
    paths: list[str]
    steps: Iterable[int]
    rng: random.Random
    answered: dict[int, httpx.Response] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    failure: BaseException | None = None
    _client: httpx.Client | None = None

    def run(self) -> None:
        try:
            for step in self.steps:
                self._until_answered(step)
        except BaseException as error:  # noqa: BLE001  the thread that joins this one raises it
            self.failure = error
        finally:
            self._disconnect()

    def _until_answered(self, step: int) -> None:
        headers, conditional = {"idempotency-key": f"step-{step}"}, self.rng.random() < 0.3
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            excused, cuts = self.server.dying, self.server.cuts
            try:
                answer = self._try(step, headers, conditional)
            except (httpx.TransportError, KeyError):  # no server, or one that is about to end
                self._disconnect()
                time.sleep(0.05)
                continue
            self.statuses.append(answer.status_code)
            if answer.status_code == 200:
                if self.server.cuts != cuts:
                    continue  # it may have come after the power had gone
                assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
                self.answered[step] = answer
                return
            known = answer.status_code in KNOWN or excused or self.server.dying
            assert known, f"{answer.status_code} {answer.text}"
            headers.pop("if-match", None)
            time.sleep(self.rng.random() * 0.05)
        raise AssertionError(f"step {step} was not answered within {PATIENCE} seconds")

    def _try(self, step: int, headers: dict[str, str], conditional: bool) -> httpx.Response:
        if self._client is None:
            self._client = httpx.Client(base_url=self.server.url, trust_env=False, timeout=30, verify=False)
        path = self.paths[network_of(step)]
        if conditional and "if-match" not in headers:
            headers["if-match"] = self._client.get(path).headers["etag"]
        return self._client.post(f"{path}/sgd-step", json=request(step), headers=headers)

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def together(clients: list[Client]) -> list[threading.Thread]:
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    return threads
