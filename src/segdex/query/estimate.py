"""How many customers a formula holds for, without evaluating it: bounds that always hold, and a value between them.

Directories tell the cardinality of every leaf in every chunk. Within a chunk the bounds are Fréchet's: an intersection
has at most as many as its smallest part and at least what the parts must share, a union at least as many as its
largest part. Between them parts count as independent of each other. Chunks add up: where like customers are
neighbours, most of what ties leaves to each other is in which chunks they have in common, so that adding
chunk by chunk is much closer than one estimate of the whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import reduce
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from segdex.query.formula import And, Formula, Leaf, Not, Or, Truth, walk

Counts: TypeAlias = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """How many customers a rule holds for, about.

    Attributes:
        low: at least so many.
        value: about so many.
        high: at most so many.
        exact: whether all three are the count itself.
    """

    low: int
    value: int
    high: int
    exact: bool


@dataclasses.dataclass(frozen=True, slots=True)
class _Range:
    """Bounds and value by chunk, each shape (chunks,)."""

    low: Counts
    value: Counts
    high: Counts


def estimate(formula: Formula, cardinalities: Callable[[Leaf], Counts], universe: Counts) -> Estimate:
    """The estimate of one formula.

    Args:
        formula: over leaves within the universe.
        cardinalities: how many ids a leaf has in each chunk, shape (chunks,).
        universe: how many customers each chunk has, shape (chunks,).
    """
    found = ranges(formula, cardinalities, universe)[formula]
    low, high = int(found.low.sum()), int(found.high.sum())
    value = min(max(round(float(found.value.sum())), low), high)
    return Estimate(low, value, high, low == high)


def expected(formula: Formula, cardinalities: Callable[[Leaf], Counts], universe: Counts) -> dict[Formula, float]:
    """About how many customers each part of *formula* holds for."""
    return {part: float(held.value.sum()) for part, held in ranges(formula, cardinalities, universe).items()}


def ranges(formula: Formula, cardinalities: Callable[[Leaf], Counts], universe: Counts) -> dict[Formula, _Range]:
    """Bounds and value of each part of *formula* by chunk."""
    found: dict[Formula, _Range] = {}
    for part in walk(formula):
        inner = [found[each] for each in part.parts]
        match part:
            case Leaf():
                counts = cardinalities(part)
                found[part] = _Range(counts, counts, counts)
            case Truth():
                counts = universe if part.value else np.zeros_like(universe)
                found[part] = _Range(counts, counts, counts)
            case Not():
                found[part] = _complement(inner[0], universe)
            case And():
                found[part] = _intersection(inner, universe)
            case Or():
                complements = [_complement(each, universe) for each in inner]
                found[part] = _complement(_intersection(complements, universe), universe)
            case _:
                raise AssertionError(type(part).__name__)
    return found


def _complement(of: _Range, universe: Counts) -> _Range:
    return _Range(universe - of.high, universe - of.value, universe - of.low)


def _intersection(parts: list[_Range], universe: Counts) -> _Range:
    low = np.maximum(sum(each.low for each in parts) - (len(parts) - 1) * universe, 0)
    high = reduce(np.minimum, [each.high for each in parts])
    filled = np.maximum(universe, 1)
    value = universe * np.prod([each.value / filled for each in parts], axis=0)
    return _Range(low, np.clip(value, low, high), high)
