"""Requests at a steady rate, whatever becomes of the ones before, each on a connection of its own.

It runs on the processors of the server that it overloads, so that it is as light as it can be.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.http.client import Request

__all__ = ["Flood"]


@dataclass
class Flood:
    """What became of the requests to one port.

    Args:
        port: of the server.
        request: sent again and again; it asks for the connection to be closed after its answer.
    """

    port: int
    request: Request
    seconds: list[float] = field(default_factory=list)
    """Of each request that was admitted."""
    statuses: Counter[int] = field(default_factory=Counter)
    retry_after: set[str] = field(default_factory=set)
    """What those that were refused were told."""

    def in_turn(self, clients: int, each: int) -> float:
        """So many clients, each of which waits for its answer; how many a second were answered."""
        begun = time.perf_counter()
        asyncio.run(self._in_turn(clients, each))
        return clients * each / (time.perf_counter() - begun)

    def at(self, rate: float, seconds: float) -> None:
        """So many a second, for so long."""
        asyncio.run(self._at(rate, seconds))

    async def _in_turn(self, clients: int, each: int) -> None:
        async def client() -> None:
            for _ in range(each):
                await self._ask()

        await asyncio.gather(*(client() for _ in range(clients)))

    async def _at(self, rate: float, seconds: float) -> None:
        begun, number, tasks = time.perf_counter(), 0, []
        while time.perf_counter() - begun < seconds:
            tasks.append(asyncio.create_task(self._ask()))
            number += 1
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        await asyncio.gather(*tasks)

    async def _ask(self) -> None:
        begun = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self.request.head + self.request.body)
        answer = await reader.read()
        took = time.perf_counter() - begun
        writer.close()
        await writer.wait_closed()
        status = int(answer[9:12])
        self.statuses[status] += 1
        if status == 200:
            self.seconds.append(took)
        else:
            head = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
            self.retry_after |= {line[13:].decode() for line in head if line.startswith(b"retry-after: ")}
