"""The corpus of bad inputs (bad_inputs.toml), read: each case with its body in bytes and its headers."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

JSON = "application/json"
SAFETENSORS = "application/vnd.safetensors"
CORPUS = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class BadInput:
    name: str
    to: str
    problem: str
    pointer: str | None
    body: bytes = field(repr=False)
    headers: dict[str, str]


def load() -> list[BadInput]:
    """Every case of the corpus; their names are different."""
    return [_read(case) for case in tomllib.loads(CORPUS.read_text(encoding="utf-8"))["case"]]


def safetensors(header: str, data: bytes, length: int | str | None = None) -> bytes:
    """A safetensors body with a header as it is written here, however wrong."""
    text = header.encode("utf-8")
    size = (
        bytes.fromhex(length)
        if isinstance(length, str)
        else (len(text) if length is None else length).to_bytes(8, "little")
    )
    return size + text + data


def _read(case: dict[str, Any]) -> BadInput:
    binary = any(key in case for key in ("header", "header_parts", "tensors"))
    headers = {"content-type": SAFETENSORS if binary else JSON}
    for name in ("content_type", "content_encoding", "accept"):
        if name in case:
            headers[name.replace("_", "-")] = case[name]
    headers = {name: value for name, value in headers.items() if value}
    return BadInput(case["name"], case["to"], case["problem"], case.get("pointer"), _body(case), headers)


def _body(case: dict[str, Any]) -> bytes:
    if "json" in case:
        return case["json"].encode("utf-8")
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    if "parts" in case:
        return _joined(case["parts"]).encode("utf-8")
    if "tensors" in case:
        empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
        return safetensors(json.dumps({f"t{n}": empty for n in range(case["tensors"])}), b"")
    header = case["header"] if "header" in case else _joined(case["header_parts"])
    return safetensors(header, bytes.fromhex(case["data"]), case.get("length"))


def _joined(parts: list[list[Any]]) -> str:
    return "".join(piece * times for piece, times in parts)
