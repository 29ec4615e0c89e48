"""Kernels that group rows by customer and sort them within each."""

from __future__ import annotations

from typing import Any

from segdex.jit import helper, kernel

NOBODY = 0xFFFFFFFF
"""The owner of a row that is left out."""
RUN = 16
"""Runs of this many rows are sorted by insertion; longer segments merge such runs."""


@kernel("void(u4[:], OUT i8[:])")
def count_rows(owners: Any, offsets: Any) -> None:
    """Add the number of rows of each customer c to offsets[c + 1]."""
    for i in range(len(owners)):
        if owners[i] != NOBODY:
            offsets[int(owners[i]) + 1] += 1


@kernel("void(u4[:], OUT i8[:], OUT i8[:])")
def place_rows(owners: Any, ends: Any, order: Any) -> None:
    """List the rows of each customer, in their order; *ends* holds where each list begins, then where it ends."""
    for i in range(len(owners)):
        if owners[i] != NOBODY:
            owner = int(owners[i])
            order[ends[owner]] = i
            ends[owner] += 1


@helper
def insert_sort(keys: Any, order: Any, start: int, end: int) -> None:
    """Sort keys[start:end] and *order* with them, stable; quick where they are in order already."""
    for i in range(start + 1, end):
        key, row = keys[i], order[i]
        j = i
        while j > start and keys[j - 1] > key:
            keys[j], order[j] = keys[j - 1], order[j - 1]
            j -= 1
        keys[j], order[j] = key, row


@helper
def merge_runs(keys: Any, order: Any, start: int, middle: int, end: int, spare_keys: Any, spare_order: Any) -> None:
    """Merge keys[start:middle] and keys[middle:end], each ascending, stable; the spare arrays hold the first run."""
    if middle >= end or keys[middle - 1] <= keys[middle]:
        return
    held = middle - start
    for i in range(held):
        spare_keys[i], spare_order[i] = keys[start + i], order[start + i]
    left, right, to = 0, middle, start
    while left < held:
        if right < end and keys[right] < spare_keys[left]:
            keys[to], order[to] = keys[right], order[right]
            right += 1
        else:
            keys[to], order[to] = spare_keys[left], spare_order[left]
            left += 1
        to += 1


@kernel("void(i8[:], OUT i8[:], OUT i8[:], OUT i8[:], OUT i8[:])")
def sort_segments(offsets: Any, keys: Any, order: Any, spare_keys: Any, spare_order: Any) -> None:
    """Sort the keys of every segment offsets[s]:offsets[s + 1], and *order* with them, stable.

    The spare arrays have room for the longest segment.
    """
    for segment in range(len(offsets) - 1):
        first, last = offsets[segment], offsets[segment + 1]
        for start in range(first, last, RUN):
            insert_sort(keys, order, start, min(start + RUN, last))
        width = RUN
        while width < last - first:
            for start in range(first, last - width, 2 * width):
                merge_runs(keys, order, start, start + width, min(start + 2 * width, last), spare_keys, spare_order)
            width *= 2


@helper
def slot_of(unit: int, last: int) -> int:
    """Where in a hash table with slots 0 to *last* the search for a unit begins."""
    value = (int(unit) ^ (int(unit) >> 32)) & 0xFFFFFFFF
    value = (value * 0x9E3779B1) & 0xFFFFFFFF
    return (value ^ (value >> 15)) & last


@kernel("void(i8[:], b1[:], OUT u1[:], OUT b1[:])")
def share_slots(keys: Any, known: Any, seen: Any, shared: Any) -> None:
    """Which known keys share a slot of a hash table with another one: all that come twice, and few others.

    *seen* is the table, all zeros, a power of two long.
    """
    last = len(seen) - 1
    for i in range(len(keys)):
        if known[i]:
            slot = slot_of(keys[i], last)
            seen[slot] = min(seen[slot] + 1, 2)
    for i in range(len(keys)):
        shared[i] = known[i] and seen[slot_of(keys[i], last)] > 1


@kernel("void(i8[:], i8[:], OUT i8[:], OUT i8[:])")
def find_firsts(offsets: Any, units: Any, firsts: Any, slots: Any) -> None:
    """For every row the first row of its segment that has the same unit; the row itself where the unit is missing.

    *slots* is room for a hash table: a power of two, at least twice the longest segment.
    """
    for segment in range(len(offsets) - 1):
        start, end = offsets[segment], offsets[segment + 1]
        size = 1
        while size < 2 * (end - start):
            size *= 2
        slots[:size] = -1
        for row in range(start, end):
            unit = units[row]
            firsts[row] = row
            if unit == -9223372036854775808:
                continue
            slot = slot_of(unit, size - 1)
            while slots[slot] >= 0 and units[slots[slot]] != unit:
                slot = (slot + 1) & (size - 1)
            if slots[slot] < 0:
                slots[slot] = row
            firsts[row] = slots[slot]
