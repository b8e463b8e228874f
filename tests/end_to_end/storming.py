"""Clients that do whatever clients do, in an order that a seed decides, and leave at any moment; what they are told is kept."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["Answer", "Client", "Told", "Wire"]

FINAL: Final = frozenset({"succeeded", "failed", "cancelled"})
_SMALL: Final = {"inputs": 2, "layers": [{"units": 3, "activation": "tanh"}, {"units": 1, "activation": "tanh"}]}
_LARGE: Final = {
    "inputs": 2,
    "layers": [{"units": 600, "activation": "tanh"}] * 3 + [{"units": 1, "activation": "tanh"}],
}
"""Its `_rows` take some tenths of a second, in a thread."""
_SGD: Final = {"kind": "sgd", "learning_rate": 0.01}


@dataclass(frozen=True)
class Answer:
    """To one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Wire]:
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    def send(self, method: str, path: str, document: Any = None, **headers: str) -> None:
        self.writer.write(written(method, path, document, **headers))

    async def head(self) -> tuple[int, dict[str, str]]:
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines if line)

    async def answer(self) -> Answer:
        status, headers = await self.head()
        if "chunked" in headers.get("transfer-encoding", ""):
            return Answer(status, headers, b"".join([part async for part in self.parts()]))
        return Answer(status, headers, await self.reader.readexactly(int(headers.get("content-length", 0))))

    async def parts(self) -> AsyncIterator[bytes]:
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            yield await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)


