"""Kernels that read columns of the members of a set, given as one bit a dense id."""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.jit import kernel, popcount


@kernel("void(u8[:], i4[:], OUT i8[:])")
def count_by_code(bits: Any, codes: Any, out: Any) -> None:
    """How many members have each code, all in one pass: ``out[code + 1]``, so that -1, missing, has its place too."""
    for i in range(len(bits)):
        word = bits[i]
        while word:
            lowest = word & (~word + np.uint64(1))
            out[codes[64 * i + popcount(lowest - np.uint64(1))] + 1] += 1
            word ^= lowest


@kernel("void(u8[:], i8[:], i4[:], OUT i8[:])")
def count_by_tag(bits: Any, offsets: Any, codes: Any, out: Any) -> None:
    """How many members have each tag, ``out[code + 1]``; a member counts once for each of its tags."""
    for i in range(len(bits)):
        word = bits[i]
        while word:
            lowest = word & (~word + np.uint64(1))
            member = 64 * i + popcount(lowest - np.uint64(1))
            for at in range(offsets[member], offsets[member + 1]):
                out[codes[at] + 1] += 1
            word ^= lowest


@kernel("i8(u8[:], i8[:], OUT i8[:], OUT i8[:])")
def known_ints(bits: Any, data: Any, values: Any, halves: Any) -> int:
    """The known values of the members in the order of their ids, and their sum; returns how many there are.

    *values* has room for all members. The sum is ``halves[0] * 2**32 + halves[1]``: each half fits, whether or not the
    sum itself would.
    """
    found = high = low = 0
    for i in range(len(bits)):
        word = bits[i]
        while word:
            lowest = word & (~word + np.uint64(1))
            value = data[64 * i + popcount(lowest - np.uint64(1))]
            values[found] = value  # a missing one is written over: a branch here took a quarter longer
            found += value != -9223372036854775808
            word ^= lowest
    for i in range(found):
        high += values[i] >> 32
        low += values[i] & 0xFFFFFFFF
    halves[0], halves[1] = high, low
    return found


@kernel("i8(u8[:], f8[:], OUT f8[:], OUT f8[:])")
def known_floats(bits: Any, data: Any, values: Any, total: Any) -> int:
    """The known values of the members in the order of their ids, and their sum in that order; returns how many.

    *values* has room for all members.
    """
    found, added = 0, 0.0
    for i in range(len(bits)):
        word = bits[i]
        while word:
            lowest = word & (~word + np.uint64(1))
            value = data[64 * i + popcount(lowest - np.uint64(1))]
            values[found] = value  # a missing one is written over
            found += value == value
            word ^= lowest
    for i in range(found):
        added += values[i]
    total[0] = added
    return found
