"""What the writer does with commits: journal and acknowledge them, and put them into rows when enough wait or nobody does.

Invariant: what is journaled is in rows before anything else of the writer's is, so that all writes happen in order of
arrival.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import apsw

from service.errors import StorageFull
from service.storage.committing import Committer, Write
from service.storage.faults import Stop
from service.storage.journal.applying import rows_of
from service.storage.journal.commits import Commit
from service.storage.journal.journal import Full, Journal
from service.storage.retention import Retention
from service.storage.transactions import Change

__all__ = ["Journaling"]


class Journaling:
    """In the writer's thread."""

    def __init__(self, journal: Journal, committer: Committer, stop: Stop, retention: Retention) -> None:
        self._journal = journal
        self._committer = committer
        self._stop = stop
        self._retention = retention

    @property
    def is_waiting(self) -> bool:
        """Whether anything is not in rows yet."""
        return bool(self._journal.pending.entries)

    @property
    def is_due(self) -> bool:
        """Whether so much is not that it must be."""
        return self._journal.is_due

    def keep(self, batch: Sequence[tuple[Write, Commit]]) -> None:
        """Put commits on disk, in the journal where it has room and else in rows, and tell the futures."""
        rest = deque(batch)
        while rest:
            staged, full = self._stage(rest)
            if staged and not self._write(staged):
                full = None
            if rest and not self._make_place(full):
                self._apart([write for write, _ in rest])
                return

    def settle(self) -> Exception | None:
        """Put what waits into rows; what keeps that from happening, if anything does."""
        journal = self._journal
        if not journal.pending.entries:
            return None
        failure = self._committer.settle(self._waiting())
        if failure is None:
            journal.clear()
        return failure

    def in_rows(self, writes: Sequence[Write]) -> None:
        """Put writes into rows after what waits, and tell the futures."""
        waiting = self._journal.pending.entries
        answers = self._committer.together(self._waiting(), writes) if waiting else None
        if answers is None:
            self._apart(writes)
        else:
            self._journal.clear()
            self._committer.tell(writes, answers)

    def _waiting(self) -> Sequence[Change]:
        journal = self._journal
        return journal.flush, rows_of(journal.pending.entries, self._retention), journal.mark

    def _stage(self, rest: deque[tuple[Write, Commit]]) -> tuple[list[Write], Full | None]:
        """Take commits from the front until there is no room for one; those that are part of the next frame."""
        staged: list[Write] = []
        while rest:
            write, commit = rest[0]
            try:
                self._stop.check()
                self._journal.stage(commit)
            except Full as full:
                return staged, full
            except Exception as error:  # noqa: BLE001  whatever it is, the write must hear of it
                self._committer.fail(write, self._committer.undo(error))
            else:
                staged.append(write)
            rest.popleft()
        return staged, None

    def _write(self, staged: Sequence[Write]) -> bool:
        """Put what is staged on disk; False where there was no room for it, and it was tried in rows."""
        try:
            self._journal.write()
        except Exception as error:  # noqa: BLE001  whatever it is, the writes must hear of it
            self._journal.abandon()
            outcome = self._committer.undo(error)
            if isinstance(outcome, StorageFull):
                self._apart(staged)
            else:
                for write in staged:
                    self._committer.fail(write, outcome)
            return False
        for write in staged:
            write.future.set_result(None)
        return True

    def _make_place(self, full: Full | None) -> bool:
        """Make room in the journal for the next commit; False where there is none to be had."""
        if full is None:
            return False
        if self.settle() is not None:
            return False
        try:
            return self._journal.open_window(full.pages)
        except (OSError, apsw.Error) as error:
            self._committer.undo(error)
            return False

    def _apart(self, writes: Sequence[Write]) -> None:
        failure = self.settle()
        if failure is None:
            self._committer.commit(writes)
            return
        for write in writes:
            self._committer.fail(write, failure)
