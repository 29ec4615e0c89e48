"""Kernels that choose a category for each customer."""

from __future__ import annotations

from typing import Any

from segdex.jit import kernel


@kernel("void(i4[:], u4[:], i8[:], OUT i8[:], OUT i4[:])")
def keep_greatest(codes: Any, customers: Any, keys: Any, best: Any, chosen: Any) -> None:
    """The code of each customer's greatest key so far, of equal keys the first; a missing key is below every other.

    *best* and *chosen* hold the greatest key and its code, at first missing and -1.
    """
    for i in range(len(codes)):
        customer = customers[i]
        if keys[i] > best[customer]:
            best[customer] = keys[i]
            chosen[customer] = codes[i]
