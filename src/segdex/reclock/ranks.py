"""Ranks of a later clock that are made when they are read, from earlier ones."""

from __future__ import annotations

import numpy as np

from segdex.bitmap.ranks import Bound, Ranks, ranks_of
from segdex.bitmap.rerank import reranked
from segdex.generation import Values
from segdex.reclock.touched import united
from segdex.values.cells import Cell
from segdex.values.column import Column, Ints, Mask


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
        ids = united([before, ids])
    return LaterRanks(root, ids, values, edges, inside)
