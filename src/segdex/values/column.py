"""A column: one value an item (customer, row, transaction), some of them missing.

Three physical forms hold what is compared, so that each kernel is written once a form, and a fourth one places:

| types                          | data                                   | missing   |
|--------------------------------|----------------------------------------|-----------|
| category, text, id, bool, tags | int32 codes into a dictionary          | -1        |
| integer, number with a scale, date (days since 1970), time (microseconds since 1970, UTC) | int64 | `MISSING` |
| number                         | float64                                | NaN       |
| geo                            | complex128, see `places`               | NaN       |

An ``id`` of integers is int64 too. Tags have *offsets*: item i holds ``data[offsets[i]:offsets[i + 1]]``, each tag
once, in ascending order of code; an item whose tags are missing holds the one code -1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.schema.types import ValueType

MISSING = np.iinfo(np.int64).min
"""The int64 that stands for a missing value; sources may hold any integer but this one."""

Codes: TypeAlias = npt.NDArray[np.int32]
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Data: TypeAlias = npt.NDArray[np.int32] | npt.NDArray[np.int64] | npt.NDArray[np.float64]


def texts(strings: Sequence[str]) -> pa.LargeStringArray:
    """Strings as Arrow has them.

    `pyarrow.array` imports pandas where that is installed, which takes longer than all else before a first count.
    """
    encoded = [string.encode() for string in strings]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(encoded), buffers)


BOOLEANS = texts(["false", "true"])


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """Values of one type, see the module's table.

    Attributes:
        type: what the values mean.
        data: the physical values; shape (items,), for tags (all tags,).
        dictionary: the distinct strings of codes, a ``large_string`` array ascending by bytes; None for numbers.
        offsets: for tags only, shape (items + 1,).
    """

    type: ValueType
    data: Data
    dictionary: pa.LargeStringArray | None = None
    offsets: Ints | None = None

    def __len__(self) -> int:
        return len(self.data) if self.offsets is None else len(self.offsets) - 1

    @property
    def known(self) -> Mask:
        """Which items have a value."""
        if self.offsets is not None:
            starts = self.offsets[:-1]
            known: Mask = np.ones(len(starts), np.bool_)
            filled = self.offsets[1:] > starts
            known[filled] = self.data[starts[filled]] != -1
        elif self.data.dtype == np.int32:
            known = self.data >= 0
        elif self.data.dtype == np.int64:
            known = self.data != MISSING
        else:
            known = ~np.isnan(self.data)
        return known

    def with_data(self, data: Data) -> Column:
        """Other values of the same type and with the same strings."""
        return Column(self.type, data, self.dictionary, self.offsets)

    def take(self, indices: Ints) -> Column:
        """The items at *indices*, in their order; a negative index gives a missing item."""
        if self.offsets is not None:
            return self._take_tags(self.offsets, indices)
        if not len(indices) or indices.min() >= 0:
            return self.with_data(self.data[indices])
        picked = self.data[np.maximum(indices, 0)] if len(self.data) else np.zeros(len(indices), self.data.dtype)
        picked[indices < 0] = missing_of(self.data.dtype)
        return self.with_data(picked)

    def slice(self, start: int, end: int) -> Column:
        """The items *start* to *end* - 1; nothing is copied."""
        if self.offsets is None:
            return self.with_data(self.data[start:end])
        first, last = int(self.offsets[start]), int(self.offsets[end])
        return dataclasses.replace(self, data=self.data[first:last], offsets=self.offsets[start : end + 1] - first)

    def _take_tags(self, offsets: Ints, indices: Ints) -> Column:
        # The item after the last one stands for the missing: one code -1.
        data, offsets = np.append(self.data, np.int32(-1)), np.append(offsets, len(self.data) + 1)
        indices = np.where(indices < 0, len(self), indices)
        lengths = offsets[indices + 1] - offsets[indices]
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(ends[-1]) + np.repeat(offsets[indices] - ends[:-1], lengths)
        return dataclasses.replace(self, data=data[within], offsets=ends)


def missing_of(dtype: np.dtype[np.generic]) -> int | float | complex:
    """The physical value that stands for a missing one."""
    if dtype == np.int32:
        return -1
    if dtype == np.complex128:
        return complex("nan+nanj")
    return MISSING if dtype == np.int64 else float("nan")


def distinct(column: Column) -> Column:
    """The strings of a column's dictionary, each once."""
    assert column.dictionary is not None
    return Column(column.type, np.arange(len(column.dictionary), dtype=np.int32), column.dictionary)
