"""Rows in the order of their table to rows grouped by customer and transaction.

A counting sort by customer, then short sorts within each customer: no key is compared across customers, and rows that
come in the order of time, as most do, are found sorted.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from segdex.events import kernels
from segdex.values.column import MISSING, Ints, Mask


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """Where each row goes; see `Events` for the offsets.

    Attributes:
        order: int64, shape (rows kept,): the table's row at each place.
        offsets: int64, shape (customers + 1,).
        units: int64, shape (transactions + 1,); None where every row is one.
        unit_offsets: int64, shape (customers + 1,); None with *units*.
    """

    order: Ints
    offsets: Ints
    units: Ints | None = None
    unit_offsets: Ints | None = None


def layout(
    owners: npt.NDArray[np.uint32], customers: int, time: Ints | None = None, unit: Ints | None = None
) -> Layout:
    """Group rows by customer, then by the earliest time of their transaction, by transaction, by time.

    Args:
        owners: the dense id of each row's customer, shape (rows,); `kernels.NOBODY`: the row is left out.
        customers: how many there are.
        time: microseconds, shape (rows,), none missing where a row is kept; None for a related table.
        unit: what rows of one transaction of a customer share, shape (rows,); a missing one is a transaction of its
            own. None: every row is a transaction.
    """
    offsets = np.zeros(customers + 1, np.int64)
    kernels.count_rows(owners, offsets)
    np.cumsum(offsets, out=offsets)
    order = np.empty(int(offsets[-1]), np.int64)
    kernels.place_rows(owners, offsets[:-1].copy(), order)
    sorter = _Sorter(offsets, order)
    if time is not None:
        sorter.sort(time[order])
    if unit is None:
        return Layout(order, offsets)
    sorter.sort(unit[order])
    if time is not None:
        firsts = np.empty(len(order), np.int64)
        kernels.spread_firsts(_begins(unit[order], offsets), time[order], firsts)
        sorter.sort(firsts)
    begins = _begins(unit[order], offsets)
    units = np.append(np.flatnonzero(begins), len(order)).astype(np.int64)
    return Layout(order, offsets, units, np.searchsorted(units, offsets).astype(np.int64))


class _Sorter:
    """Sorts an order within each customer, stable; the spare arrays are allocated once."""

    def __init__(self, offsets: Ints, order: Ints) -> None:
        self._offsets, self._order = offsets, order
        longest = int(np.diff(offsets).max(initial=0))
        self._spare = np.empty(longest, np.int64), np.empty(longest, np.int64)

    def sort(self, keys: Ints) -> None:
        """Sort by *keys*, which are in the present order and are overwritten."""
        kernels.sort_segments(self._offsets, keys, self._order, *self._spare)


def _begins(unit: Ints, offsets: Ints) -> Mask:
    """Which rows, grouped by customer and unit, are the first of a transaction."""
    begins = np.ones(len(unit), np.bool_)
    begins[1:] = (unit[1:] != unit[:-1]) | (unit[1:] == MISSING)
    starts = offsets[:-1]
    begins[starts[starts < len(unit)]] = True  # of a customer without rows: the next one's first row, or none
    return begins
