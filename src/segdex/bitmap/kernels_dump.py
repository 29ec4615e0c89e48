"""Kernels from predicates in hot form to the containers of portable Roaring, see `segdex.bitmap.portable`.

They take the words of a predicate twice, as 64-bit words and as the 16-bit values that the same memory is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.jit import helper, kernel, popcount

_LINE_WORDS = 8
_CARDINALITY_BITS = 24
_CARDINALITY = (1 << 24) - 1
_MOST_ARRAY = 511
_MOST_PORTABLE_ARRAY = 4096
_CHUNK = 65_536
_ONE = np.uint64(1)
_LAST_BIT = np.uint64(63)


@helper
def first_word(entry: Any) -> Any:
    """The word at which the container of a directory's entry starts."""
    return (entry >> _CARDINALITY_BITS) * _LINE_WORDS


@helper
def run_starts(words: Any, first: Any, i: Any) -> Any:
    """The bits of word *i* of a bitset that start a run: those whose lower neighbour is 0."""
    carried = words[first + i - 1] >> _LAST_BIT if i > 0 else np.uint64(0)
    return words[first + i] & ~((words[first + i] << _ONE) | carried)


@helper
def run_ends(words: Any, first: Any, i: Any) -> Any:
    """The bits of word *i* of a bitset that end a run: those whose upper neighbour is 0."""
    carried = (words[first + i + 1] & _ONE) << _LAST_BIT if i < 1023 else np.uint64(0)
    return words[first + i] & ~((words[first + i] >> _ONE) | carried)


@kernel("void(u8[:], u2[:], i8[:], OUT i8[:])")
def count_runs(words: Any, shorts: Any, keys: Any, out: Any) -> None:
    """How many runs of consecutive ids each of the chunks *keys* has."""
    for container in range(len(keys)):
        entry = np.int64(words[keys[container]])
        cardinality, first = entry & _CARDINALITY, first_word(entry)
        found = 1
        if cardinality <= _MOST_ARRAY:
            for place in range(4 * first + 1, 4 * first + cardinality):
                found += np.int64(shorts[place]) != np.int64(shorts[place - 1]) + 1
        elif cardinality < _CHUNK:
            found = 0
            for i in range(1024):
                found += popcount(run_starts(words, first, i))
        out[container] = found


@helper
def write_shorts(shorts: Any, first: Any, count: Any, at: Any, out: Any) -> None:
    """Copy 16-bit values as they are."""
    source, target = shorts[first : first + count], out[at : at + count]  # so that the loop is one block copy
    for i in range(count):
        target[i] = source[i]


@helper
def write_ones(at: Any, out: Any) -> None:
    """A bitset of all values."""
    target = out[at : at + 4096]
    for i in range(4096):
        target[i] = np.uint16(0xFFFF)


@helper
def write_values(words: Any, first: Any, at: Any, out: Any) -> None:
    """The values of a bitset as an array."""
    for i in range(1024):
        word = words[first + i]
        while word:
            lowest = word & (~word + _ONE)
            out[at] = np.uint16(64 * i + popcount(lowest - _ONE))
            at += 1
            word ^= lowest


@helper
def write_array_runs(shorts: Any, first: Any, cardinality: Any, at: Any, out: Any) -> None:
    """The runs of an array: how many there are, then for each its first value and how many more follow."""
    runs = 0
    for place in range(first, first + cardinality):
        if place > first and np.int64(shorts[place]) == np.int64(shorts[place - 1]) + 1:
            out[at + 2 * runs] += np.uint16(1)
        else:
            runs += 1
            out[at + 2 * runs - 1], out[at + 2 * runs] = shorts[place], np.uint16(0)
    out[at] = np.uint16(runs)


@helper
def write_bitset_runs(words: Any, first: Any, at: Any, out: Any) -> None:
    """The runs of a bitset: how many there are, then for each its first value and how many more follow."""
    begun, ended = 0, 0
    for i in range(1024):
        starts, ends = run_starts(words, first, i), run_ends(words, first, i)
        while starts:
            lowest = starts & (~starts + _ONE)
            out[at + 1 + 2 * begun] = np.uint16(64 * i + popcount(lowest - _ONE))
            begun += 1
            starts ^= lowest
        while ends:
            lowest = ends & (~ends + _ONE)
            last = 64 * i + popcount(lowest - _ONE)
            out[at + 2 + 2 * ended] = np.uint16(last - np.int64(out[at + 1 + 2 * ended]))
            ended += 1
            ends ^= lowest
    out[at] = np.uint16(begun)


@kernel("void(u8[:], u2[:], i8[:], i8[:], b1[:], OUT u2[:])")
def write_containers(words: Any, shorts: Any, keys: Any, starts: Any, runs: Any, out: Any) -> None:
    """Write the containers of the chunks *keys*, none of them empty, each at its start in *out*, as runs where told."""
    for container in range(len(keys)):
        entry = np.int64(words[keys[container]])
        cardinality, first, at = entry & _CARDINALITY, first_word(entry), starts[container]
        if cardinality == _CHUNK and runs[container]:
            out[at], out[at + 1], out[at + 2] = np.uint16(1), np.uint16(0), np.uint16(0xFFFF)
        elif cardinality == _CHUNK:
            write_ones(at, out)
        elif cardinality <= _MOST_ARRAY and runs[container]:
            write_array_runs(shorts, 4 * first, cardinality, at, out)
        elif runs[container]:
            write_bitset_runs(words, first, at, out)
        elif cardinality <= _MOST_ARRAY:
            write_shorts(shorts, 4 * first, cardinality, at, out)
        elif cardinality <= _MOST_PORTABLE_ARRAY:
            write_values(words, first, at, out)
        else:
            write_shorts(shorts, 4 * first, 4096, at, out)
