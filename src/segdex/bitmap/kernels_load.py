"""Kernels that check the containers of portable Roaring and make a predicate in hot form of them.

They see the containers as one array of little-endian 16-bit words, the *body*; see `segdex.bitmap.portable`.
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

FINE = 0
VALUES_OUT_OF_ORDER = 1
WRONG_BITSET = 2
NO_RUNS = 3
RUNS_OUT_OF_ORDER = 4
WRONG_RUNS = 5


@kernel("i8(u2[:], i8[:], b1[:], OUT i8[:])")
def locate(body: Any, cardinalities: Any, runs: Any, starts: Any) -> int:
    """Where each container starts, in 16-bit words; returns where the last one ends, beyond the body if it is short."""
    at = np.int64(0)
    for container in range(len(cardinalities)):
        starts[container] = at
        if runs[container]:
            if at >= len(body):
                return int(at + 1)
            at += 1 + 2 * np.int64(body[at])
        else:
            at += min(cardinalities[container], 4096)
    return int(at)


@helper
def check_array(body: Any, at: Any, cardinality: Any) -> int:
    """Whether values ascend."""
    falls = 0
    lower, upper = body[at : at + cardinality - 1], body[at + 1 : at + cardinality]
    for i in range(cardinality - 1):
        falls += upper[i] <= lower[i]
    return VALUES_OUT_OF_ORDER if falls else FINE


@helper
def check_bitset(body: Any, at: Any, cardinality: Any) -> int:
    """Whether as many bits are set as the cardinality says."""
    found = 0
    bits = body[at : at + 4096]
    for i in range(0, 4096, 4):  # four at a time: a popcount of 64 bits costs no more than one of 16
        low = np.uint64(bits[i]) | np.uint64(bits[i + 1]) << np.uint64(16)
        high = np.uint64(bits[i + 2]) | np.uint64(bits[i + 3]) << np.uint64(16)
        found += popcount(low | high << np.uint64(32))
    return FINE if found == cardinality else WRONG_BITSET


@helper
def check_runs(body: Any, at: Any, cardinality: Any) -> int:
    """Whether runs ascend, do not touch, end within the chunk, and hold as many values as the cardinality says."""
    runs = np.int64(body[at])
    if runs == 0:
        return NO_RUNS
    found, last = np.int64(0), np.int64(-2)
    for place in range(at + 1, at + 1 + 2 * runs, 2):
        start, more = np.int64(body[place]), np.int64(body[place + 1])
        if start <= last + 1 or start + more >= _CHUNK:
            return RUNS_OUT_OF_ORDER
        found, last = found + more + 1, start + more
    return FINE if found == cardinality else WRONG_RUNS


@kernel("void(u2[:], i8[:], i8[:], b1[:], OUT i8[:])")
def check_containers(body: Any, starts: Any, cardinalities: Any, runs: Any, out: Any) -> None:
    """What is wrong with each container, by the numbers above; all of them lie within the body."""
    for container in range(len(starts)):
        if runs[container]:
            out[container] = check_runs(body, starts[container], cardinalities[container])
        elif cardinalities[container] <= _MOST_PORTABLE_ARRAY:
            out[container] = check_array(body, starts[container], cardinalities[container])
        else:
            out[container] = check_bitset(body, starts[container], cardinalities[container])


@helper
def fill_bits(body: Any, at: Any, cardinality: Any, words: Any, first: Any) -> None:
    """The values of an array as a bitset."""
    for place in range(at, at + cardinality):
        value = np.int64(body[place])
        words[first + (value >> 6)] |= np.uint64(1) << np.uint64(value & 63)


@helper
def fill_ranges(body: Any, at: Any, words: Any, first: Any) -> None:
    """Runs as a bitset."""
    for place in range(at + 1, at + 1 + 2 * np.int64(body[at]), 2):
        start = np.int64(body[place])
        last = start + np.int64(body[place + 1])
        for i in range(start >> 6, (last >> 6) + 1):
            bits = ~np.uint64(0)
            if i == start >> 6:
                bits &= ~np.uint64(0) << np.uint64(start & 63)
            if i == last >> 6:
                bits &= ~np.uint64(0) >> np.uint64(63 - (last & 63))
            words[first + i] |= bits


@helper
def fill_values(body: Any, at: Any, shorts: Any, first: Any) -> None:
    """Runs as an array."""
    for place in range(at + 1, at + 1 + 2 * np.int64(body[at]), 2):
        start = np.int64(body[place])
        for value in range(start, start + np.int64(body[place + 1]) + 1):
            shorts[first] = np.uint16(value)
            first += 1


@kernel("void(u2[:], i8[:], b1[:], i8[:], OUT u8[:], OUT u2[:])")
def fill_containers(body: Any, starts: Any, runs: Any, keys: Any, words: Any, shorts: Any) -> None:
    """Write the containers of one predicate, whose directory stands at the start of *words*.

    Args:
        body: checked containers.
        starts: of each in the body.
        runs: which of them are runs.
        keys: the chunk of each.
        words: the directory, and zeros where containers will be.
        shorts: the same memory as 16-bit words.
    """
    for container in range(len(keys)):
        entry = np.int64(words[keys[container]])
        cardinality, first = entry & _CARDINALITY, (entry >> _CARDINALITY_BITS) * _LINE_WORDS
        at = starts[container]
        if cardinality == _CHUNK:
            continue
        if runs[container] and cardinality > _MOST_ARRAY:
            fill_ranges(body, at, words, first)
        elif runs[container]:
            fill_values(body, at, shorts, 4 * first)
        elif _MOST_ARRAY < cardinality <= _MOST_PORTABLE_ARRAY:
            fill_bits(body, at, cardinality, words, first)
        else:
            size = cardinality if cardinality <= _MOST_ARRAY else 4096
            source, target = body[at : at + size], shorts[4 * first : 4 * first + size]
            for i in range(size):  # of views, so that the loop is one block copy
                target[i] = source[i]
