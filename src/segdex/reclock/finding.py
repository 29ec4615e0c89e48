"""The few items of a long column whose values are in some ranges."""

from __future__ import annotations

import numpy as np

from segdex.reclock import kernels_rows
from segdex.reclock.touched import united
from segdex.spread import spread
from segdex.values.column import Data, Floats, Ints, Mask

BLOCK = 1 << 20
"""Items that are looked at at once."""
BUCKETS = 1 << 14
"""Most values are told from those that may be wanted by a table of so many buckets, which fits the nearest cache."""
LARGE = 1e15
"""Values farther from 0 are not told apart by the table."""


def within_any(values: Data, lows: Floats, highs: Floats) -> Ints:
    """The items whose value is from one of *lows* to its high, ascending."""
    if not len(lows):
        return np.empty(0, np.int64)
    near = np.clip(lows, -LARGE, LARGE), np.clip(highs, -LARGE, LARGE)
    low, high = float(near[0].min()), float(near[1].max())
    scale = (BUCKETS - 2) / max(high - low, 1e-300)
    marks = np.zeros(BUCKETS, np.uint8)
    for ends in zip(*near, strict=True):
        first, last = (int((end - low) * scale) for end in ends)
        marks[max(first - 1, 0) : last + 2] = 1

    def one(start: int) -> Ints:
        part = values[start : start + BLOCK]
        items = np.empty(len(part) + 1, np.int64)
        items = items[: kernels_rows.find_floats(part, low, scale, marks, items)]
        return items[_within(part[items], lows, highs)] + start

    found = spread(one, list(range(0, len(values), BLOCK)) or [0])
    if lows.min() == low and highs.max() == high:
        return np.concatenate(found)
    outside = np.flatnonzero((values < low) | (values > high))
    return united([np.concatenate(found), outside[_within(values[outside], lows, highs)]])


def _within(values: Data, lows: Floats, highs: Floats) -> Mask:
    found = np.zeros(len(values), np.bool_)
    for low, high in zip(lows, highs, strict=True):
        found |= (values >= low) & (values <= high)
    return found
