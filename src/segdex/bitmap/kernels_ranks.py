"""Kernels of rank codes, one byte a customer that tells the class of their value, see `segdex.bitmap.ranks`."""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.jit import floats_at, helper, ints_at, kernel, octets_within, popcount, signed, words_at

_CHUNK = 65_536
_WORDS = 1024

# A range, in words after its directory: where the codes and the exact values are in memory, whether these are floats,
# how many times 64 customers there are, the classes wholly inside (first, how many more; -1: none), up to two classes
# that are cut, and the bounds.
CODES, VALUES, FLOATS, WORDS = 0, 1, 2, 3
FIRST, MORE, CUT, OTHER_CUT, LOW, HIGH, RANGE_WORDS = 4, 5, 6, 7, 8, 9, 10


@kernel("void(i8[:], i8[:], OUT u1[:])", "void(f8[:], f8[:], OUT u1[:])")
def assign_codes(values: Any, edges: Any, out: Any) -> None:
    """The number of *edges* at or below each value, 255 at most; 0 for a missing one, which is below every edge."""
    for i in range(len(values)):
        low, high = 0, len(edges)
        while low < high:
            middle = (low + high) >> 1
            if values[i] >= edges[middle]:
                low = middle + 1
            else:
                high = middle
        out[i] = low


@kernel("void(u1[:], i8, OUT u1[:], OUT u1[:])")
def code_bounds(codes: Any, count: int, lows: Any, highs: Any) -> None:
    """The least and the greatest code of each chunk."""
    for chunk in range(len(lows)):
        low, high = 255, 0
        for i in range(chunk * 65_536, min(count, (chunk + 1) * 65_536)):
            low, high = min(low, signed(codes[i])), max(high, signed(codes[i]))
        lows[chunk], highs[chunk] = low, high


@kernel("i8(i8[:], i8[:], u1[:], i8, OUT i8[:])", "i8(f8[:], f8[:], u1[:], i8, OUT i8[:])")
def first_wrong_code(values: Any, firsts: Any, codes: Any, floats: int, sizes: Any) -> int:
    """The first place whose code is not its value's, or -1; and how many customers each class has, from 1."""
    for i in range(len(codes)):
        code = signed(codes[i])
        if i >= len(values):
            if code:
                return i
            continue
        value = values[i]
        missing = value != value if floats else value == -9223372036854775808
        if missing != (code == 0) or code > len(firsts):
            return i
        if code and (value < firsts[code - 1] or (code < len(firsts) and value >= firsts[code])):
            return i
        sizes[code] += 1
    return -1


@helper
def keep_exact(candidates: Any, first: int, at: Any) -> Any:
    """Those of 64 candidates, from the value *first* on, whose exact value is within the bounds."""
    kept = np.uint64(0)
    left = candidates
    while left:
        lowest = left & (~left + np.uint64(1))
        place = first + popcount(lowest - np.uint64(1))
        if at[FLOATS]:
            value = floats_at(at[VALUES] + 8 * place, 1)[0]
            bounds = floats_at(signed(at.ctypes.data) + 8 * LOW, 2)
            inside = value >= bounds[0] and value <= bounds[1]
        else:
            exact = ints_at(at[VALUES] + 8 * place, 1)[0]
            inside = exact >= at[LOW] and exact <= at[HIGH]
        if inside:
            kept |= lowest
        left ^= lowest
    return kept


@helper
def store_range(at: Any, chunk: int, among: int, out: int) -> int:
    """Write which ids of a chunk are in a range, and count them; only ids in the bitset *among* are looked at.

    The codes decide, 64 at a time; where the range cuts through a class, the exact values of its customers do.
    """
    survivors, y = words_at(among, _WORDS), words_at(out, _WORDS)
    found = 0
    for i in range(_WORDS):
        word = np.uint64(0)
        if survivors[i] and chunk * _WORDS + i < at[WORDS]:
            codes = at[CODES] + chunk * _CHUNK + 64 * i
            if at[MORE] >= 0:
                word = octets_within(codes, at[FIRST], at[MORE]) & survivors[i]
            cut = np.uint64(0)
            if at[CUT]:
                cut = octets_within(codes, at[CUT], 0)
            if at[OTHER_CUT]:
                cut |= octets_within(codes, at[OTHER_CUT], 0)
            cut &= survivors[i]
            if cut:
                word |= keep_exact(cut, chunk * _CHUNK + 64 * i, at)
        y[i] = word
        found += popcount(word)
    return found
