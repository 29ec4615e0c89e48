"""Kernels that move single bits between sets: from some ids of one numbering to those of another."""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.bitmap.kernels_workspace import CARDINALITY, CARDINALITY_BITS, CHUNK, MOST_ARRAY
from segdex.jit import helper, kernel, signed

_LINE_WORDS = 8


@helper
def has(words: Any, one: int) -> bool:
    """Whether the id *one* is in a predicate in hot form."""
    entry = signed(words[one >> 16])
    cardinality, value = entry & CARDINALITY, one & (CHUNK - 1)
    if cardinality == 0 or cardinality == CHUNK:
        return bool(cardinality == CHUNK)
    first = (entry >> CARDINALITY_BITS) * _LINE_WORDS
    if cardinality > MOST_ARRAY:
        return bool((words[first + (value >> 6)] >> np.uint64(value & 63)) & np.uint64(1))
    low, high = 0, cardinality
    while low < high:
        middle = (low + high) >> 1
        if signed(words[first + (middle >> 2)] >> np.uint64(16 * (middle & 3))) & 0xFFFF < value:
            low = middle + 1
        else:
            high = middle
    return bool(low < cardinality and signed(words[first + (low >> 2)] >> np.uint64(16 * (low & 3))) & 0xFFFF == value)


@kernel("void(u8[:], i8[:], i8[:], OUT u8[:])")
def pick_bits(words: Any, ids: Any, places: Any, bits: Any) -> None:
    """Set bit places[i] of *bits* where the predicate *words* has ids[i], clear it where it has not."""
    for i in range(len(ids)):
        place = places[i]
        bit = np.uint64(1) << np.uint64(place & 63)
        if has(words, ids[i]):
            bits[place >> 6] |= bit
        else:
            bits[place >> 6] &= ~bit


@kernel("void(u8[:], i8[:], OUT u8[:])")
def put_bits(source: Any, places: Any, bits: Any) -> None:
    """Bit i of *source* becomes bit places[i] of *bits*."""
    for i in range(len(places)):
        place = places[i]
        bit = np.uint64(1) << np.uint64(place & 63)
        if (source[i >> 6] >> np.uint64(i & 63)) & np.uint64(1):
            bits[place >> 6] |= bit
        else:
            bits[place >> 6] &= ~bit


@kernel("void(i4[:], u4[:], i8[:], i8[:], i8, OUT u8[:])")
def put_codes(codes: Any, owners: Any, places: Any, rows: Any, width: int, words: Any) -> None:
    """Item i sets the bit of ``places[owners[i]]`` in the set ``rows[codes[i]]``; -1 for either code or row is none.

    *words* are sets one after another, each of *width* words.
    """
    for i in range(len(codes)):
        if codes[i] >= 0 and rows[codes[i]] >= 0:
            place = places[owners[i]]
            words[rows[codes[i]] * width + (place >> 6)] |= np.uint64(1) << np.uint64(place & 63)
