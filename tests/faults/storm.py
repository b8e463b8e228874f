"""A process whose threads write to a store until it ends: `python -m tests.faults.storm FOLDER SOCKET [cached]`.

Half of the networks have their numbers in rows and half in slots, and each belongs to one thread. A line on the socket says
what was found of a network when the store was opened, after all of it had been compared, and what has been acknowledged
since: `found NUMBER VERSION`, `done NUMBER VERSION`. Nothing is ever closed in order.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

from service.errors import NotFound
from service.storage.base import NetworkRecord, NetworkState, Receipt, VersionRecord
from service.storage.sqlite import SqliteStore
from tests.contracts import stores
from tests.contracts.drawings import SPEC, same, state
from tests.faults.script import AT

NETWORKS = 12
INLINE_BYTES = 65536
KEEP_VERSIONS = 4
NEWEST = 500


def identity(number: int) -> str:
    return f"net_{number:02d}"


def numbers(number: int, version: int) -> NetworkState:
    """Told from those of every other network and version."""
    return state(version * NETWORKS + number, size=200 if number % 2 else 5000)


def receipt(number: int, version: int) -> Receipt:
    return Receipt(identity(number), f"key-{version}", "f", 200, version, {"version": version})


def found(store: SqliteStore, number: int) -> int:
    """The version of a network, whose newest ones are as they were written; -1 where there is no network."""
    network = identity(number)
    try:
        version = store.network(network).version
    except NotFound:
        return -1
    listed, newest = store.versions(network, NEWEST), list(range(version, -1, -1))[:NEWEST]
    assert [one.version for one in listed] == newest, "a version is missing"
    retained = [one.version for one in listed if one.retained]
    assert retained == newest[:KEEP_VERSIONS], retained
    for one in retained:
        assert same(store.state(network, one), numbers(number, one)), f"version {one} is not what was written"
    for one in filter(None, newest):
        assert store.receipt(network, f"key-{one}") == receipt(number, one), f"the receipt of version {one}"
    assert store.receipt(network, f"key-{version + 1}") is None
    return version


def write(store: SqliteStore, number: int, version: int, send: socket.socket) -> None:
    network = identity(number)
    while True:
        version += 1
        if version == 0:
            record = NetworkRecord(network, None, SPEC, 0, AT, AT)
            future = store.create_network(record, numbers(number, 0), VersionRecord(0, "create", AT))
        else:
            made = VersionRecord(version, "sgd-step", AT)
            kept = receipt(number, version)
            future = store.commit_version(network, version - 1, numbers(number, version), made, kept)
        future.result()
        send.sendall(f"done {number} {version}\n".encode())


def main(folder: str, address: str, cached: str = "") -> None:
    if cached:
        del os.O_DIRECT
    send = socket.socket(socket.AF_UNIX)
    send.connect(address)
    store = stores.inline(Path(folder), keep_versions=KEEP_VERSIONS, inline_bytes=INLINE_BYTES)
    versions = [found(store, number) for number in range(NETWORKS)]
    send.sendall("".join(f"found {number} {version}\n" for number, version in enumerate(versions)).encode())
    for number, version in enumerate(versions):
        threading.Thread(target=write, args=(store, number, version, send), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
