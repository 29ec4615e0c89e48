"""Kernels that join rows into transactions and regroup rows by category."""

from __future__ import annotations

from typing import Any

from segdex.jit import kernel


@kernel("void(i8[:], i8[:], b1[:], OUT i8[:])")
def earliest(units: Any, time: Any, keep: Any, out: Any) -> None:
    """The earliest time of each transaction's kept rows; missing where no row is kept."""
    for i in range(len(out)):
        found = -9223372036854775808
        for row in range(units[i], units[i + 1]):
            if keep[row] and (found == -9223372036854775808 or time[row] < found):
                found = time[row]
        out[i] = found


@kernel("void(i8[:], b1[:], b1[:], OUT b1[:])")
def rows_inside(units: Any, inside: Any, keep: Any, out: Any) -> None:
    """The kept rows of the transactions that are inside."""
    for i in range(len(inside)):
        for row in range(units[i], units[i + 1]):
            out[row] = inside[i] and keep[row]


@kernel("void(i8[:], b1[:], OUT i8[:])")
def count_inside(offsets: Any, inside: Any, out: Any) -> None:
    """How many items of each group are inside."""
    for i in range(len(out)):
        found = 0
        for at in range(offsets[i], offsets[i + 1]):
            found += inside[at]
        out[i] = found


@kernel("i8(i4[:], b1[:], OUT i8[:], OUT i8[:])")
def order_by_code(codes: Any, keep: Any, places: Any, order: Any) -> int:
    """The kept rows with a known code, by code, otherwise as they were; returns how many.

    *places* is scratch, one more than there are codes, all 0; the first rows of *order* are filled.
    """
    for row in range(len(codes)):
        if keep[row] and codes[row] >= 0:
            places[codes[row] + 1] += 1
    for code in range(1, len(places)):
        places[code] += places[code - 1]
    found: int = places[len(places) - 1]
    for row in range(len(codes)):
        if keep[row] and codes[row] >= 0:
            order[places[codes[row]]] = row
            places[codes[row]] += 1
    return found
