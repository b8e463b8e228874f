"""One byte of the files is another one: nothing wrong is ever served, and a start, a read or the doctor says so.

The doctor's own tests flip bits too; here a store is opened on the damage and asked for everything that it holds. What
is left out is the last commit of the log of a crashed process, which cannot be told from one that was not finished.
"""

from __future__ import annotations

import random
import shutil
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from service.errors import CorruptState, StorageUnavailable
from service.storage.connections import open_reader
from service.storage.doctor import examine
from service.storage.journal.arena import is_cell, place_of
from tests.contracts import stores
from tests.faults.script import KEEP_VERSIONS, SCRIPT, SIZES, Model, Player, view

pytestmark = pytest.mark.slow

PAGE = 4096
FRAME = 24 + PAGE
EVERYTHING = Model(SCRIPT)


@pytest.fixture
def left(place: Path, name: str, crashed: bool) -> Path:
    """What is on disk after the script, the second half of it in the log where the store was not closed in order."""
    folder, copy, half = place / "written", place / "left", len(SCRIPT) // 2
    for begun, steps in ((0, SCRIPT[:half]), (half, SCRIPT[half:])):
        store = getattr(stores, name)(folder, keep_versions=KEEP_VERSIONS)
        player = Player(store, Model(SCRIPT[:begun]))
        for step in steps:
            player.play(step)
        if crashed and begun:
            shutil.copytree(folder, copy)
        store.close()
    return copy if crashed else folder


def places(folder: Path) -> dict[str, Sequence[int]]:
    """Each file, and the bytes of it that say something."""
    database, log = folder / "gradwire.db", folder / "gradwire.db-wal"
    found: dict[str, Sequence[int]] = {}
    newer: set[int] = set()
    if log.exists():
        data = log.read_bytes()
        frames = [(at, *struct.unpack(">2I", data[at : at + 8])) for at in range(32, len(data), FRAME)]
        newer = {page for _, page, _ in frames}
        found[log.name] = range([at for at, _, commit in frames if commit][-2] + FRAME)
    pages = [page for page in range(database.stat().st_size // PAGE) if page + 1 not in newer]
    found[database.name] = [at for page in pages for at in range(page * PAGE, (page + 1) * PAGE)]
    connection = open_reader(database)
    cells: list[int] = []
    for slot, nbytes in connection.execute("SELECT slot, nbytes FROM snapshots WHERE slot IS NOT NULL"):
        if is_cell(slot):
            begin = (1 + place_of(slot)[0]) * PAGE
            cells += range(begin, begin + nbytes)
        else:
            found[f"slots/{slot:08d}.slot"] = range(nbytes)
    connection.close()
    if cells:
        found["journal"] = cells
    return found


def detected(name: str, folder: Path) -> Iterator[str]:
    """Who finds something wrong; what is read without complaint is right."""
    try:
        if examine(folder).faults:
            yield "doctor"
    except StorageUnavailable:
        yield "doctor"
    try:
        store = getattr(stores, name)(folder, keep_versions=KEEP_VERSIONS)
    except StorageUnavailable:
        yield "start"
        return
    try:
        for network in SIZES:
            try:
                found = view(store, network)
            except (CorruptState, StorageUnavailable):
                yield "read"
            else:
                assert found == EVERYTHING.view(network)
    finally:
        store.close()


@pytest.mark.parametrize("crashed", [False, True], ids=["closed", "crashed"])
@pytest.mark.parametrize("name", ["inline", "slots", "replay"])
def test_a_byte_that_is_another_is_found(left: Path, place: Path, name: str, crashed: bool, full: bool) -> None:
    drawn, files, copy = random.Random(3), list(places(left).items()), place / "copy"
    shutil.copytree(left, copy)
    assert not any(detected(name, copy))
    who: Counter[str] = Counter()
    for number in range(1000 if full else 100):
        shutil.rmtree(copy)
        shutil.copytree(left, copy)
        file, within = files[number % len(files)]
        at, data = drawn.choice(within), bytearray((copy / file).read_bytes())
        data[at] ^= drawn.randrange(1, 256)
        (copy / file).write_bytes(data)
        finders = set(detected(name, copy))
        assert finders, f"byte {at} of {file}"
        who.update(finders)
    print(f"{name}, {'crashed' if crashed else 'closed'}: {number + 1} bytes, found by {dict(who)}")
