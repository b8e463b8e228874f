"""The writer hears of all that is submitted, also at its end."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from service.storage.sqlite import SqliteStore


def test_what_is_submitted_while_the_store_is_closed_is_told_how_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    putting, go = threading.Event(), threading.Event()

    class Held(SimpleQueue[Any]):
        """Whoever submits is interrupted before it puts."""

        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            if item is not None:
                putting.set()
                assert go.wait(10)
            super().put(item, block, timeout)

    monkeypatch.setattr("service.storage.writer.SimpleQueue", Held)
    store, futures = SqliteStore(tmp_path), []
    submitting = threading.Thread(target=lambda: futures.append(store.probe()))
    submitting.start()
    assert putting.wait(10)
    closing = threading.Thread(target=store.close)
    closing.start()
    closing.join(0.2)
    go.set()
    for thread in (submitting, closing):
        thread.join(10)
    assert futures[0].exception(5) is None
