"""Rows and transactions that begin at the same time: which of them is the greater.

Transactions compare by their unit, those without one below all others; rows by their fields as declared, a missing
value below all others. Rows that are alike in all of that are alike in everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segdex.events import kernels
from segdex.values.column import MISSING, Column, Ints, Mask
from segdex.values.keys import keys_of


def by_fields(spans: Ints, rows: Ints, fields: Sequence[Column]) -> Ints:
    """*rows*, within each span ``rows[spans[s]:spans[s + 1]]`` from the least to the greatest by *fields*.

    Args:
        spans: int64, ascending, from 0 to the number of rows.
        rows: places in the columns.
        fields: the first decides, the next one among those that are alike in it, and so on.
    """
    order = rows.copy()
    longest = int(np.diff(spans).max(initial=0))
    spare = np.empty(longest, np.int64), np.empty(longest, np.int64)
    for column in reversed(fields):  # stable sorts, the one that decides most comes last
        for level in reversed(range(_levels(column, rows))):
            kernels.sort_segments(spans, _keys(column, order, level), order, *spare)
    return order


def _levels(column: Column, rows: Ints) -> int:
    """How many keys a value has: tags compare one by one."""
    if column.offsets is None:
        return 1
    return int((column.offsets[rows + 1] - column.offsets[rows]).max(initial=1))


def _keys(column: Column, rows: Ints, level: int) -> Ints:
    if column.offsets is None:
        return keys_of(column.take(rows))
    at, ends = column.offsets[rows] + level, column.offsets[rows + 1]
    keys = np.ones(len(rows), np.int64)  # fewer tags are less than more; none known is less than none
    there = at < ends
    keys[there] = column.data[at[there]].astype(np.int64) + 1
    keys[there & (keys > 0)] += 1
    return keys


def _beside(units: Ints, unit_offsets: Ints, order: Ints, time: Ints, unit: Ints) -> tuple[Mask, Ints]:
    """Which transactions begin together with the next one of their customer, and the unit of each."""
    starts = order[units[:-1]]
    began = time[starts]
    together = np.zeros(len(starts), np.bool_)
    np.equal(began[1:], began[:-1], out=together[:-1])
    last_of_each = unit_offsets[1:] - 1
    together[last_of_each[last_of_each >= 0]] = False
    return together, unit[starts]


def out_of_order(units: Ints, unit_offsets: Ints, order: Ints, time: Ints, unit: Ints) -> bool:
    """Whether a transaction stands before a lesser one that begins at the same time.

    Args:
        units, unit_offsets: as in `Events`.
        order: the table's row at each place.
        time: of each row of the table.
        unit: of each row of the table.
    """
    together, of_each = _beside(units, unit_offsets, order, time, unit)
    return bool((together[:-1] & (of_each[1:] < of_each[:-1])).any())


def order_alone(units: Ints, unit_offsets: Ints, order: Ints, time: Ints, unit: Ints, fields: Sequence[Column]) -> None:
    """Put rows without a unit that happened at the same time in order, in *order*; arguments as for `out_of_order`."""
    if not (unit == MISSING).any():
        return
    together, of_each = _beside(units, unit_offsets, order, time, unit)
    together[:-1] &= (of_each[:-1] == MISSING) & (of_each[1:] == MISSING)
    follows = np.zeros(len(together), np.bool_)
    follows[1:] = together[:-1]
    tied = np.flatnonzero(together | follows)
    if len(tied):
        spans = np.append(np.flatnonzero(~follows[tied]), len(tied)).astype(np.int64)
        places = units[tied]  # each is a single row
        order[places] = by_fields(spans, order[places], fields)
