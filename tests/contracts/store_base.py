"""How a test of the store contract opens its store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.storage.base import Store
from tests.contracts import stores


class StoreBase:
    """The contract's parts share this: subclasses name the store (a function of `tests.contracts.stores`)."""

    name: str

    def open(self, folder: Path, **limits: Any) -> Store:
        store: Store = getattr(stores, self.name)(folder, **limits)
        return store

    @pytest.fixture
    def store(self, tmp_path: Path):
        store = self.open(tmp_path)
        yield store
        store.close()
