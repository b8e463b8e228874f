"""The embedded store keeps the contract with states in rows and in slot files."""

from __future__ import annotations

from tests.contracts.store import StoreContract


class TestStatesInRows(StoreContract):
    name = "inline"


class TestStatesInSlots(StoreContract):
    name = "slots"
