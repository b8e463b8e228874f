"""Where bytes can be besides rows: slot files, and cells in the journal; a number tells which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from service.errors import CorruptState
from service.storage.journal.arena import is_cell
from service.storage.journal.journal import Journal
from service.storage.slots import Owner, Slots

__all__ = ["Places"]


class Places(Slots):
    """Slot files, and the cells of a journal among them."""

    def __init__(self, folder: Path, committed: Mapping[int, Owner], spare_bytes: int, journal: Journal) -> None:
        super().__init__(folder, committed, spare_bytes)
        self._journal = journal

    def read(self, number: int, owner: Owner, nbytes: int) -> memoryview | None:
        """The bytes, those of a cell copied out of it. What has been given up since may be in their place."""
        if is_cell(number):
            try:
                return memoryview(self._journal.read(number, nbytes))
            except OSError as error:
                what = f"version {owner[1]} of network {owner[0]}"
                raise CorruptState(f"the numbers of {what} cannot be read: {error}") from error
        return super().read(number, owner, nbytes)

    def release(self, numbers: Iterable[int]) -> None:
        """No committed row holds these any more. Cells are the writer's to release."""
        numbers = list(numbers)
        cells = [number for number in numbers if is_cell(number)]
        if cells:
            self._journal.give(cells)
        super().release(number for number in numbers if not is_cell(number))

    def drop_spares(self) -> None:
        """Give all that is free back to the disk."""
        super().drop_spares()
        self._journal.cut()
