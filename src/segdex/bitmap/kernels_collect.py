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
