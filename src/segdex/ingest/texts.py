"""Distinct strings in the order of their bytes, and when strings stand for integers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.values.column import MISSING, Ints

_CANONICAL = "^(0|-?[1-9][0-9]{0,18})$"


def ranked(strings: pa.LargeStringArray) -> tuple[pa.LargeStringArray, Ints]:
    """The distinct ones of *strings* (without nulls) ascending by bytes, and the position there of each string."""
    if len(strings) == 0:
        return strings, np.empty(0, np.int64)
    order = pc.array_sort_indices(strings).to_numpy().astype(np.int64)
    ascending = strings.take(pa.array(order))
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = pc.not_equal(ascending[1:], ascending[:-1]).to_numpy(zero_copy_only=False)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.cumsum(fresh) - 1
    return (ascending if fresh.all() else ascending.filter(pa.array(fresh))), ranks


def whole_numbers(strings: pa.LargeStringArray) -> Ints | None:
    """The integers that *strings* stand for, if every one is an integer as it is usually written (no sign +, no
    leading zeros) and fits 64 bits; else None.
    """
    if not pc.all(pc.match_substring_regex(strings, _CANONICAL), min_count=0).as_py():
        return None
    try:
        numbers: Ints = strings.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return None if (numbers == MISSING).any() else numbers
