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


@kernel("i8(f8[:], f8[:], f8[:], OUT i8[:])")
def between_any(values: Any, lows: Any, highs: Any, out: Any) -> int:
    """The items with a value from one of *lows* to its high, both included, ascending; returns how many.

    *out* has room for one more than there are items.
    """
    found = 0
    for i in range(len(values)):
        value = values[i]
        hit = 0
        for at in range(len(lows)):
            hit |= (value >= lows[at]) & (value <= highs[at])
        out[found] = i
        found += hit
    return found
