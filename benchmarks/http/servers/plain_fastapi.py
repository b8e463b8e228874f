"""What one writes first: FastAPI, pydantic, lists of floats.

python -m benchmarks.http.servers.plain_fastapi PORT
"""

from __future__ import annotations

import sys

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.http.servers.network import feedforward


class Batch(BaseModel):
    """A request."""

    inputs: list[list[float]]


class Outputs(BaseModel):
    """An answer."""

    outputs: list[list[float]]


app = FastAPI()


@app.post("/feedforward")
async def answer(batch: Batch) -> Outputs:
    """On the event loop: a thread would cost more than the computation."""
    return Outputs(outputs=feedforward(np.asarray(batch.inputs, np.float32)).tolist())


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=3600,
    )
