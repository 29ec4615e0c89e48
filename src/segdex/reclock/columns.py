"""Values of a later clock that are made when they are read: of some customers anew, of the others from before."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from segdex.bitmap.predicate import Ids
from segdex.bitmap.ranks import Bound, Ranks, ranks_of
from segdex.bitmap.rerank import reranked
from segdex.generation import Values
from segdex.metrics import families
from segdex.metrics.select import spread
from segdex.reclock import kernels_rows
from segdex.schema.types import ValueType
from segdex.values import clock
from segdex.values.cells import Cell
from segdex.values.column import Column, Data, Floats, Ints, Mask
from segdex.values.family import Family

MOST = 8
"""Where more than one customer in so many has a value anew, the column is made at once: it takes less memory."""


class Taking(Protocol):
    """What can tell the values of some customers before those of all are made."""

    def take(self, ids: Ints) -> Values:
        """The values of the customers *ids*."""


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
        self._of_some = of_some

    def take(self, ids: Ints) -> Column:
        """The values of the customers *ids*."""
        column = self._of_some(ids)
        assert isinstance(column, Column)
        return column


# --- scores ------------------------------------------------------------------------------------------------------

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


# --- days since --------------------------------------------------------------------------------------------------

CLOSE = 1e-6
"""Days, more than any number of days is rounded by."""
BLOCK = 1 << 20
"""Items that are looked at at once."""
BUCKETS = 1 << 14
"""Most values are told from those that may be wanted by a table of so many buckets, which fits the nearest cache."""
LARGE = 1e15
"""Values farther from 0 are not told apart by the table."""
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
        both = np.union1d(self._ids, ids)
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
    return np.union1d(found, more) if len(more) else found


def within_any(values: Data, lows: Floats, highs: Floats) -> Ints:
    """The items whose value is from one of *lows* to its high, ascending."""
    if not len(lows):
        return np.empty(0, np.int64)
    near = np.clip(lows, -LARGE, LARGE), np.clip(highs, -LARGE, LARGE)
    low, high = float(near[0].min()), float(near[1].max())
    scale = (BUCKETS - 2) / max(high - low, 1e-300)
    marks = np.zeros(BUCKETS, np.uint8)
    for ends in zip(*near, strict=True):
        first, last = (int((end - low) * scale) for end in ends)
        marks[max(first - 1, 0) : last + 2] = 1

    def one(start: int) -> Ints:
        part = values[start : start + BLOCK]
        items = np.empty(len(part) + 1, np.int64)
        items = items[: kernels_rows.find_floats(part, low, scale, marks, items)]
        held = part[items]
        there = np.zeros(len(items), np.bool_)
        for ends in zip(lows, highs, strict=True):
            there |= (held >= ends[0]) & (held <= ends[1])
        return items[there] + start

    found = spread(one, list(range(0, len(values), BLOCK)) or [0])
    if lows.min() == low and highs.max() == high:
        return np.concatenate(found)
    outside = (values < low) & (lows.min() < low) | (values > high) & (highs.max() > high)
    return np.union1d(np.concatenate(found), np.flatnonzero(outside))


# --- ranks -------------------------------------------------------------------------------------------------------


class LaterRanks(Cell[Ranks]):
    """Ranks of a column that are made from earlier ones, or anew, when they are read.

    Args:
        root: earlier ranks; None: all are sorted.
        ids: the customers whose values do not move along with the others' since then, ascending.
        values: the column.
        edges: where bands of it begin.
        inside: who is in the universe, shape (customers,); None: everybody.
    """

    def __init__(
        self,
        root: Cell[Ranks] | None,
        ids: Ints,
        values: Cell[Values],
        edges: tuple[Bound, ...],
        inside: Mask | None,
    ) -> None:
        super().__init__(self._made)
        self._root, self._ids, self._values, self._edges, self._inside = root, ids, values, edges, inside

    def _made(self) -> Ranks:
        column = self._values.get()
        assert isinstance(column, Column)
        data = column.data
        if self._root is None:
            return ranks_of(data, self._edges, self._inside)  # type: ignore[arg-type]
        return reranked(self._root.get(), data, self._ids.astype(np.uint32), self._edges, self._inside)  # type: ignore[arg-type]

    def let_go(self) -> None:
        """The earlier ranks are needed no more."""
        self._root = None

    def root(self) -> tuple[Cell[Ranks] | None, Ints]:
        """What the ranks of a later clock are made from: the earlier ranks, and who has changed since."""
        if self.is_made:
            return self, self._ids[:0]
        return self._root, self._ids


def later_ranks(
    old: Cell[Ranks], ids: Ints, values: Cell[Values], edges: tuple[Bound, ...], inside: Mask | None
) -> LaterRanks:
    """The cell of ranks that follows *old*: the customers *ids* have other values, the others moved alike."""
    root: Cell[Ranks] | None = old
    if isinstance(old, LaterRanks):
        root, before = old.root()
        ids = np.union1d(before, ids)
    return LaterRanks(root, ids, values, edges, inside)


# --- families ----------------------------------------------------------------------------------------------------


class LaterFamily(Cell[Values]):
    """A family in which some customers have other values than before.

    Args:
        base: the family as it was.
        ids: these customers, ascending.
        part: their pairs, under their dense ids, and of the masks and values that a family has for every customer
            those of *ids*.
        count: how many customers there are.
    """

    def __init__(self, base: Cell[Values], ids: Ints, part: Family, count: int) -> None:
        super().__init__(self._made)
        self._base: Cell[Values] | None = base
        self._ids, self._part, self._count = ids, part, count

    def _made(self) -> Values:
        assert self._base is not None
        family = self._base.get()
        assert isinstance(family, Family)
        among = family.among
        if among is not None:
            among = among.copy()
            among[self._ids] = self._part.among
        spliced = _spliced(family, _marked(self._ids, self._count), self._part)
        return dataclasses.replace(spliced, among=among)

    def let_go(self) -> None:
        """The base is needed no more."""
        self._base = None

    def followed(self, ids: Ints, part: Family) -> LaterFamily:
        """The family after another change."""
        base = self._base
        if self.is_made or base is None:
            return LaterFamily(self, ids, part, self._count)
        both = np.union1d(self._ids, ids)
        merged = _spliced(self._part, _marked(ids, self._count), part)
        if part.among is not None and self._part.among is not None:
            among = np.empty(len(both), np.bool_)
            among[np.searchsorted(both, self._ids)] = self._part.among
            among[np.searchsorted(both, ids)] = part.among
            merged = dataclasses.replace(merged, among=among)
        return LaterFamily(base, both, merged, self._count)


def later_family(old: Cell[Values], ids: Ints, part: Family, count: int) -> LaterFamily:
    """The cell of a family that follows *old*."""
    if isinstance(old, LaterFamily):
        return old.followed(ids, part)
    return LaterFamily(old, ids, part, count)


def _marked(ids: Ints, count: int) -> Mask:
    marks = np.zeros(count, np.bool_)
    marks[ids] = True
    return marks


def _spliced(family: Family, gone: Mask, part: Family) -> Family:
    """*family* without the pairs of the customers in *gone*, and with those of *part*."""
    stays = ~gone[family.customers]
    codes = np.concatenate([families.codes_of(family)[stays], families.codes_of(part)])
    customers = np.concatenate([family.customers[stays], part.customers])
    data = np.concatenate([family.column.data[stays], part.column.data])
    order = np.argsort((codes.astype(np.int64) << 32) | customers, kind="stable")
    codes, column = codes[order], dataclasses.replace(family.column, data=data[order])
    offsets = np.searchsorted(codes, np.arange(len(family.categories) + 1))
    return dataclasses.replace(family, offsets=offsets, customers=customers[order], column=column)


def global_part(part: Family, ids: Ints) -> Family:
    """A family of the customers *ids*, counted from 0, with their dense ids in its pairs."""
    customers: Ids = ids[part.customers].astype(np.uint32)
    return dataclasses.replace(part, customers=customers)
