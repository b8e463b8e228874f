"""Free pages in a file, in runs: free neighbors are one run, and the longest are taken first."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest
from operator import itemgetter

__all__ = ["Extents"]


class Extents:
    """The runs of pages up to `end` that are not in use.

    Raises:
        ValueError: two of the runs in use overlap, or one reaches beyond the end.
    """

    def __init__(self, used: Iterable[tuple[int, int]], end: int) -> None:
        self._lengths: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self.end = end
        at = 0
        for start, length in sorted(used):
            if start < at:
                raise ValueError(f"pages {start} to {start + length} are in use twice")
            self._add(at, start - at)
            at = start + length
        if at > end:
            raise ValueError(f"page {at - 1} is in use, and there are {end}")
        self._add(at, end - at)

    @property
    def free(self) -> int:
        """Free pages together."""
        return sum(self._lengths.values())

    @property
    def longest(self) -> int:
        """Free pages in a row."""
        return max(self._lengths.values(), default=0)

    def take(self, pages: int, runs: int) -> list[tuple[int, int]]:
        """Runs of free pages, each as its start and its length, which are no longer free: so many of either at most."""
        taken: list[tuple[int, int]] = []
        for start, length in nlargest(runs, self._lengths.items(), key=itemgetter(1)):
            if pages <= 0:
                break
            self._remove(start)
            self._add(start + pages, max(0, length - pages))
            taken.append((start, min(length, pages)))
            pages -= length
        return taken

    def give(self, start: int, length: int) -> None:
        """These pages are free from now on."""
        end = start + length
        if end in self._lengths:
            end += self._remove(end)
        before = self._starts.get(start)
        if before is not None:
            self._remove(before)
            start = before
        self._add(start, end - start)

    def grow(self, length: int) -> None:
        """So many pages more at the end."""
        self.end += length
        self.give(self.end - length, length)

    def cut(self) -> int:
        """Leave out the free pages at the end; how many they were."""
        last = self._starts.get(self.end)
        length = 0 if last is None else self._remove(last)
        self.end -= length
        return length

    def _add(self, start: int, length: int) -> None:
        if length:
            self._lengths[start] = length
            self._starts[start + length] = start

    def _remove(self, start: int) -> int:
        length = self._lengths.pop(start)
        del self._starts[start + length]
        return length
