"""LitServe with the network, as its quick start says.

python -m benchmarks.http.servers.lit PORT
"""

from __future__ import annotations

import sys
from typing import Any

import litserve
import numpy as np

from benchmarks.http.servers.network import feedforward


class Network(litserve.LitAPI):
    """One worker, one request at a time."""

    def setup(self, device: str) -> None:
        """The parameters are loaded by the first request."""

    def decode_request(self, request):
        """Lists to an array."""
        return np.asarray(request["inputs"], np.float32)

    def predict(self, x: Any) -> Any:
        """The outputs."""
        return feedforward(x)

    def encode_response(self, output: Any) -> dict[str, Any]:
        """An array to lists."""
        return {"outputs": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Network(), accelerator="cpu", timeout=False)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        generate_client_file=False,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=3600,
    )
