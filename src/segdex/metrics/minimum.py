"""The least value of a smooth function of a few variables within bounds: quasi-Newton steps (BFGS), kept inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from segdex.values.column import Floats, Mask

Function: TypeAlias = Callable[[Floats], tuple[float, Floats]]
"""Gives the value at a point and the slope by each variable."""

MOST_STEPS = 1_000
_FLAT = 1e-9
"""The greatest slope of a point that counts as the minimum."""
_ROUGH = 1e-6
"""The same where rounding keeps every step from going down."""
_NOISE = 1e-13
"""How far a value may be off, relative to itself."""
_LONGEST = 2.0
"""No step moves a variable further: far from the minimum a quadratic says little."""
_HALVINGS = 60


class Minimum(NamedTuple):
    """Where a minimum is.

    Attributes:
        point: the values of the variables.
        inverse: of the curvature there, as far as the steps on the way told it; None: not at all.
    """

    point: Floats
    inverse: Floats | None


class _At(NamedTuple):
    point: Floats
    value: float
    slope: Floats


def minimum(
    function: Function, start: Floats, low: Floats, high: Floats, inverse: Floats | None = None
) -> Minimum | None:
    """The point from *low* to *high* at which *function* is least, searched from *start*; None where none is found.

    A variable stays at a bound as long as the function falls beyond it. Of several minima it is the one that leads
    down from *start*. *inverse* is what is known of the curvature before: of a function much like this one. The same
    arguments give the same bits.
    """
    point = np.clip(start, low, high)
    at = _At(point, *function(point))
    for _ in range(MOST_STEPS):
        free = ~(((at.point <= low) & (at.slope > 0)) | ((at.point >= high) & (at.slope < 0)))
        steepest = float(np.abs(at.slope[free]).max(initial=0.0))
        if steepest <= _FLAT:
            return Minimum(at.point, inverse)
        found = _step(function, at, _direction(at.slope, free, inverse), low, high)
        if found is not None:
            inverse = _learned(inverse, found.point - at.point, found.slope - at.slope)
            at = found
        elif inverse is not None:
            inverse = None  # what was learned elsewhere misleads here: once more straight down
        else:
            return Minimum(at.point, None) if steepest <= _ROUGH else None
    return None


def _direction(slope: Floats, free: Mask, inverse: Floats | None) -> Floats:
    """Where the minimum of the quadratic that is known lies, of the variables that are free to move."""
    step = np.zeros_like(slope)
    step[free] = -slope[free] if inverse is None else -inverse[np.ix_(free, free)] @ slope[free]
    return step * min(1.0, _LONGEST / float(np.abs(step).max()))


def _step(function: Function, at: _At, step: Floats, low: Floats, high: Floats) -> _At | None:
    """The first point on the way along *step*, halved as often as needed, that is low enough (Armijo's rule).

    Where rounding hides how far a value falls, the slope must become less.
    """
    for _ in range(_HALVINGS):
        point = np.clip(at.point + step, low, high)
        fall = float(at.slope @ (point - at.point))
        if fall < 0:
            found = _At(point, *function(point))
            risen = found.value - at.value
            moved = point != at.point
            flatter = np.abs(found.slope[moved]).max() < np.abs(at.slope[moved]).max()
            if risen <= 1e-4 * fall or (flatter and risen <= _NOISE * abs(at.value)):
                return found
        step = step / 2
    return None


def _learned(inverse: Floats | None, moved: Floats, turned: Floats) -> Floats | None:
    """The inverse curvature, told by one step more: how far it moved, and how much the slope turned on the way.

    What did not move stood at a bound, and tells nothing.
    """
    turned = np.where(moved != 0, turned, 0.0)
    curved = float(moved @ turned)
    if curved <= 1e-12 * float(np.linalg.norm(moved) * np.linalg.norm(turned)):
        return inverse  # the function is not convex there
    same = np.eye(len(moved))
    if inverse is None:
        inverse = same * (curved / float(turned @ turned))
    part = same - np.outer(moved, turned) / curved
    learned: Floats = part @ inverse @ part.T + np.outer(moved, moved) / curved
    return learned
