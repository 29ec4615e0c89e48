"""Kernels that find sessions, and the latest transactions of each group."""

from __future__ import annotations

from typing import Any

from segdex.jit import kernel


@kernel("void(i8[:], i8[:], b1[:], i8, OUT b1[:])")
def begin_sessions(offsets: Any, time: Any, keep: Any, gap: int, begins: Any) -> None:
    """Where a session begins: at each group's first row, and at a kept row more than *gap* after the one before it.

    The rows of a group come in the order of time; those that are not kept belong to whatever session they lie in.
    """
    for i in range(len(offsets) - 1):
        previous = -1
        for row in range(offsets[i], offsets[i + 1]):
            begins[row] = row == offsets[i]
            if keep[row]:
                if previous >= 0 and time[row] - time[previous] > gap:
                    begins[row] = True
                previous = row


@kernel("void(i8[:], i8[:], i8, i8, OUT b1[:], OUT i8[:], OUT i8[:])")
def mark_latest(offsets: Any, time: Any, now: int, count: int, inside: Any, lows: Any, highs: Any) -> None:
    """The last *count* items of each group that are not later than *now*; items come in the order of time.

    Where an item that is left out happened at the same time as the first one inside, ``lows[i]`` to ``highs[i]`` are
    all the items of that time; elsewhere they are equal.
    """
    for i in range(len(lows)):
        start, stop = offsets[i], offsets[i + 1]
        while stop > start and time[stop - 1] > now:
            stop -= 1
        first = max(start, stop - count)
        for at in range(start, offsets[i + 1]):
            inside[at] = first <= at < stop
        low = high = first
        if first > start and time[first - 1] == time[first]:
            while low > start and time[low - 1] == time[first]:
                low -= 1
            while high < stop and time[high] == time[first]:
                high += 1
        lows[i] = low
        highs[i] = high
