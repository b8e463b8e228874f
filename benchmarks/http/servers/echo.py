"""The floor: reads the body, keeps nothing of it, and answers as many bytes as the path says.

python -m benchmarks.http.servers.echo PORT
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

_HEAD = "http.response.start"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """POST /{bytes of the answer}."""
    length = int(scope["path"][1:])
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % length)]
    await send({"type": _HEAD, "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answers.setdefault(length, bytes(length))})


answers: dict[int, bytes] = {}

if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=3600,
    )
