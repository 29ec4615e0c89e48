"""Kernels that compare whole columns."""

from __future__ import annotations

from typing import Any

from segdex.jit import helper, kernel


@kernel("void(i8[:], i8, i8, OUT b1[:])")
def within_ints(data: Any, low: int, high: int, out: Any) -> None:
    """Whether low <= value <= high; *low* must be above `MISSING`."""
    for i in range(len(data)):
        out[i] = (data[i] >= low) & (data[i] <= high)


@kernel("void(f8[:], f8, f8, OUT b1[:])")
def within_floats(data: Any, low: float, high: float, out: Any) -> None:
    """Whether low <= value <= high; a missing value is a NaN and fails both."""
    for i in range(len(data)):
        out[i] = (data[i] >= low) & (data[i] <= high)


@kernel("void(i4[:], b1[:], OUT b1[:])")
def by_code(codes: Any, table: Any, out: Any) -> None:
    """The table's entry of each code; a missing code (-1) is False."""
    for i in range(len(codes)):
        code = codes[i]
        out[i] = code >= 0 and table[code]


@kernel("void(i8[:], i4[:], b1[:], OUT i8[:])")
def tags_in_table(offsets: Any, codes: Any, table: Any, out: Any) -> None:
    """How many of each item's tags are in the table; -1 where the tags are missing."""
    for i in range(len(out)):
        found = 0
        for at in range(offsets[i], offsets[i + 1]):
            if codes[at] < 0:
                found = -1
            elif table[codes[at]]:
                found += 1
        out[i] = found


@helper
def order_of_scaled(fine: int, coarse: int, factor: int) -> int:
    """Sign of fine - coarse * factor without overflow: *coarse* is compared with the floor of fine / factor."""
    quotient = fine // factor
    if quotient != coarse:
        return 1 if quotient > coarse else -1
    return 1 if fine - quotient * factor > 0 else 0


@helper
def order_of_mixed(whole: int, real: float) -> int:
    """Sign of whole - real, exactly: a float64 cannot hold every int64, so the float's floor is compared."""
    if real >= 9223372036854775808.0:
        return -1
    if real < -9223372036854775808.0:
        return 1
    floor = int(real)
    if real < floor:
        floor -= 1
    if whole != floor:
        return 1 if whole > floor else -1
    return -1 if real > floor else 0


@helper
def accepted(sign: int, accept: int) -> bool:
    """Whether a comparison that accepts the signs in *accept* (1: less, 2: equal, 4: greater) accepts *sign*."""
    return (accept >> (sign + 1)) & 1 == 1


@kernel("void(i8[:], i8[:], i8, i8, OUT b1[:])")
def compare_ints(fine: Any, coarse: Any, factor: int, accept: int, out: Any) -> None:
    """Compare integers of two scales; *factor* is the power of ten between them, *fine* has more decimals."""
    missing = -9223372036854775808
    for i in range(len(out)):
        if fine[i] == missing or coarse[i] == missing:
            out[i] = False
        else:
            out[i] = accepted(order_of_scaled(fine[i], coarse[i], factor), accept)


@kernel("void(i8[:], f8[:], i8, OUT b1[:])")
def compare_mixed(whole: Any, real: Any, accept: int, out: Any) -> None:
    """Compare integers with floats, exactly."""
    for i in range(len(out)):
        if whole[i] == -9223372036854775808 or real[i] != real[i]:
            out[i] = False
        else:
            out[i] = accepted(order_of_mixed(whole[i], real[i]), accept)


@kernel("void(f8[:], f8[:], i8, OUT b1[:])")
def compare_floats(left: Any, right: Any, accept: int, out: Any) -> None:
    """Compare floats; a missing value on either side is false."""
    for i in range(len(out)):
        a, b = left[i], right[i]
        if a != a or b != b:
            out[i] = False
        else:
            out[i] = accepted(int(a > b) - int(a < b), accept)
