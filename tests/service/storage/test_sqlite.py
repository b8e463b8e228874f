"""The embedded store keeps the contract with states in rows and in slot files, and with versions as steps."""

from __future__ import annotations

from tests.contracts.store import StoreContract
from tests.contracts.store_checkpoints import Checkpoints
from tests.contracts.store_lasts import Lasts
from tests.contracts.store_reads import Reads
from tests.contracts.store_writes import Writes


class TestStatesInRows(StoreContract):
    name = "inline"


class TestStatesInSlots(StoreContract):
    name = "slots"


class TestVersionsAsSteps(Writes, Reads, Checkpoints, Lasts):
    """All but what the bytes on disk are: what steps start from stays there with them, and `Steps` says for how long."""

    name = "replay"
    test_old_numbers_go_and_their_history_stays = None
    test_retention_counts_bytes = None
    test_a_version_goes_with_its_last_name = None
