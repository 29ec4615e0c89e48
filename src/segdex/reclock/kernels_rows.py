"""Kernels that find the few items of a long column that an advance of the clock is about."""

from __future__ import annotations

from typing import Any

from segdex.jit import kernel, signed


@kernel("i8(i8[:], i8, i8, u1[:], OUT i8[:])")
def find(values: Any, low: int, shift: int, table: Any, out: Any) -> int:
    """The items whose bucket is marked, ascending; returns how many.

    Bucket b of *table* holds the values from low + (b << shift) on; the first and the last one, which are not marked,
    also those before and after. *out* has room for one more than there are items.
    """
    found = 0
    high = low + ((len(table) - 1) << shift)
    for i in range(len(values)):
        value = min(max(values[i], low), high)
        out[found] = i
        found += signed(table[(value - low) >> shift])
    return found


@kernel("i8(f8[:], f8, f8, u1[:], OUT i8[:])")
def find_floats(values: Any, low: float, scale: float, table: Any, out: Any) -> int:
    """The items whose bucket is marked, ascending; returns how many.

    Bucket b of *table* holds the values v of which (v - low) * scale begins with b; missing values and those outside
    the table are in none. *out* has room for one more than there are items.
    """
    found = 0
    size = float(len(table))
    for i in range(len(values)):
        place = (values[i] - low) * scale
        inside = (place >= 0.0) & (place < size)
        out[found] = i
        found += signed(table[int(place if inside else 0.0)]) & inside
    return found


@kernel("void(i8[:], i8[:], i8[:], b1, i8[:], i8, OUT i8[:])")
def first_after(offsets: Any, starts: Any, time: Any, joined: bool, customers: Any, low: int, out: Any) -> None:
    """The first item of each of *customers* that begins after *low*; those of a customer come in the order of time.

    Args:
        offsets: where each customer's items begin.
        starts: with *joined* the first row of each item; else items are rows.
        time: of each row.
        joined: whether rows are joined into transactions.
        customers: dense ids.
        low: a moment.
        out: of each customer, the place after the last item where none begins later.
    """
    for i in range(len(customers)):
        first, last = offsets[customers[i]], offsets[customers[i] + 1]
        while first < last:
            middle = (first + last) >> 1
            row = starts[middle] if joined else middle
            if time[row] <= low:
                first = middle + 1
            else:
                last = middle
        out[i] = first
