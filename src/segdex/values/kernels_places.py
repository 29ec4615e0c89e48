"""Kernels that say who is within a circle on the Earth."""

from __future__ import annotations

import math
from typing import Any

from segdex.jit import kernel


@kernel("void(i8[:], i8[:], u4[:], OUT b1[:])")
def mark(starts: Any, ends: Any, order: Any, out: Any) -> None:
    """Mark the items at the places *starts* to *ends* of *order*."""
    for i in range(len(starts)):
        for at in range(starts[i], ends[i]):
            out[order[at]] = True


@kernel("void(i8[:], i8[:], u4[:], f8[:], f8, f8, f8, b1, OUT b1[:])")
def mark_near(
    starts: Any, ends: Any, order: Any, degrees: Any, latitude: float, longitude: float, limit: float, far: bool,
    out: Any,
) -> None:  # fmt: skip
    """Mark those of them that are within a circle; *degrees* has latitude and longitude of each item by turns.

    The haversine of the angle between item and centre is hav(φ - φ0) + cos φ cos φ0 hav(λ - λ0), with hav x = sin² x/2;
    it is compared with *limit*. For a circle of more than half the Earth (*far*) that of the angle to the antipode
    is, which is as exact there as the other one is near the centre. Differences are taken in degrees, and cosines
    as sines of what is left to a right angle, so that equal points have no distance at the poles and the date line too.
    """
    half = math.pi / 360.0
    shrunk = math.sin((90.0 - abs(latitude)) * 2.0 * half)
    for i in range(len(starts)):
        for at in range(starts[i], ends[i]):
            item = order[at]
            phi, turn = degrees[2 * item], abs(degrees[2 * item + 1] - longitude)
            if turn > 180.0:
                turn = 360.0 - turn
            narrow = shrunk * math.sin((90.0 - abs(phi)) * 2.0 * half)
            if far:
                along, across = math.sin((phi + latitude) * half), math.sin((180.0 - turn) * half)
                out[item] = along * along + narrow * across * across >= limit
            else:
                along, across = math.sin((phi - latitude) * half), math.sin(turn * half)
                out[item] = along * along + narrow * across * across <= limit
