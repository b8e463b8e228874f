"""Where the bytes of a write go: small ones with it into the journal or its row, large ones into a slot before that.

A crash between a slot and its row leaves a free slot and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from service.errors import StorageUnavailable
from service.storage.encoding import Encoded
from service.storage.faults import Stop, meaning
from service.storage.journal.commits import Commit
from service.storage.slots import Owner, Slots
from service.storage.transactions import Change, Kept
from service.storage.writer import Write, Writer

__all__ = ["Keeper"]


class Keeper:
    """Hands writes that bring bytes to the writer.

    Args:
        inline_bytes: up to so many go into the row.
    """

    def __init__(self, writer: Writer, slots: Slots, stop: Stop, inline_bytes: int) -> None:
        self._writer = writer
        self._slots = slots
        self._stop = stop
        self._inline_bytes = inline_bytes
        self._threads = ThreadPoolExecutor(2, "gradwire-slots")

    def keep(
        self,
        change: Callable[[Callable[[], Kept]], Change],
        nbytes: int,
        encode: Callable[[], Encoded],
        owner: Owner,
        commit: Commit | None = None,
    ) -> Future[None]:
        """Write `change` with the bytes that `encode` gives, about `nbytes` of them, which are the owner's.

        With `commit`, which says the same, the journal may take it where the bytes are few enough.
        """
        if nbytes <= self._inline_bytes:
            return self._writer.submit(Write(change(lambda: Kept(encode())), commit=commit))
        future: Future[None] = Future()
        try:
            self._threads.submit(self._keep_in_slot, change, encode, owner, future)
        except RuntimeError:
            future.set_exception(StorageUnavailable("the store is closed"))
        return future

    def close(self) -> None:
        """Wait for the slots that are being written."""
        self._threads.shutdown()

    def _keep_in_slot(
        self,
        change: Callable[[Callable[[], Kept]], Change],
        encode: Callable[[], Encoded],
        owner: Owner,
        future: Future[None],
    ) -> None:
        try:
            self._stop.check()
            encoded = encode()
            kept = Kept(encoded, self._slots.write(encoded, owner))
        except Exception as error:  # noqa: BLE001  whatever it is, the future must say it
            outcome: Exception | None = meaning(error) if isinstance(error, OSError) else error
            failure = outcome or self._stop(f"{error} while writing a slot")
            if future.set_running_or_notify_cancel():
                future.set_exception(failure)
        else:
            self._writer.submit(Write(change(lambda: kept), kept.slot, future))
