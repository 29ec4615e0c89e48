"""Kernels over the values of each group, brought to int64 keys that sort as the values do (see `keys`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.jit import helper, kernel


@kernel("void(i8[:], b1[:], i8[:], OUT i8[:], OUT i8[:])")
def ends(offsets: Any, inside: Any, keys: Any, least: Any, greatest: Any) -> None:
    """The least and the greatest known key of each group's items inside; missing where there is none."""
    missing = -9223372036854775808
    for i in range(len(least)):
        low = high = missing
        for at in range(offsets[i], offsets[i + 1]):
            key = keys[at]
            if inside[at] and key != missing:
                low = key if low == missing else min(low, key)
                high = max(high, key)
        least[i] = low
        greatest[i] = high


@helper
def gather(first: int, last: int, inside: Any, keys: Any, out: Any) -> int:
    """Collect the known keys of the items inside, sorted, at the start of *out*; returns how many."""
    found = 0
    for at in range(first, last):
        if inside[at] and keys[at] != -9223372036854775808:
            out[found] = keys[at]
            found += 1
    out[:found].sort()
    return found


@helper
def longest(offsets: Any) -> int:
    """The size of the largest group."""
    found = 0
    for i in range(len(offsets) - 1):
        found = max(found, offsets[i + 1] - offsets[i])
    return found


@kernel("void(i8[:], b1[:], i8[:], OUT i8[:], OUT i8[:])")
def middle(offsets: Any, inside: Any, keys: Any, low: Any, high: Any) -> None:
    """The two keys in the middle of each group (the same one twice where their number is odd), or missing."""
    scratch = np.empty(longest(offsets), np.int64)
    for i in range(len(low)):
        found = gather(offsets[i], offsets[i + 1], inside, keys, scratch)
        low[i] = high[i] = -9223372036854775808
        if found > 0:
            low[i] = scratch[(found - 1) // 2]
            high[i] = scratch[found // 2]


@kernel("void(i8[:], b1[:], i8[:], OUT i8[:])")
def distinct(offsets: Any, inside: Any, keys: Any, out: Any) -> None:
    """How many different known keys each group's items inside have."""
    scratch = np.empty(longest(offsets), np.int64)
    for i in range(len(out)):
        found = gather(offsets[i], offsets[i + 1], inside, keys, scratch)
        different = min(found, 1)
        for at in range(1, found):
            different += scratch[at] != scratch[at - 1]
        out[i] = different


@kernel("void(i8[:], b1[:], i8[:], i8[:], b1, OUT i8[:])")
def pick(offsets: Any, inside: Any, time: Any, keys: Any, latest: bool, out: Any) -> None:
    """The row of the earliest or latest known key inside, of equal times that of the greatest key; -1: none."""
    for i in range(len(out)):
        best = -1
        for at in range(offsets[i], offsets[i + 1]):
            if not inside[at] or keys[at] == -9223372036854775808:
                continue
            if best < 0:
                best = at
            elif time[at] == time[best]:
                best = at if keys[at] > keys[best] else best
            elif (time[at] > time[best]) == latest:
                best = at
        out[i] = best


@kernel("void(i8[:], b1[:], i8[:], i8, OUT i8[:])")
def nearest(offsets: Any, inside: Any, keys: Any, now: int, out: Any) -> None:
    """The least known key not below *now*, else the greatest one below it, else missing."""
    missing = -9223372036854775808
    for i in range(len(out)):
        best = missing
        for at in range(offsets[i], offsets[i + 1]):
            key = keys[at]
            if not inside[at] or key == missing:
                continue
            if key >= now:
                best = key if best < now else min(best, key)
            elif best < now:
                best = max(best, key)
        out[i] = best
