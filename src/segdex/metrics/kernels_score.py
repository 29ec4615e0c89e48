"""Kernels of scores: transactions of several terms listed by customer or pair, and their points, decayed by age."""

from __future__ import annotations

from typing import Any

from segdex.jit import kernel
from segdex.metrics.kernels_sum import put_in_order


@kernel("void(i8[:], b1[:], i8[:], i8, i8[:], OUT i8[:], OUT i8[:], OUT i8[:])")
def list_term(offsets: Any, inside: Any, time: Any, points: int, lists: Any, ends: Any, times: Any, held: Any) -> None:
    """Add the transactions inside of each group i to list lists[i]: their times, and the points that each has.

    *ends* says where each list ends so far, and after the call where it ends now.
    """
    for i in range(len(lists)):
        end = ends[lists[i]]
        for at in range(offsets[i], offsets[i + 1]):
            if inside[at]:
                times[end] = time[at]
                held[end] = points
                end += 1
        ends[lists[i]] = end


@kernel("void(i8[:], OUT i8[:], OUT i8[:], f8, i8, f8, f8, OUT f8[:])")
def decayed(
    offsets: Any, times: Any, points: Any, unit: float, now: int, half_life: float, half: float, out: Any
) -> None:
    """The points of each list, those of an item halved once a *half_life* of its age; 0 where a list is empty.

    Each list is put in order of time, then points; its points are decayed to the time of its last item and summed in
    that order, and the sum is decayed from there to *now*.

    Args:
        unit: what 1 is in the whole steps of *points*.
        half_life: in microseconds.
        half: 0.5. As a constant the compiler would make exp2 of the power, which may differ in the last bit.
    """
    for i in range(len(out)):
        start, end = offsets[i], offsets[i + 1]
        out[i] = 0.0
        if start == end:
            continue
        put_in_order(times[start:end], points[start:end])
        latest, total = times[end - 1], 0.0
        for at in range(start, end):
            total += points[at] / unit * half ** ((latest - times[at]) / half_life)
        out[i] = total * half ** ((now - latest) / half_life) + 0.0
