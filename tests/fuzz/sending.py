"""How a life's requests are sent: with keys that are new, conditions that hold or do not, and several at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from tests.fuzz.life import Life, encoded

CONDITIONS = {
    None: None,
    "current": '"{0}"',
    "any": "*",
    "list": '"77{0}", "{0}"',
    "stale": '"{1}"',
    "weak": 'W/"{0}"',
    "ahead": '"{2}"',
}
"""`If-Match` by what it is, with places for the version, the one before and the one after."""


@dataclass
class Sent:
    """A request with a key, and the first answer to it."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]
    answer: httpx.Response


class Sending:
    """The network that lives now, and what was sent with a key in its life and those before."""

    client: httpx.Client
    _serial = count()

    def __init__(self) -> None:
        super().__init__()
        self.life: Life | None = None
        self.sent: list[Sent] = []

    def write(
        self, method: str, part: str, document: Any, keyed: bool, condition: str | None, binary: bool
    ) -> httpx.Response | None:
        """The answer to a write to the network, or None where its condition is not met and it was refused."""
        assert self.life
        version = self.life.version
        tag = CONDITIONS[condition]
        tag = tag and tag.format(version, version - 1, version + 1)
        answer = self.send(method, self.life.path + part, document, keyed=keyed, tag=tag, binary=binary)
        if condition not in ("stale", "weak", "ahead"):
            return answer
        assert (answer.status_code, answer.headers["etag"]) == (412, f'"{version}"')
        return None

    def send(
        self, method: str, path: str, document: Any, *, keyed: bool, tag: str | None = None, binary: bool = False
    ) -> httpx.Response:
        body, headers = (b"", {}) if document is None else encoded(document, binary)
        if tag is not None:
            headers["if-match"] = tag
        if keyed:
            headers["idempotency-key"] = self.new_key()
        answer = self.client.request(method, path, content=body, headers=headers)
        if keyed and answer.is_success:
            self.sent.append(Sent(method, path, body, headers, answer))
        return answer

    def at_once(self, path: str, body: bytes, headers: dict[str, str]) -> list[httpx.Response]:
        with ThreadPoolExecutor(3) as threads:
            sent = [threads.submit(self.client.post, path, content=body, headers=headers) for _ in range(3)]
            return [each.result() for each in sent]

    def new_key(self) -> str:
        return f"key-{next(self._serial)}"
