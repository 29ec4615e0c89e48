"""Kernels over the periods (days, weeks, months) that each group's items lie in."""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.jit import kernel
from segdex.metrics.kernels_values import gather, longest


@kernel("void(i8[:], b1[:], i8[:], i8, OUT i8[:])")
def count_back(offsets: Any, inside: Any, periods: Any, last: int, out: Any) -> None:
    """How many periods in a row, *last* and back from it, hold an item inside."""
    scratch = np.empty(longest(offsets), np.int64)
    for i in range(len(out)):
        at = gather(offsets[i], offsets[i + 1], inside, periods, scratch) - 1
        wanted = last
        while at >= 0 and scratch[at] >= wanted:  # what lies after the wanted period was counted, or is too late
            wanted -= scratch[at] == wanted
            at -= 1
        out[i] = last - wanted


@kernel("void(i8[:], b1[:], i8[:], i8, i8, i8, OUT i8[:])")
def count_full(offsets: Any, inside: Any, periods: Any, first: int, last: int, least: int, out: Any) -> None:
    """In how many of the periods *first* to *last* there are at least *least* items inside."""
    scratch = np.empty(longest(offsets), np.int64)
    for i in range(len(out)):
        found = gather(offsets[i], offsets[i + 1], inside, periods, scratch)
        full = run = 0
        for at in range(found):
            run = run + 1 if at > 0 and scratch[at] == scratch[at - 1] else 1
            if run == least and first <= scratch[at] <= last:
                full += 1
        out[i] = full
