"""Makes the store that the newest release is remembered by: `python -m tests.service.storage.released.making FOLDER`.

Run it once for each form of the tables, with the last code that writes that form, and commit the folder. The numbers
are those of `tests.contracts.drawings`, so that any later code can tell what it must find.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from service.storage.base import NetworkRecord, VersionRecord
from service.storage.retention import Retention
from service.storage.sqlite import SqliteStore
from tests.contracts.drawings import SPEC, commit, receipt, state, take

ROWS, SLOTS, KILLED, DELETED = "net_rows", "net_slots", "net_killed", "net_deleted"
STEPS, STEPS_SINCE = "net_steps", 6
"""A network with versions that are kept as steps, and the form of the tables that first could have one."""
AT = "2026-01-02T03:04:05.678901Z"


def made(store: SqliteStore, network: str) -> None:
    record = NetworkRecord(network, f"{network} ❄", SPEC, 0, AT, AT)
    store.create_network(
        record, state(0), VersionRecord(0, "create", AT), receipt("networks", f"made-{network}", 0)
    ).result(30)


def main(folder: str) -> None:
    """Networks in rows and in slots, one with steps, one deleted, and one that a killed process left in its log."""
    limits: dict[str, Any] = {"retention": Retention(versions=3), "spare_bytes": 0}
    store = SqliteStore(Path(folder), **limits)
    for network in (ROWS, DELETED):
        made(store, network)
    for version in range(1, 7):
        commit(store, ROWS, version, key=f"key-{version}")
    store.delete_network(DELETED).result(30)
    made(store, STEPS)
    for version in (1, 2, 4):
        if version == 4:
            commit(store, STEPS, 3, key="key-3")
        take(store, STEPS, version, key=f"key-{version}")
    store.close()
    store = SqliteStore(Path(folder), inline_bytes=0, **limits)
    made(store, SLOTS)
    for version in range(1, 3):
        commit(store, SLOTS, version, key=f"key-{version}", optimizer=False)
    store.close()
    store = SqliteStore(Path(folder), **limits)
    made(store, KILLED)
    commit(store, KILLED, 1, key="key-1")
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
