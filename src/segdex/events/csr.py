"""Rows in the order of their table to rows grouped by customer and transaction.

A counting sort by customer, then short sorts within each customer: no key is compared across customers, and rows that
come in the order of time, as most do, are found sorted.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from segdex.events import kernels
from segdex.events.ties import out_of_order
from segdex.values.column import Ints


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
    """Group rows by customer, then by the earliest time of their transaction, by transaction (ties by unit), by time.

    Args:
        owners: the dense id of each row's customer, shape (rows,); `kernels.NOBODY`: the row is left out.
        customers: how many there are.
        time: microseconds, shape (rows,), none missing where a row is kept; None for a related table.
        unit: what rows of one transaction of a customer share, shape (rows,); a missing one is a transaction of its
            own. None: every row is a transaction.
    """
    found = _layout(owners, customers, time, unit, units_first=False)
    if found.units is None or found.unit_offsets is None or time is None or unit is None:
        return found
    if not out_of_order(found.units, found.unit_offsets, found.order, time, unit):
        return found
    return _layout(owners, customers, time, unit, units_first=True)


def _layout(
    owners: npt.NDArray[np.uint32], customers: int, time: Ints | None, unit: Ints | None, units_first: bool
) -> Layout:
    """As `layout`; only with *units_first* transactions that begin together come in the order of their units."""
    offsets = np.zeros(customers + 1, np.int64)
    kernels.count_rows(owners, offsets)
    np.cumsum(offsets, out=offsets)
    order = np.empty(int(offsets[-1]), np.int64)
    kernels.place_rows(owners, offsets[:-1].copy(), order)
    sorter = _Sorter(offsets, order)
    if units_first and unit is not None:
        sorter.sort(unit[order])
    if time is not None:
        sorter.sort(time[order])
    if unit is None:
        return Layout(order, offsets)
    # In the order of time a transaction's first row is its earliest, so transactions are in order of first rows.
    firsts = sorter.firsts(unit[order])
    sorter.sort(firsts)
    begins = np.ones(len(firsts), np.bool_)
    begins[1:] = firsts[1:] != firsts[:-1]
    units = np.append(np.flatnonzero(begins), len(order)).astype(np.int64)
    return Layout(order, offsets, units, np.searchsorted(units, offsets).astype(np.int64))


class _Sorter:
    """Sorts an order within each customer, stable; scratch memory is as long as the longest customer."""

    def __init__(self, offsets: Ints, order: Ints) -> None:
        self._offsets, self._order = offsets, order
        self._longest = int(np.diff(offsets).max(initial=0))

    def sort(self, keys: Ints) -> None:
        """Sort by *keys*, which are in the present order and are sorted too."""
        spare = np.empty(self._longest, np.int64), np.empty(self._longest, np.int64)
        kernels.sort_segments(self._offsets, keys, self._order, *spare)

    def firsts(self, unit: Ints) -> Ints:
        """For each row the first row of its transaction; *unit* is in the present order."""
        firsts = np.empty(len(unit), np.int64)
        slots = np.empty(1 << (2 * self._longest).bit_length(), np.int64)
        kernels.find_firsts(self._offsets, unit, firsts, slots)
        return firsts
