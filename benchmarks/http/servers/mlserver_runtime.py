"""MLServer with the network as a custom runtime: `mlserver start` of a folder that names this class."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.http.servers.network import feedforward

__all__ = ["Network"]


class Network(MLModel):
    """Served in the process of the server."""

    async def load(self) -> bool:
        """The parameters are loaded by the first request."""
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The outputs for the only input."""
        x = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("outputs", feedforward(x))
        return InferenceResponse(model_name=self.name, outputs=[output])
