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
    """Values by text, within a number of bytes. Safe from many threads.

    Args:
        most_bytes: how much may be kept in all; a value larger than this is computed anew each time.
        size_of: the bytes of one value.
    """

    def __init__(self, most_bytes: int, size_of: Callable[[T], int]) -> None:
        self._most = most_bytes
        self._size_of = size_of
        self._held: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._bytes = 0
        self._lock = ForkLock()

    def get(self, text: str, compute: Callable[[], T]) -> T:
        """The value of *text*; computed outside the lock, so that two threads may both do it, with one answer."""
        with self._lock:
            held = self._held.get(text)
            if held is not None:
                self._held.move_to_end(text)
                return held[0]
        value = compute()
        size = self._size_of(value) + len(text) + OVERHEAD
        with self._lock:
            if text not in self._held and size <= self._most:
                self._held[text] = value, size
                self._bytes += size
            while self._bytes > self._most and self._held:
                self._bytes -= self._held.popitem(last=False)[1][1]
        return value
