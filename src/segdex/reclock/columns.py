"""Columns of a later clock that are made when they are read: of some customers anew, of the others from before."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from segdex.generation import Values
from segdex.reclock.finding import within_any
from segdex.reclock.touched import united
from segdex.values import clock
from segdex.values.cells import Cell
from segdex.values.column import Column, Data, Ints

MOST = 8
"""Where more than one customer in so many has a value anew, the column is made at once: it takes less memory."""


def taken(cell: Cell[Values], ids: Ints) -> Column:
    """The values of the customers *ids* in a cell of a column, which is not made for it where that can be saved."""
    if not cell.is_made and isinstance(cell, LaterColumn | Computed):
        return cell.take(ids)
    column = cell.get()
    assert isinstance(column, Column)
    return column.take(ids)


class Computed(Cell[Values]):
    """Values that are computed from their rows, of all customers when they are read.

    Args:
        of_all: computes them.
        of_some: computes those of some customers.
    """

    def __init__(self, of_all: Callable[[], Values], of_some: Callable[[Ints], Values]) -> None:
        super().__init__(of_all)
        self._of_some: Callable[[Ints], Values] | None = of_some

    def take(self, ids: Ints) -> Column:
        """The values of the customers *ids*."""
        of_some = self._of_some
        column = self.get() if of_some is None else of_some(ids)
        assert isinstance(column, Column)
        return column.take(ids) if of_some is None else column

    def let_go(self) -> None:
        """All values are there."""
        self._of_some = None


# --- days since a moment ---------------------------------------------------------------------------------------------

CLOSE = 1e-6
"""Days, more than any number of days is rounded by."""
FARTHEST = 1 << 51
FAR = float(FARTHEST // clock.DAY)
"""Days from which on the moment that they go back to is not told by them to the microsecond; some 71 years."""


@dataclasses.dataclass(frozen=True)
class Since:
    """How days since a moment follow the clock: the moment is the same.

    Days are ``(clock - moment) / day`` as float64. Below 2^51 microseconds a step of one microsecond changes them by
    more than they are rounded by, so that the microseconds, and from them the days at another clock, are found exactly;
    customers who differ never become alike, and never change places.

    Attributes:
        now: the clock, in microseconds UTC.
        of_some: computes the days of some customers from their rows, where they are too many.
    """

    now: int
    of_some: Callable[[Ints], Values]

    def shifted(self, days: Data, before: int, ids: Ints | None = None) -> Data:
        """*days* at the clock *before* as they are now; of the customers *ids*, or of all; a new array."""
        far = np.flatnonzero(np.abs(days) >= FAR)
        moved = np.rint(days * np.float64(clock.DAY))
        moved += np.float64(self.now - before)
        moved /= np.float64(clock.DAY)
        if len(far):
            column = self.of_some(far if ids is None else ids[far])
            assert isinstance(column, Column)
            moved[far] = column.data
        return moved


class LaterColumn(Cell[Values]):
    """A column in which some customers have other values than before, and in which the others may have moved.

    Args:
        base: the column at an earlier clock.
        as_of: that clock.
        ids: the customers who have values of their own, ascending.
        part: these values.
        way: how the others follow the clock; None: they do not.
    """

    def __init__(self, base: Cell[Values], as_of: int, ids: Ints, part: Column, way: Since | None = None) -> None:
        super().__init__(self._made)
        self._base: Cell[Values] | None = base
        self._as_of = as_of
        self._ids = ids
        self._part = part
        self._way = way

    def take(self, ids: Ints) -> Column:
        """The values of the customers *ids*."""
        base = self._base
        if base is None:
            held = self.get()
            assert isinstance(held, Column)
            return held.take(ids)
        column = taken(base, ids)
        data = column.data if self._way is None else self._way.shifted(column.data, self._as_of, ids)
        at = np.minimum(np.searchsorted(self._ids, ids), max(len(self._ids) - 1, 0))
        own = self._ids[at] == ids if len(self._ids) else np.zeros(len(ids), np.bool_)
        data[own] = self._part.data[at[own]]
        return dataclasses.replace(column, data=data)

    def _made(self) -> Values:
        assert self._base is not None
        column = self._base.get()
        assert isinstance(column, Column)
        data = column.data.copy() if self._way is None else self._way.shifted(column.data, self._as_of)
        data[self._ids] = self._part.data
        return dataclasses.replace(column, data=data)

    def let_go(self) -> None:
        """The base is needed no more."""
        self._base = None

    def followed(self, before: int, ids: Ints, part: Column, way: Since | None) -> LaterColumn:
        """The column at a later clock again: *ids* have the values *part*, the others moved from *before* on."""
        base = self._base
        if self.is_made or base is None:
            return LaterColumn(self, before, ids, part, way)
        own = self._part.data if way is None else way.shifted(self._part.data, before, self._ids)
        both = united([self._ids, ids])
        data = np.empty(len(both), own.dtype)
        data[np.searchsorted(both, self._ids)] = own
        data[np.searchsorted(both, ids)] = part.data
        return LaterColumn(base, self._as_of, both, dataclasses.replace(part, data=data), way)


def later_column(
    old: Cell[Values], before: int, ids: Ints, part: Column, way: Since | None, count: int
) -> Cell[Values]:
    """The cell of a column of *count* customers that follows *old*; the chain of columns over columns stays short."""
    unmade = isinstance(old, LaterColumn) and not old.is_made
    made = old.followed(before, ids, part, way) if unmade else LaterColumn(old, before, ids, part, way)  # type: ignore[attr-defined]
    if len(made._ids) * MOST > count:
        made.get()
    return made


def crossing(old: Cell[Values], edges: Sequence[float], before: int, now: int) -> Ints:
    """Who may pass one of *edges* as days since a moment grow from the clock *before* to *now*, and maybe some more.

    Args:
        old: the days at the clock *before*.
        edges: in days.
        before, now: microseconds UTC.
    """
    more, as_of = np.empty(0, np.int64), before
    base = old._base if isinstance(old, LaterColumn) else None
    if base is not None and isinstance(old, LaterColumn):
        more, as_of = old._ids, old._as_of
    column = (old if base is None else base).get()
    assert isinstance(column, Column)
    days = np.array(edges, np.float64)
    found = within_any(
        column.data, days - ((now - as_of) / clock.DAY + CLOSE), days - ((before - as_of) / clock.DAY - CLOSE)
    )
    return united([found, more]) if len(more) else found
