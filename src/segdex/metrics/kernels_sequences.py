"""Kernels that follow the rows of one stream to rows of another."""

from __future__ import annotations

from typing import Any

from segdex.jit import kernel


@kernel("void(i8[:], i8[:], i8[:], i8[:], i8[:], i8[:], OUT i8[:])")
def follow(firsts: Any, keys: Any, at: Any, offsets: Any, step_keys: Any, step_times: Any, out: Any) -> None:
    """The time of each event's earliest row of the next step; missing where there is none.

    That row has the customer and the key of the event, and a time later than ``at``. An event whose key or time is
    missing is followed by nothing.

    Args:
        firsts: where each customer's events begin.
        keys: of each event.
        at: the time from which each event is followed.
        offsets: where each customer's rows of the step begin.
        step_keys: of each row; a customer's rows come in the order of keys, then of times.
        step_times: of each row.
        out: of each event.
    """
    missing = -9223372036854775808
    for customer in range(len(firsts) - 1):
        last = offsets[customer + 1]
        for event in range(firsts[customer], firsts[customer + 1]):
            out[event] = missing
            key, time = keys[event], at[event]
            if key == missing or time == missing:
                continue
            low, high = offsets[customer], last
            while low < high:
                middle = (low + high) // 2
                if step_keys[middle] < key or (step_keys[middle] == key and step_times[middle] <= time):
                    low = middle + 1
                else:
                    high = middle
            if low < last and step_keys[low] == key:
                out[event] = step_times[low]
