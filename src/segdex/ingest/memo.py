"""Hash tables that number distinct values while they stream by, so that no text is kept twice.

A dictionary of Arrow's is made for one array; here the arrays come one after the other, and the numbers stay.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.errors import LimitError
from segdex.ingest import kernels
from segdex.ingest.arrays import text_buffers
from segdex.values.column import Ints, Mask

MOST_CODES = 0x7FFFFFFF
"""How many distinct strings a column has at most: its codes are int32."""
_LEAST_SLOTS = 1024
Held = TypeVar("Held", bound=np.generic)


class Table:
    """What the tables of strings and of integers share: slots, hashes and how they grow.

    Args:
        most: how many values it may hold, at most 2^32 - 1, since slots are unsigned 32-bit.
    """

    def __init__(self, most: int = MOST_CODES) -> None:
        self.count = 0
        self._most = most
        self._slots = np.full(_LEAST_SLOTS, kernels.EMPTY, np.uint32)
        self._hashes = np.empty(0, np.uint32)

    def _reserve(self, more: int) -> None:
        """Make room for *more* values; at most half of the slots are ever taken."""
        if self.count + more > self._most:
            # Of the coming values many may be repeated, but there would be no way back from a full table.
            raise LimitError("too many distinct values", allowed=f"at most {self._most:,}")
        self._hashes = grown(self._hashes, self.count, self.count + more)
        size = len(self._slots)
        while size < 2 * (self.count + more):
            size *= 2
        if size > len(self._slots):
            self._slots = np.full(size, kernels.EMPTY, np.uint32)
            kernels.fill_slots(self._hashes, self.count, self._slots)


class Texts(Table):
    """Distinct strings, numbered from 0 in the order of their first appearance."""

    def __init__(self, most: int = MOST_CODES) -> None:
        super().__init__(most)
        self._starts = np.zeros(1, np.int64)
        self._bytes = np.empty(0, np.uint8)

    def add(self, strings: pa.LargeStringArray) -> Ints:
        """The number of each string, -1 for null."""
        offsets, data, known = text_buffers(strings)
        codes = np.empty(len(strings), np.int64)
        self._reserve(len(strings))
        self._starts = grown(self._starts, self.count + 1, self.count + 1 + len(strings))
        used = int(self._starts[self.count])
        self._bytes = grown(self._bytes, used, used + int(offsets[-1] - offsets[0]))
        self.count = kernels.encode_texts(
            offsets, data, known, self._slots, self._hashes, self._starts, self._bytes, self.count, codes
        )
        return codes

    def values(self) -> pa.LargeStringArray:
        """The strings by number."""
        starts = self._starts[: self.count + 1].copy()
        data = self._bytes[: int(starts[-1])].copy()
        return pa.LargeStringArray.from_buffers(self.count, pa.py_buffer(starts), pa.py_buffer(data))


class Integers(Table):
    """Distinct integers, numbered from 0 in the order of their first appearance."""

    def __init__(self, most: int = MOST_CODES) -> None:
        super().__init__(most)
        self._values = np.empty(0, np.int64)

    def add(self, values: Ints, known: Mask) -> Ints:
        """The number of each integer, -1 where it is not known."""
        codes = np.empty(len(values), np.int64)
        self._reserve(len(values))
        self._values = grown(self._values, self.count, self.count + len(values))
        self.count = kernels.encode_integers(values, known, self._slots, self._hashes, self._values, self.count, codes)
        return codes

    def values(self) -> Ints:
        """The integers by number."""
        return self._values[: self.count].copy()


def grown(array: npt.NDArray[Held], used: int, wanted: int) -> npt.NDArray[Held]:
    """*array* itself where it has room for *wanted* items, else a larger one with its first *used* items."""
    if len(array) >= wanted:
        return array
    larger = np.empty(max(wanted, 2 * len(array)), array.dtype)
    larger[:used] = array[:used]
    return larger
