"""Coverage-guided fuzzing of all that reads a request's bytes: python -m tests.fuzz.coverage_guided CORPUS [libFuzzer's options]

CORPUS is a folder of inputs, which grows; it is filled from the corpus of bad inputs where it is missing. An input is a
byte that says which request and media type, and a body. It ends at the first body that is neither read nor refused as
`tests.fuzz.codecs` asks for, which it leaves beside it (`crash-...`); `-max_total_time=600` ends it after ten minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["service.codecs", "service.schemas", "service.problems"]):
    from service.codecs.media import JSON, SAFETENSORS
    from tests.fuzz.codecs import KINDS, judge

from tests.service.codecs import bad_inputs

_MEDIA = (JSON, SAFETENSORS)
_WAYS = len(KINDS) * len(_MEDIA)


def one(data: bytes) -> None:
    """Judge one input."""
    if data:
        way, media = divmod(data[0] % _WAYS, len(_MEDIA))
        judge(KINDS[way], data[1:], _MEDIA[media], "float32")


def fill(folder: Path) -> None:
    """Write the corpus of bad inputs, those that are not too large to be changed often, and some that are right."""
    folder.mkdir(parents=True)
    right = [b'{"inputs":[[0,1],[1,1]],"targets":[[1],[0]],"optimizer":{"kind":"adam"}}' + b" " * 500]
    for number, body in enumerate(right):
        (folder / f"right-{number}").write_bytes(bytes([KINDS.index("sgd-step") * len(_MEDIA)]) + body)
    for number, case in enumerate(bad_inputs.load()):
        if len(case.body) < 4096:
            media = int(case.headers.get("content-type") == SAFETENSORS)
            (folder / f"bad-{number}").write_bytes(bytes([KINDS.index(case.to) * len(_MEDIA) + media]) + case.body)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    if not place.exists():
        fill(place)
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
