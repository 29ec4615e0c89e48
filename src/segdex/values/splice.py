"""Lists of many owners, some of which get other lists: arrays are put together of runs, none goes item by item."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from segdex.values import kernels_splice
from segdex.values.column import Ints

D = TypeVar("D", bound=np.generic)


@dataclasses.dataclass(frozen=True, slots=True)
class Splice:
    """Which runs of two arrays follow each other; made by `spliced`.

    Attributes:
        offsets: int64, shape (owners + 1,): where the list of each owner starts in the result.
        starts, ends: the runs of the base, one more than there are owners with another list.
        other_starts, other_ends: the runs of the other array, one after each run of the base but the last.
    """

    offsets: Ints
    starts: Ints
    ends: Ints
    other_starts: Ints
    other_ends: Ints

    def of(self, base: npt.NDArray[D], other: npt.NDArray[D]) -> npt.NDArray[D]:
        """The items of all lists, of two arrays of one type of 4 or 8 bytes; a new array."""
        whole = np.int32 if base.dtype.itemsize == 4 else np.int64
        out = np.empty(int(self.offsets[-1]), base.dtype)
        runs = self.starts, self.ends, self.other_starts, self.other_ends
        kernels_splice.splice(_as(base, whole), _as(other, whole), *runs, out.view(whole))
        return out

    def within(self, base: Ints, other: Ints, offsets: Ints) -> Splice:
        """The runs of what the items are lists of themselves; *base* and *other* are their offsets in both arrays.

        Args:
            base, other: int64 offsets of the lists in the items.
            offsets: those of the result.
        """
        starts, ends = base[self.starts], base[self.ends]
        return Splice(offsets, starts, ends, other[self.other_starts], other[self.other_ends])


def spliced(base: Ints, other: Ints, places: Ints, rows: Ints, count: int) -> Splice:
    """The lists of *base* where owner ``places[j]`` has that of owner ``rows[j]`` of *other* instead.

    Args:
        base: int64 offsets, shape (owners + 1,).
        other: int64 offsets of the lists that may come in.
        places: owners, ascending, each once.
        rows: for each of *places* an owner of *other*; negative: an empty list.
        count: how many owners there are in the result, at least as many as in *base*; new ones have empty lists.
    """
    last = len(base) - 1
    filled = rows >= 0
    held = np.where(filled, rows, 0)
    if len(other) < 2:
        held, other = np.zeros(len(rows), np.int64), np.zeros(2, np.int64)
    other_starts = other[held]
    other_ends = np.where(filled, other[held + 1], other_starts)
    lengths = np.zeros(count, np.int64)
    lengths[:last] = np.diff(base)
    lengths[places] = other_ends - other_starts
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    firsts = np.concatenate([[0], places + 1])
    afters = np.concatenate([places, [count]])
    return Splice(offsets, base[np.minimum(firsts, last)], base[np.minimum(afters, last)], other_starts, other_ends)


def _as(values: npt.NDArray[D], whole: type[np.signedinteger]) -> npt.NDArray[np.signedinteger]:
    return np.ascontiguousarray(values).view(whole)
