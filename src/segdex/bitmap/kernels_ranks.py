"""Kernels of rank codes, one byte a customer that tells the class of their value, see `segdex.bitmap.ranks`."""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.jit import helper, kernel, octets_within, popcount, shorts_at, signed, words_at

_CHUNK = 65_536
_MOST_ARRAY = 511
_WORDS = 1024
_MANY = 64
_CARDINALITY, _CARDINALITY_BITS, _LINE_BYTES = (1 << 24) - 1, 24, 64

# A range, in words after its directory: where the codes are in memory, how many times 64 customers there are, the
# classes wholly inside (first, how many more; -1: none), and the predicate of those in classes that are cut.
CODES, WORDS, FIRST, MORE, REST, RANGE_WORDS = 0, 1, 2, 3, 4, 5


@kernel("void(u4[:], i8[:], OUT u1[:])")
def assign_codes(places: Any, starts: Any, out: Any) -> None:
    """Give each customer the number of their class, from 1; *starts* are where classes begin in *places*."""
    for code in range(len(starts)):
        end = starts[code + 1] if code + 1 < len(starts) else len(places)
        for at in range(starts[code], end):
            out[places[at]] = code + 1


@kernel("void(u1[:], i8, OUT u1[:], OUT u1[:])")
def code_bounds(codes: Any, count: int, lows: Any, highs: Any) -> None:
    """The least and the greatest code of each chunk."""
    for chunk in range(len(lows)):
        low, high = 255, 0
        for i in range(chunk * 65_536, min(count, (chunk + 1) * 65_536)):
            low, high = min(low, signed(codes[i])), max(high, signed(codes[i]))
        lows[chunk], highs[chunk] = low, high


@kernel("i8(i8[:], u4[:], i8, i8)", "i8(f8[:], u4[:], f8, i8)")
def bisect(values: Any, places: Any, bound: Any, above: int) -> int:
    """The first of *places*, ascending by value, whose value is *bound* or more; with *above*: more than *bound*."""
    low, high = 0, len(places)
    while low < high:
        middle = (low + high) >> 1
        value = values[places[middle]]
        if value < bound or (above and value == bound):
            low = middle + 1
        else:
            high = middle
    return low


@kernel("void(i8[:], u4[:], u4[:], OUT i8[:])", "void(f8[:], u4[:], u4[:], OUT i8[:])")
def insertion_points(values: Any, places: Any, ids: Any, out: Any) -> None:
    """Where among *places*, ascending by value and dense id, each of *ids* belongs, which are not there."""
    for i in range(len(ids)):
        one = ids[i]
        value, low, high = values[one], 0, len(places)
        while low < high:
            middle = (low + high) >> 1
            other = places[middle]
            if values[other] < value or (values[other] == value and other < one):
                low = middle + 1
            else:
                high = middle
        out[i] = low


@kernel("b1(i8[:], u4[:])", "b1(f8[:], u4[:])")
def ascends(values: Any, places: Any) -> bool:
    """Whether values, and where these are equal dense ids, ascend in the order of *places*."""
    for at in range(1, len(places)):
        a, b = places[at - 1], places[at]
        if not (values[a] < values[b] or (values[a] == values[b] and a < b)):
            return False
    return True


@kernel("b1(u1[:], u4[:], i8[:], i8)")
def codes_fit(codes: Any, places: Any, starts: Any, count: int) -> bool:
    """Whether each place has the code of its class, and no other customer below *count*, or beyond, has a code."""
    for code in range(len(starts)):
        end = starts[code + 1] if code + 1 < len(starts) else len(places)
        for at in range(starts[code], end):
            if places[at] >= count or codes[places[at]] != code + 1:
                return False
    coded = 0
    for i in range(len(codes)):
        coded += codes[i] != 0
    return coded == len(places)


@helper
def add_rest(predicate: int, chunk: int, among: int, out: int) -> int:
    """Add to a bitset the ids of a predicate that are in the bitset *among*, and count them; none is there before."""
    x, y = words_at(among, _WORDS), words_at(out, _WORDS)
    entry = signed(words_at(predicate + 8 * chunk, 1)[0])
    cardinality, at = entry & _CARDINALITY, predicate + (entry >> _CARDINALITY_BITS) * _LINE_BYTES
    found = 0
    if cardinality <= _MOST_ARRAY:
        values = shorts_at(at, cardinality)
        for i in range(cardinality):
            value = signed(values[i])
            bit = (x[value >> 6] >> np.uint64(value & 63)) & np.uint64(1)
            y[value >> 6] |= bit << np.uint64(value & 63)
            found += signed(bit)
        return found
    for i in range(_WORDS):
        word = x[i] if cardinality == _CHUNK else x[i] & words_at(at, _WORDS)[i]
        y[i] |= word
        found += popcount(word)
    return found


@helper
def store_range(at: Any, chunk: int, among: int, out: int) -> int:
    """Write which ids of a chunk are in a range, and count them; only ids in the bitset *among* are looked at."""
    survivors, y = words_at(among, _WORDS), words_at(out, _WORDS)
    codes = at[CODES] + chunk * _CHUNK
    words = min(_WORDS, at[WORDS] - chunk * _WORDS) if at[MORE] >= 0 else 0
    asked = 0
    for i in range(_WORDS):
        asked += survivors[i] != 0
    found = 0
    for i in range(words):
        # To ask for each word pays where next to none survives; else the processor guesses wrong too often.
        word = np.uint64(0)
        if asked > _MANY or survivors[i]:
            word = octets_within(codes + 64 * i, at[FIRST], at[MORE]) & survivors[i]
        y[i] = word
        found += popcount(word)
    for i in range(words, _WORDS):
        y[i] = np.uint64(0)
    return found + add_rest(at[REST], chunk, among, out)
