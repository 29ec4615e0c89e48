"""Scores with a half-life at a later clock: near what they are before they are made, so that bands can be told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from segdex.generation import Values
from segdex.reclock.columns import Computed
from segdex.reclock.finding import within_any
from segdex.schema.types import ValueType
from segdex.values.cells import Cell
from segdex.values.column import Column, Floats, Ints

STEP = 1e-12
"""How far a score may be from an earlier one times what it decays by, relative to itself.

Rounding the age in half-lives, of which no more than 1,075 leave anything, changes the power by less than 1e-13; the
power, the product and the factor are rounded too.
"""
TINY = 1e-290
"""Below this floats have fewer digits; nothing is said of what such a score becomes."""


class Decaying(Computed):
    """Scores with a half-life, which decay for everybody alike: what they are, about, is known before they are made.

    Args:
        of_all, of_some: as of `Computed`.
        about: near every customer's score, shape (customers,).
        error: how far off these may be, relative to themselves.
    """

    def __init__(
        self, of_all: Callable[[], Values], of_some: Callable[[Ints], Values], about: Floats, error: float
    ) -> None:
        super().__init__(of_all, of_some)
        self._about: Floats | None = about
        self._error = error

    def let_go(self) -> None:
        """The scores themselves are there."""
        super().let_go()
        self._about = None


def about(scores: Cell[Values]) -> tuple[Floats, float]:
    """Near what the scores in a cell are, and how far off, relative to themselves."""
    if isinstance(scores, Decaying):
        near = scores._about
        if near is not None:
            return near, scores._error
    column = scores.get()
    assert isinstance(column, Column)
    return column.data, 0.0  # type: ignore[return-value]


def decayed(scores: Cell[Values], left: float, ids: Ints, part: Column) -> tuple[Floats, float]:
    """Near what *scores* are when only *left* of each is left; the customers *ids* have the scores *part*."""
    near, error = about(scores)
    later: Floats = near * left
    later[ids] = part.data
    return later, error + STEP


def decaying(scores: Cell[Values], edges: Sequence[float], left: float) -> Ints:
    """Who may pass one of *edges* when only *left* of each score is left, and maybe some more."""
    near, error = about(scores)
    lows, highs = [], []
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        for edge in edges:
            if edge:
                ends = edge * (1 - error - STEP), np.float64(edge * (1 + error + STEP)) / left
                lows.append(min(ends) - TINY)
                highs.append(max(ends) + TINY)
            else:  # a score may become nothing
                least, most = float(np.nextafter(0, 1)), float(np.float64(TINY) / left)
                lows += [-most, least]
                highs += [-least, most]
    return within_any(near, np.array(lows, np.float64), np.array(highs, np.float64))


def labelled(
    scores: Cell[Values], left: float, ids: Ints, label: Callable[[Column], Column], exactly: Callable[[Ints], Column]
) -> Column:
    """The labels of the customers *ids* when only *left* of each score is left.

    Args:
        scores: before that.
        left: the part of a score that is left.
        ids: dense ids.
        label: gives scores their labels, in their order.
        exactly: gives customers their scores; only those are asked for who are too near to an edge.
    """
    near, error = about(scores)
    later = near[ids] * left
    spread_out = np.abs(later) * (error + STEP) + TINY
    of = ValueType("number")
    least, most = (label(Column(of, each)) for each in (later - spread_out, later + spread_out))
    data = most.data.copy()
    unsure = np.flatnonzero(least.data != most.data)
    if len(unsure):
        data[unsure] = label(exactly(ids[unsure])).data
    return dataclasses.replace(most, data=data)
