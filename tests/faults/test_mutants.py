"""The fault harnesses notice what they are for: a store or a service with one of these mistakes does not pass them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.machine import needs_power_loss, needs_strace
from tests.mutants import Mutant, copied, outcome, plant

pytestmark = [needs_strace, needs_power_loss, pytest.mark.slow]

CALLS = "tests/faults/test_calls.py"
RACES = "tests/faults/test_races.py"
JOURNAL = "tests/service/storage/journal/test_recovery.py"


@dataclass(frozen=True)
class Planted:
    """Mistakes, all of them at once, and the harness (a file, and what is selected within it) that finds them."""

    mutants: tuple[Mutant, ...]
    file: str
    within: str


KILLED = "test_killed_before_any_call and inline-writer"
KILLED_AT_THE_END = "test_killed_before_any_call and inline-main"
UNPOWERED = "test_killed_and_without_power and inline-writer"
UNPOWERED_SLOTS = "test_killed_and_without_power and slots-slots"

MUTANTS = {
    "no key table": Planted(
        (
            Mutant(
                "engine/guards.py",
                "return Receipt(scope, guard.key, guard.fingerprint, applied.status, applied.version, applied.body)",
                "return None",
            ),
        ),
        RACES,
        "test_a_key_is_applied_once",
    ),
    "no version check": Planted(
        (Mutant("storage/transactions.py", "if expected not in {None, version}:", "if expected == -1:"),),
        RACES,
        "one_winner_in_the_store and inline",
    ),
    "answer before commit": Planted(
        (
            Mutant(
                "storage/committing.py",
                '        self._connection.execute("COMMIT")\n        if is_changed:\n',
                "        for write, answer in zip(batch, settled, strict=True):\n"
                "            if not isinstance(answer, ServiceError):\n"
                "                write.future.set_result(None)\n"
                '        self._connection.execute("COMMIT")\n        if is_changed:\n',
            ),
            Mutant(
                "storage/committing.py",
                "self._slots.release(answer)\n                write.future.set_result(None)\n",
                "self._slots.release(answer)\n",
            ),
        ),
        CALLS,
        KILLED,
    ),
    "no file fsync": Planted(
        (Mutant("storage/slots.py", "os.fdatasync(descriptor)\n", "pass\n"),), CALLS, UNPOWERED_SLOTS
    ),
    "fsync off": Planted(
        (Mutant("storage/connections.py", '"synchronous", "full"', '"synchronous", "off"'),), CALLS, UNPOWERED
    ),
    "a live slot reused": Planted(
        (
            Mutant(
                "storage/slots.py", "for number, slot in self._free()\n ", "for number, slot in self._slots.items()\n "
            ),
        ),
        CALLS,
        "test_killed_before_any_call and slots-slots",
    ),
    "no directory fsync": Planted(
        (
            Mutant(
                "storage/slots.py",
                "            os.close(descriptor)\n        sync_folder(self._folder)\n",
                "            os.close(descriptor)\n",
            ),
        ),
        "tests/service/storage/test_device.py",
        "test_a_slot_is_on_disk_before_its_row",
    ),
    "a log that is shown before it is synced": Planted(
        (Mutant("storage/sqlite.py", 'wal.settle(folder / "gradwire.db-wal")', "pass"),),
        CALLS,
        "test_what_the_next_process_shows and inline",
    ),
    "a journal that is not synced": Planted(
        (
            Mutant(
                "storage/journal/file.py",
                'Raises `SyncError`."""\n        _sync(self._descriptor)\n',
                'Raises `SyncError`."""\n',
            ),
        ),
        CALLS,
        UNPOWERED,
    ),
    "answer before the journal": Planted(
        (
            Mutant(
                "storage/journal/writing.py",
                "            self._journal.write()\n",
                "            for write in staged:\n"
                "                write.future.set_result(None)\n"
                "            self._journal.write()\n",
            ),
            Mutant(
                "storage/journal/writing.py",
                "            return False\n        for write in staged:\n            write.future.set_result(None)\n",
                "            return False\n",
            ),
        ),
        CALLS,
        KILLED,
    ),
    "seen before it is on disk": Planted(
        (
            Mutant(
                "engine/live.py",
                "live.ahead.append(landing)",
                "live.ahead.append(landing); self.publish(live, snapshot)",
            ),
        ),
        "tests/service/engine/test_ahead.py",
        "nothing_is_told",
    ),
    "rows that do not say which frames they are of": Planted(
        (Mutant("storage/journal/writing.py", "self._retention), journal.mark\n", "self._retention),\n"),),
        CALLS,
        KILLED_AT_THE_END,
    ),
    "a live cell reused": Planted(
        (Mutant("storage/sqlite.py", "self._connection, used, file, left", "self._connection, (), file, left"),),
        CALLS,
        KILLED,
    ),
    "frames under the epoch of older rows": Planted(
        (Mutant("storage/committing.py", "self._connection.total_changes() != before", "False"),),
        "tests/service/storage/journal/test_journal.py",
        "test_an_older_look",
    ),
    "frames in a window that no row names": Planted(
        (Mutant("storage/journal/journal.py", "self._room.arena.close_window()  # the rows", "pass  # the rows"),),
        JOURNAL,
        "test_what_follows_a_write_without_room",
    ),
    "frames behind half a frame": Planted(
        (
            Mutant(
                "storage/journal/journal.py",
                "            self._room.arena.give([(start, own + self._pages)])\n"
                "            self._room.arena.close_window()\n",
                "",
            ),
        ),
        JOURNAL,
        "test_what_follows_a_write_without_room",
    ),
    "a journal that is shown before it is synced": Planted(
        (
            Mutant("storage/journal/file.py", 'getattr(os, "O_DIRECT", None)', "None"),  # in memory, until it is synced
            Mutant(
                "storage/journal/recovery.py",
                "                file.write(start, [file.read(start, length * frames.PAGE)])\n            file.sync()\n",
                "                pass\n",
            ),
        ),
        CALLS,
        "test_what_the_next_process_shows and inline",
    ),
    "rows before what they name": Planted(
        (Mutant("storage/journal/journal.py", "if not self._is_synced and self._room is not None:", "if False:"),),
        "tests/faults/test_unsynced.py",
        "test_a_loss_of_power",
    ),
    "a frame that counts without its cells": Planted(
        (
            Mutant(
                "storage/journal/recovery.py", "if not all(_is_whole(file, entry) for entry in entries):", "if False:"
            ),
        ),
        JOURNAL,
        "test_the_last_frame_is_whole",
    ),
    "a writer that goes on without a disk": Planted(
        (Mutant("storage/committing.py", " or isinstance(error, apsw.CorruptError)", ""),),
        "tests/faults/test_gone.py",
        "must",
    ),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copied(tmp_path, "service", "tests/faults", "core", "tests/contracts", "tests/end_to_end", "tests/service")


def test_the_copy_passes_as_it_is(copy: Path, full: bool) -> None:
    every = list(MUTANTS.values()) if full else [MUTANTS["answer before commit"], MUTANTS["no directory fsync"]]
    within = " or ".join(f"({planted.within})" for planted in every)
    run = outcome(copy, *{planted.file for planted in every}, "-k", within)
    assert run.returncode == 0, run.stdout
    assert "1 passed" in outcome(copy, "tests/faults/test_probe.py").stdout


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_mistake_is_noticed(copy: Path, name: str) -> None:
    planted = MUTANTS[name]
    for mutant in planted.mutants:
        plant(copy / "service", mutant)
    run = outcome(copy, planted.file, "-x", "--tb", "short", "-k", planted.within)
    assert run.returncode == 1, run.stdout
    assert re.search("AssertionError|Broken", run.stdout), "a mistake is to be seen by what is lost, not by a crash"
    print(name, *re.findall(r"^FAILED (\S+)", run.stdout, re.MULTILINE), sep=": ")
