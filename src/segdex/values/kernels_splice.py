"""Kernels that put runs of two arrays one after another."""

from __future__ import annotations

from typing import Any

from segdex.jit import kernel


@kernel(
    "void(i4[:], i4[:], i8[:], i8[:], i8[:], i8[:], OUT i4[:])",
    "void(i8[:], i8[:], i8[:], i8[:], i8[:], i8[:], OUT i8[:])",
)
def splice(base: Any, other: Any, starts: Any, ends: Any, other_starts: Any, other_ends: Any, out: Any) -> None:
    """By turns a run of *base* and one of *other*: base[starts[0]:ends[0]], other[other_starts[0]:other_ends[0]], …

    Each run of *other* has one of *base* before it; after the last one comes one more of *base*. *out* has room for
    them all.
    """
    to = 0
    for run in range(len(starts)):
        for at in range(starts[run], ends[run]):
            out[to] = base[at]
            to += 1
        if run < len(other_starts):
            for at in range(other_starts[run], other_ends[run]):
                out[to] = other[at]
                to += 1
