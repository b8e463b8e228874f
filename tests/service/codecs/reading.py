"""A request read the way the service reads it, up to the point where the network is asked."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request

from service.codecs.arrays import cast, cast_layers
from service.codecs.body import read_body
from service.codecs.documents import parse
from service.codecs.media import content_type, negotiate
from service.schemas.computing import Backprop, Feedforward, SgdStep
from service.schemas.networks import CreateNetwork, RenameNetwork
from service.schemas.parameters import PutParameters
from service.schemas.validation import validate

MODELS: dict[str, type[BaseModel]] = {
    "create": CreateNetwork,
    "rename": RenameNetwork,
    "put-parameters": PutParameters,
    "feedforward": Feedforward,
    "backprop": Backprop,
    "sgd-step": SgdStep,
}

LIMIT = 2**20
"""Bytes in a body; the corpus is made for it."""


def request(body: bytes, headers: dict[str, str], chunks: int = 1) -> Request:
    """A request whose body comes in `chunks` pieces, without a Content-Length of its own."""
    size = -(-len(body) // chunks) or 1
    pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    return Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": raw}, receive)


def read(to: str, body: bytes, headers: dict[str, str], dtype: str = "float32") -> BaseModel:
    """The validated request; raises what the service would answer."""
    media = content_type(headers.get("content-type"))
    negotiate(headers.get("accept"), media)
    document = parse(asyncio.run(read_body(request(body, headers), LIMIT)), media)
    model = validate(MODELS[to], document)
    for name in ("inputs", "targets"):
        if to not in ("create", "rename", "put-parameters") and hasattr(model, name):
            cast(getattr(model, name), dtype, f"/{name}")
    for name in ("layers", "parameters"):
        layers = getattr(model, name, None)
        if layers and hasattr(layers[0], "weights"):
            cast_layers([(layer.weights, layer.biases) for layer in layers], dtype, f"/{name}")
    return model
