"""A process that writes versions of one network until it is killed: `python writing.py STORE FOLDER`.

A line is printed when, and only when, a version has been acknowledged.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.contracts import stores
from tests.contracts.drawings import commit, create


def main(name: str, folder: str, last: str = "1000000") -> None:
    store = getattr(stores, name)(Path(folder))
    network = create(store)
    print(network, flush=True)
    for version in range(1, int(last) + 1):
        commit(store, network, version, key=f"key-{version}")
        print(version, flush=True)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
