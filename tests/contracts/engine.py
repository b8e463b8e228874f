"""The contract of an engine: an engine is finished when it passes `EngineContract`."""

from __future__ import annotations

from tests.contracts.engine_checkpoints import Checkpoints
from tests.contracts.engine_keys import Keys
from tests.contracts.engine_turns import Turns
from tests.contracts.engine_versions import Versions


class EngineContract(Versions, Keys, Turns, Checkpoints):
    """Subclass it and say how an engine is opened on a folder."""
