"""What was computed once and is kept while there is room: the least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from segdex.forks import ForkLock

T = TypeVar("T")


OVERHEAD = 512
"""Bytes that an entry takes beside its value, about."""


class Remembered(Generic[T]):
    """Values by text, within a number of bytes. Safe from many threads; finding what is there takes no lock.

    Args:
        most_bytes: how much may be kept in all; a value larger than this is computed anew each time.
        size_of: the bytes of one value.
    """

    def __init__(self, most_bytes: int, size_of: Callable[[T], int]) -> None:
        self._most = most_bytes
        self._size_of = size_of
        self._held: OrderedDict[str, _Entry[T]] = OrderedDict()
        self._bytes = 0
        self._lock = ForkLock()

    def get(self, text: str, compute: Callable[[], T]) -> T:
        """The value of *text*; computed outside the lock, so that two threads may both do it, with one answer."""
        entry = self._held.get(text)
        if entry is not None:
            entry.used = True
            return entry.value
        value = compute()
        made = _Entry(value, self._size_of(value) + len(text) + OVERHEAD)
        with self._lock:
            if text not in self._held and made.size <= self._most:
                self._held[text] = made
                self._bytes += made.size
            while self._bytes > self._most:
                self._drop_one()
        return value

    @property
    def held(self) -> tuple[int, int]:
        """How many values are kept, and their bytes."""
        return len(self._held), self._bytes

    def peek(self, text: str) -> T | None:
        """The value of *text*, if it is there."""
        entry = self._held.get(text)
        return None if entry is None else entry.value

    def _drop_one(self) -> None:
        """Drop the oldest value that was not used since it was last looked at: a second chance for the others."""
        for text in list(self._held):
            entry = self._held[text]
            if not entry.used or len(self._held) == 1:
                del self._held[text]
                self._bytes -= entry.size
                return
            entry.used = False
            self._held.move_to_end(text)


class _Entry(Generic[T]):
    """A value with its size, and whether it was used of late."""

    __slots__ = ("size", "used", "value")

    def __init__(self, value: T, size: int) -> None:
        self.value = value
        self.size = size
        self.used = False
