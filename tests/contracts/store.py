"""The contract of a store: a store is finished when it passes `StoreContract`."""

from __future__ import annotations

from tests.contracts.store_checkpoints import Checkpoints
from tests.contracts.store_lasts import Lasts
from tests.contracts.store_reads import Reads
from tests.contracts.store_steps import Steps
from tests.contracts.store_writes import Writes


class StoreContract(Writes, Reads, Checkpoints, Steps, Lasts):
    """Subclass it and name the store (a function of `tests.contracts.stores`)."""
