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
    """One thread. Some of its steps come with `If-Match`, and some become jobs."""

    server: Server
    paths: list[str]
    steps: Iterable[int]
    rng: random.Random
    answered: dict[int, httpx.Response] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    """Of each step, the one that it was answered under: a job that failed has used its key up."""
    jobs: dict[str, str] = field(default_factory=dict)
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
        ways = (self._run, self._run_conditionally, self._run_later)
        send, deadline = self.rng.choices(ways, (5, 3, 2))[0], time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            excused, cuts = self.server.dying, self.server.cuts
            try:
                answer = send(step)
            except (httpx.TransportError, KeyError):  # no server, or one that is about to end
                self._disconnect()
                time.sleep(0.05)
                continue
            self.statuses.append(answer.status_code)
            if self.server.cuts != cuts:
                continue  # it may have come after the power had gone
            if answer.status_code == 200:
                assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
                self.answered[step] = answer
                return
            if answer.status_code == 202:
                location = self.jobs.setdefault(self._key(step), answer.headers["location"])
                assert location == answer.headers["location"], "a job has become another one"
            elif self._key(step) in self.jobs and _has_not_written(answer):
                self.keys[step] = f"{self._key(step)}-again"
            else:
                known = answer.status_code in KNOWN or excused or self.server.dying
                assert known, f"{answer.status_code} {answer.text}"
            time.sleep(self.rng.random() * 0.05)
        raise AssertionError(f"step {step} was not answered within {PATIENCE} seconds")

    def _run(self, step: int, **headers: str) -> httpx.Response:
        headers = {"idempotency-key": self._key(step), **headers}
        return self._connected().post(f"{self._path(step)}/sgd-step", json=request(step), headers=headers)

    def _run_conditionally(self, step: int) -> httpx.Response:
        return self._run(step, **{"if-match": self._connected().get(self._path(step)).headers["etag"]})

    def _run_later(self, step: int) -> httpx.Response:
        """The answer that its job has come to; until there is one, that of asking for the job or for its result."""
        job = self.jobs.get(self._key(step))
        if job is None:
            return self._run(step, prefer="respond-async")
        self._connected().get(job, params={"wait": 1})
        return self._connected().get(f"{job}/result")

    def _key(self, step: int) -> str:
        return self.keys.setdefault(step, f"step-{step}")

    def _path(self, step: int) -> str:
        return self.paths[network_of(step)]

    def _connected(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(base_url=self.server.url, trust_env=False, timeout=30, verify=False)
        return self._client

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _has_not_written(answer: httpx.Response) -> bool:
    """Whether a job ended without its step: it found no room, or the server died under it too often."""
    return answer.status_code == 507 or answer.json().get("type") == "/problems/interrupted"


def together(clients: list[Client]) -> list[threading.Thread]:
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    return threads