def written(method: str, path: str, document: Any = None, **headers: str) -> bytes:
    """A request as it is sent."""
    body = b"" if document is None else json.dumps(document).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", "content-type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Told:
    """What all clients were told, and what was wrong with it."""

    networks: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    versions: dict[str, list[int]] = field(default_factory=dict)
    """Of the steps that were answered at once, without a key, by network."""
    seen: dict[str, int] = field(default_factory=dict)
    """The last event of a job that somebody saw."""
    keys: dict[tuple[str, str], set[bytes]] = field(default_factory=dict)
    """Answers to one key of a network."""
    statuses: dict[int, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


class Client:
    """One client; many of them share what they were told.

    Args:
        url: of the server.
        told: by all clients.
        seed: of its choices.
    """

    def __init__(self, url: str, told: Told, seed: int) -> None:
        self._url = url
        self._told = told
        self._random = random.Random(seed)
        self._names = f"c{seed}"

    async def run(self, until: float) -> None:
        """Do one thing after another until then, or until nobody listens any more."""
        deeds = {
            self.create: 4,
            self.step: 12,
            self.step_with_key: 6,
            self.ask_for_job: 14,
            self.follow: 10,
            self.wait: 8,
            self.result: 4,
            self.cancel: 8,
            self.cancel_all_listed: 1,
            self.delete: 2,
            self.read: 6,
            self.write_otherwise: 4,
            self.hang_up: 12,
            self.hang_up_behind_another: 3,
        }
        while monotonic() < until:
            [deed] = self._random.choices(list(deeds), list(deeds.values()))
            try:
                await deed()
            except ConnectionRefusedError:
                return
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # whoever is told nothing knows nothing

    async def ask(self, method: str, path: str, document: Any = None, **headers: str) -> Answer:
        async with Wire.to(self._url) as wire:
            wire.send(method, path, document, **headers)
            return self._counted(await wire.answer(), f"{method} {path}")

    def _counted(self, answer: Answer, what: str) -> Answer:
        self._told.statuses[answer.status] = self._told.statuses.get(answer.status, 0) + 1
        if answer.status >= 500 and answer.status != 503:
            self._told.wrong.append(f"{what}: {answer.status} {answer.body[:200]!r}")
        return answer

    async def create(self) -> None:
        if len(self._told.networks) < 8:
            spec = self._random.choice([_SMALL, _LARGE]) | {"durability": self._random.choice(["full", "replay"])}
            answer = await self.ask("POST", "/v1/networks", spec)
            if answer.status == 201:
                self._told.networks.append(answer.headers["location"])

    async def step(self) -> None:
        if network := self._network():
            answer = await self.ask("POST", f"{network}/sgd-step", self._batch() | {"optimizer": _SGD})
            if answer.status == 200:
                self._told.versions.setdefault(network, []).append(answer.document["version"])

    async def step_with_key(self) -> None:
        """Once or twice, at the same time or not, as a job or not: it is one step."""
        if network := self._network():
            key, body = self._name(), self._batch() | {"optimizer": _SGD}
            preferred = self._random.choice([{}, {"prefer": "respond-async, wait=2"}])
            path = f"{network}/sgd-step"
            asked = [self.ask("POST", path, body, idempotency_key=key, **preferred) for _ in range(2)]
            if self._random.random() < 0.5:
                asked.append(self.ask("POST", path, body, idempotency_key=key))
            answers = await asyncio.gather(*asked, return_exceptions=True)
            bodies = {one.body for one in answers if isinstance(one, Answer) and one.status == 200}
            self._told.keys.setdefault((network, key), set()).update(bodies)

    async def ask_for_job(self) -> None:
        if network := self._network():
            kind = self._random.choice(["feedforward", "backprop", "sgd-step"])
            body = self._batch()
            if kind == "feedforward":
                del body["targets"]
            elif kind == "sgd-step":
                body["optimizer"] = _SGD
            wait = self._random.choice(["", ", wait=1"])
            answer = await self.ask("POST", f"{network}/{kind}", body, prefer=f"respond-async{wait}")
            if answer.status == 202:
                self._told.jobs.append(answer.headers["location"])

    async def follow(self) -> None:
        """To the end, or not; slowly, or not; from the beginning, or from where another one left."""
        if not (job := self._job()):
            return
        leaves = self._random.choice([0, 0, 1, 2])
        after = self._random.choice([0, self._told.seen.get(job, 0)])
        numbers, last = [], None
        async with Wire.to(self._url) as wire:
            wire.send("GET", f"{job}/events", last_event_id=str(after))
            status, headers = await wire.head()
            if status != 200:
                self._counted(Answer(status, headers, b""), f"GET {job}/events")
                return
            async for part in wire.parts():
                for text in part.decode().split("\n\n"):
                    event = dict(line.split(": ", 1) for line in text.split("\n") if not line.startswith(":") and line)
                    if "data" in event:
                        numbers.append(int(event["id"]))
                        self._told.seen[job] = max(self._told.seen.get(job, 0), numbers[-1])
                        last = json.loads(event["data"]).get("status")
                if leaves and len(numbers) >= leaves:
                    return
                await asyncio.sleep(self._random.choice([0, 0, 0.05]))
        if numbers != sorted(set(numbers)):
            self._told.wrong.append(f"{job}: events {numbers}")
        if last not in FINAL:
            self._told.wrong.append(f"{job}: the stream ended with {last}")

    async def wait(self) -> None:
        if job := self._job():
            begun, wait = monotonic(), self._random.choice([0, 1, 2])
            answer = await self.ask("GET", f"{job}?wait={wait}")
            took = monotonic() - begun
            if answer.status == 200 and answer.document["status"] not in FINAL and took < wait - 0.01:
                self._told.wrong.append(f"{job}: {answer.document['status']} after {took:.2f} of {wait} s")

    async def result(self) -> None:
        if job := self._job():
            await self.ask("GET", f"{job}/result")

    async def cancel(self) -> None:
        if job := self._job():
            await self._cancelled(job)

    async def cancel_all_listed(self) -> None:
        for status in ("queued", "running"):
            page = await self.ask("GET", f"/v1/jobs?limit=5&status={status}")
            for job in page.document["jobs"]:
                await self._cancelled(f"/v1/jobs/{job['id']}")

    async def _cancelled(self, job: str) -> None:
        if (await self.ask("DELETE", job)).status == 204:
            found = await self.ask("GET", job)
            if found.status == 200 and found.document["status"] not in FINAL:
                self._told.wrong.append(f"{job}: {found.document['status']} after it was cancelled")

    async def delete(self) -> None:
        if (network := self._network()) and len(self._told.networks) > 3:
            with suppress(ValueError):
                self._told.networks.remove(network)
            await self.ask("DELETE", network)

    async def read(self) -> None:
        if network := self._network():
            rest = self._random.choice(["", "/parameters", "/versions", "/checkpoints", "/parameters?version=1"])
            await self.ask("GET", network + rest)
        await self.ask("GET", self._random.choice(["/readyz", "/healthz", "/metrics", "/v1/jobs", "/v1/networks"]))

    async def write_otherwise(self) -> None:
        if not (network := self._network()):
            return
        name = self._name()
        if self._random.random() < 0.3:
            await self.ask("PATCH", network, {"name": name})
        elif (await self.ask("POST", f"{network}/checkpoints", {"name": name})).status == 201:
            if self._random.random() < 0.5:
                await self.ask("POST", f"{network}/restore", {"checkpoint": name})
            await self.ask("DELETE", f"{network}/checkpoints/{name}")

    async def hang_up(self) -> None:
        """Somewhere in the request, or before the answer, or somewhere in it."""
        if not (network := self._network()):
            return
        kind = self._random.choice(["backprop", "sgd-step", "backprop", "feedforward"])
        body = self._batch()
        body |= {"sgd-step": {"optimizer": _SGD}, "backprop": {"include": ["layers"]}}.get(kind, {})
        if kind == "feedforward":
            del body["targets"]
        preferred = self._random.choice([{}, {}, {"prefer": "respond-async, wait=2"}])
        request = written("POST", f"{network}/{kind}", body, **preferred)
        async with Wire.to(self._url) as wire:
            wire.writer.write(request[: self._random.choice([len(request), self._random.randrange(len(request))])])
            await asyncio.sleep(self._random.choice([0, 0.002, 0.02, 0.2]))
            if self._random.random() < 0.3:
                with suppress(TimeoutError):
                    await asyncio.wait_for(wire.reader.read(100), 0.1)

    async def hang_up_behind_another(self) -> None:
        """While one request is answered, others wait behind it on the connection."""
        if (network := self._network()) and (job := self._job()):
            first = self._random.choice([f"{job}/events", f"{job}?wait=2", network])
            async with Wire.to(self._url) as wire:
                for path in (first, network, job):
                    wire.send("GET", path)
                wire.send("POST", f"{network}/backprop", self._batch())
                await asyncio.sleep(self._random.choice([0, 0.02, 0.2]))

    def _batch(self) -> dict[str, Any]:
        rows = self._random.choice([1, 1, 50, 3000])
        return {"inputs": [[0.25, 0.5]] * rows, "targets": [[0.5]] * rows}

    def _network(self) -> str | None:
        return self._random.choice(self._told.networks) if self._told.networks else None

    def _job(self) -> str | None:
        return self._random.choice(self._told.jobs[-12:]) if self._told.jobs else None

    def _name(self) -> str:
        return f"{self._names}-{self._random.randrange(10**9)}"
