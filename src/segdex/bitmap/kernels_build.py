"""Kernels that build predicates in hot form, see `segdex.bitmap.predicate`."""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.jit import helper, kernel, popcount, signed

_LINE_WORDS = 8
_CARDINALITY_BITS = 24
_CARDINALITY = (1 << 24) - 1
_MOST_ARRAY = 511
_CHUNK = 65_536


@kernel("void(u4[:], i4[:], i8, OUT i8[:])")
def count_codes(ids: Any, codes: Any, chunks: int, out: Any) -> None:
    """How many of each chunk's ids have each code: ``out[code * chunks + chunk]``; a negative code is nobody's."""
    for i in range(len(codes)):
        if codes[i] >= 0:
            out[signed(codes[i]) * chunks + (signed(ids[i]) >> 16)] += 1


@kernel("void(u8[:], OUT i8[:])")
def count_words(words: Any, out: Any) -> None:
    """How many bits are set in each chunk of 1,024 words; the last chunk may have fewer words."""
    for chunk in range(len(out)):
        found = 0
        for i in range(chunk * 1024, min(len(words), (chunk + 1) * 1024)):
            found += popcount(words[i])
        out[chunk] = found


@helper
def append(words: Any, first: Any, place: Any, value: Any) -> None:
    """Put a 16-bit value in its place in an array container that starts at word *first* and is all zeros there."""
    words[first + (place >> 2)] |= np.uint64(value) << np.uint64(16 * (place & 3))


@kernel("void(u4[:], i4[:], i8, i8[:], OUT i8[:], OUT u8[:])")
def fill_codes(ids: Any, codes: Any, chunks: int, starts: Any, filled: Any, words: Any) -> None:
    """Write the containers of one predicate a code.

    Args:
        ids: ascending within a code.
        codes: of each id; a negative code is nobody's.
        chunks: in the directory of each predicate.
        starts: the word at which each predicate starts in *words*, where its directory is.
        filled: zeros, shape (codes * chunks,): how many values each array container has by now.
        words: the directories, and zeros where containers will be.
    """
    for i in range(len(codes)):
        if codes[i] < 0:
            continue
        code, chunk, value = signed(codes[i]), signed(ids[i]) >> 16, signed(ids[i]) & 0xFFFF
        entry = signed(words[starts[code] + chunk])
        cardinality = entry & _CARDINALITY
        first = starts[code] + (entry >> _CARDINALITY_BITS) * _LINE_WORDS
        if cardinality <= _MOST_ARRAY:
            place = filled[code * chunks + chunk]
            append(words, first, place, value)
            filled[code * chunks + chunk] = place + 1
        elif cardinality < _CHUNK:
            words[first + (value >> 6)] |= np.uint64(1) << np.uint64(value & 63)


@kernel("void(u8[:], i8, OUT u8[:])")
def fill_words(bits: Any, chunks: int, words: Any) -> None:
    """Write the containers of one predicate, whose directory stands at the start of *words*, from one bit an id."""
    for chunk in range(chunks):
        entry = signed(words[chunk])
        cardinality = entry & _CARDINALITY
        first = (entry >> _CARDINALITY_BITS) * _LINE_WORDS
        if cardinality in (0, _CHUNK):
            continue
        place = 0
        for i in range(chunk * 1024, min(len(bits), (chunk + 1) * 1024)):
            word = bits[i]
            if cardinality > _MOST_ARRAY:
                words[first + i - chunk * 1024] = word
                continue
            while word:
                lowest = word & (~word + np.uint64(1))
                append(words, first, place, (i - chunk * 1024) * 64 + popcount(lowest - np.uint64(1)))
                place += 1
                word ^= lowest


@kernel("void(u4[:], OUT u8[:])")
def flip(ids: Any, bits: Any) -> None:
    """Turn the bit of each id."""
    for i in range(len(ids)):
        one = signed(ids[i])
        bits[one >> 6] ^= np.uint64(1) << np.uint64(one & 63)


@kernel("i8(u8[:], OUT u4[:])")
def write_ids(bits: Any, out: Any) -> int:
    """The ids whose bits are set, ascending; returns how many."""
    found = 0
    for i in range(len(bits)):
        word = bits[i]
        while word:
            lowest = word & (~word + np.uint64(1))
            out[found] = 64 * i + popcount(lowest - np.uint64(1))
            found += 1
            word ^= lowest
    return found


@kernel("i8(u8[:], i8, i8)")
def first_fault(words: Any, chunks: int, count: int) -> int:
    """The first chunk whose container is not what the directory says, or holds an id from *count* on; -1: all is well.

    The directory must be in bounds. Arrays must ascend and be filled up with zeros.
    """
    for chunk in range(chunks):
        entry = signed(words[chunk])
        cardinality = entry & _CARDINALITY
        first = (entry >> _CARDINALITY_BITS) * _LINE_WORDS
        room = min(count - chunk * _CHUNK, _CHUNK)
        if cardinality in (0, _CHUNK):
            if cardinality > room:
                return chunk
            continue
        found, last = 0, -1
        if cardinality > _MOST_ARRAY:
            for i in range(1024):
                found += popcount(words[first + i])
                if words[first + i]:
                    last = 64 * i + 63
            while last >= room and not (words[first + (last >> 6)] >> np.uint64(last & 63)) & np.uint64(1):
                last -= 1
        else:
            filled = (cardinality + 4 * _LINE_WORDS - 1) // (4 * _LINE_WORDS) * 4 * _LINE_WORDS
            for place in range(filled):
                value = signed(words[first + (place >> 2)] >> np.uint64(16 * (place & 3))) & 0xFFFF
                if place >= cardinality:
                    found += value != 0
                elif value > last:
                    found, last = found + 1, value
        if found != cardinality or last >= room:
            return chunk
    return -1


@kernel("void(u8[:], i8, OUT u8[:])")
def to_words(words: Any, chunks: int, bits: Any) -> None:
    """One bit an id from a predicate in hot form; *bits* are zeros, 1,024 words a chunk."""
    for chunk in range(chunks):
        entry = signed(words[chunk])
        cardinality = entry & _CARDINALITY
        first = (entry >> _CARDINALITY_BITS) * _LINE_WORDS
        if cardinality == _CHUNK:
            for i in range(1024):
                bits[chunk * 1024 + i] = ~np.uint64(0)
        elif cardinality > _MOST_ARRAY:
            for i in range(1024):
                bits[chunk * 1024 + i] = words[first + i]
        else:
            for place in range(cardinality):
                value = signed(words[first + (place >> 2)] >> np.uint64(16 * (place & 3))) & 0xFFFF
                bits[chunk * 1024 + (value >> 6)] |= np.uint64(1) << np.uint64(value & 63)
