"""Kernels of the generated retailer: random numbers that depend on nothing but a key and a number.

Every number is a hash of *what it is for* (the key: seed, stream and column) and *whose it is* (the id: customer
and row), so a customer looks the same however many others there are and in whatever blocks they are generated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.jit import helper, kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@helper
def mixed(value: Any) -> Any:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): a bijection of 64-bit words."""
    value = (value ^ (value >> _S30)) * _FIRST
    value = (value ^ (value >> _S27)) * _SECOND
    return value ^ (value >> _S31)


@helper
def uniform(word: Any) -> float:
    """A number in (0, 1) from a 64-bit word: the upper 53 bits, centred so that neither end is met."""
    return (np.float64(word >> _S11) + 0.5) * 1.1102230246251565e-16


@kernel("void(i8, i8[:], OUT f8[:])")
def uniforms(key: int, ids: Any, out: Any) -> None:
    """One number in (0, 1) for each id."""
    base = mixed(np.uint64(key) + _GOLDEN)
    for i in range(len(ids)):
        out[i] = uniform(mixed(base ^ (np.uint64(ids[i]) * _GOLDEN)))


@kernel("void(i8, i8[:], f8[:], OUT i8[:])")
def poissons(key: int, ids: Any, rates: Any, out: Any) -> None:
    """A Poisson number of mean ``rates[i]`` for each id, by products of uniform numbers (Knuth)."""
    base = mixed(np.uint64(key) + _GOLDEN)
    for i in range(len(ids)):
        state = mixed(base ^ (np.uint64(ids[i]) * _GOLDEN))
        left = rates[i]
        found = 0
        while left > 0.0:
            limit = np.exp(-min(left, 16.0))
            left -= 16.0
            state += _GOLDEN
            product = uniform(mixed(state))
            while product > limit:
                found += 1
                state += _GOLDEN
                product *= uniform(mixed(state))
        out[i] = found


@kernel("void(i8, i8[:], i8[:], i8[:], f8[:], f8[:], OUT i8[:])")
def moments(key: int, ids: Any, since: Any, until: Any, day_weights: Any, hour_ends: Any, out: Any) -> None:
    """A second of the calendar for each id, seconds after the start of day 0.

    The day is one of ``since[i]`` to ``until[i]``, thinned by the weight of the day (in (0, 1]; after eight
    refusals any day will do), the hour by the cumulative weights *hour_ends* of the 24 hours.
    """
    base = mixed(np.uint64(key) + _GOLDEN)
    for i in range(len(ids)):
        state = mixed(base ^ (np.uint64(ids[i]) * _GOLDEN))
        span = until[i] - since[i] + 1
        day = since[i]
        for _ in range(8):
            state += _GOLDEN
            day = since[i] + np.int64(uniform(mixed(state)) * span)
            state += _GOLDEN
            if uniform(mixed(state)) < day_weights[day]:
                break
        state += _GOLDEN
        at = uniform(mixed(state))
        hour = 0
        while hour < 23 and hour_ends[hour] <= at:
            hour += 1
        state += _GOLDEN
        out[i] = day * 86_400 + hour * 3_600 + np.int64(uniform(mixed(state)) * 3_600)
