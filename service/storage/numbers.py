"""Reading what a version is: its numbers, or the way to them, each piece checked against its digest before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apsw

from service.errors import CorruptState
from service.storage import rows
from service.storage.base import Trail
from service.storage.encoding import Buffer, decode
from service.storage.rows import Place
from service.storage.slots import Owner
from service.storage.steps import decode_step

__all__ = ["Numbers"]

ReadSlot = Callable[[int, Owner, int], Buffer | None]
"""The bytes in a slot, or None where the owner has given it up."""


class Numbers:
    """The half of a store that reads versions.

    Args:
        read: runs a read of the rows, and says what is wrong with them.
        slot: reads a slot.
    """

    def __init__(self, read: Callable[[Callable[[apsw.Connection], Any]], Any], slot: ReadSlot) -> None:
        self._read = read
        self._slot = slot

    def trail(self, network: str, version: int | None = None) -> Trail:
        """The newest version that is kept whole up to a version, and the steps to it."""
        wrong: Sequence[Place] | None = None
        while True:
            # Between the rows and a slot a write may give the slot up: the next look finds other rows, or `Gone`.
            places = self._places(network, version)
            found = [self._bytes(network, place) for place in places]
            if None in found:
                continue
            try:
                return _trail(network, places, found)
            except CorruptState:
                if places == wrong:  # the rows held them all the time
                    raise
                wrong = places

    def _places(self, network: str, version: int | None) -> Sequence[Place]:
        try:
            places: Sequence[Place] = self._read(lambda connection: rows.trail(connection, network, version))
        except CorruptState as error:
            what = "the current version" if version is None else f"version {version}"
            raise CorruptState(f"{what} of network {network} cannot be read: {error}") from error
        return places

    def _bytes(self, network: str, place: Place) -> Buffer | None:
        if place.slot is None:
            return place.content or b""
        return self._slot(place.slot, (network, place.version), place.nbytes)


def _trail(network: str, places: Sequence[Place], found: Sequence[Any]) -> Trail:
    whole, data = places[0], found[0]
    steps = [
        decode_step(piece, place.digest, network, place.version)
        for place, piece in zip(places[1:], found[1:], strict=True)
    ]
    return Trail(whole.version, decode(data, whole.digest, network, whole.version), steps)
