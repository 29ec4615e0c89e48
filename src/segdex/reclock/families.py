"""Families of a later clock that are made when they are read: of some customers anew, of the others from before."""

from __future__ import annotations

import dataclasses

import numpy as np

from segdex.bitmap.predicate import Ids
from segdex.generation import Values
from segdex.metrics import families
from segdex.reclock.touched import united
from segdex.values.cells import Cell
from segdex.values.column import Ints, Mask
from segdex.values.family import Family


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
        both = united([self._ids, ids])
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
