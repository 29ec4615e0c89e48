"""Kernels that add values: integers exactly, floats in an order that the data alone decides."""

from __future__ import annotations

from typing import Any

import numpy as np

from segdex.jit import helper, kernel

_FEW = 32


@kernel("i8(i8[:], b1[:], i8[:], OUT i8[:], OUT i8[:])")
def sum_ints(offsets: Any, inside: Any, values: Any, total: Any, known: Any) -> int:
    """The sum and number of each group's known values inside; returns a group whose sum overflows, or -1.

    Halves are added apart, so that only the sum itself must fit, in whatever order the values come.
    """
    overflowing = -1
    for i in range(len(total)):
        high = low = number = 0
        for at in range(offsets[i], offsets[i + 1]):
            value = values[at]
            if inside[at] and value != -9223372036854775808:
                high += value >> 32
                low += value & 0xFFFFFFFF
                number += 1
        high += low >> 32
        low &= 0xFFFFFFFF
        known[i] = number
        if high < -2147483648 or high > 2147483647 or (high == -2147483648 and low == 0):
            overflowing = i
        else:
            total[i] = (high << 32) | low
    return overflowing


@helper
def before(time: Any, values: Any, a: int, b: int) -> bool:
    """Whether place a comes before place b: by time, then by value."""
    return bool(time[a] < time[b] or (time[a] == time[b] and values[a] < values[b]))


@helper
def sink(time: Any, values: Any, top: int, count: int) -> None:
    """Restore the heap below *top*: no place comes after the one above it."""
    while 2 * top + 1 < count:
        child = 2 * top + 1
        if child + 1 < count and before(time, values, child, child + 1):
            child += 1
        if not before(time, values, top, child):
            return
        time[top], time[child] = time[child], time[top]
        values[top], values[child] = values[child], values[top]
        top = child


@helper
def put_in_order(time: Any, values: Any) -> None:
    """Sort both arrays by time, then value; quick where they are in order.

    A few are moved one by one: of ten of which six are in order, and four, that takes a third of the time. Many are a
    heap: no scratch, no worst case.
    """
    count = len(time)
    first = 1
    while first < count and not before(time, values, first, first - 1):
        first += 1
    if first >= count:
        return
    if count <= _FEW:
        for at in range(first, count):
            moment, value, to = time[at], values[at], at
            while to > 0 and (moment < time[to - 1] or (moment == time[to - 1] and value < values[to - 1])):
                time[to], values[to] = time[to - 1], values[to - 1]
                to -= 1
            time[to], values[to] = moment, value
        return
    for top in range(count // 2 - 1, -1, -1):
        sink(time, values, top, count)
    for last in range(count - 1, 0, -1):
        time[0], time[last] = time[last], time[0]
        values[0], values[last] = values[last], values[0]
        sink(time, values, 0, last)


@helper
def ordered_sum(time: Any, values: Any) -> float:
    """The sum in order of time, then value; sorts both arrays."""
    put_in_order(time, values)
    total = 0.0
    for at in range(len(values)):
        total += values[at]
    return total


@kernel("void(i8[:], b1[:], i8[:], f8[:], OUT f8[:], OUT i8[:])")
def sum_floats(offsets: Any, inside: Any, time: Any, values: Any, total: Any, known: Any) -> None:
    """The sum, in order of time and then value, and the number of each group's known values inside."""
    for i in range(len(total)):
        result, number, ordered = 0.0, 0, True
        previous = offsets[i]
        for at in range(offsets[i], offsets[i + 1]):
            if inside[at] and values[at] == values[at]:
                ordered = ordered and (number == 0 or not before(time, values, at, previous))
                result += values[at]
                number += 1
                previous = at
        if not ordered:  # rare: equal times, or transactions that interleave
            times, summands = np.empty(number, np.int64), np.empty(number, np.float64)
            number = 0
            for at in range(offsets[i], offsets[i + 1]):
                if inside[at] and values[at] == values[at]:
                    times[number] = time[at]
                    summands[number] = values[at]
                    number += 1
            result = ordered_sum(times, summands)
        total[i] = result
        known[i] = number
