"""A formula as truth tables of at most six operands each, the form that the kernels evaluate.

The whole of a small formula is one table. Of a large one, parts that fit are tables of their own, and an AND or OR of
many parts becomes a chain: six operands in the first table, its result and five more in the next. An AND begins with
its smallest parts, so that what goes on is small from the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_, or_
from typing import NamedTuple

from segdex.bitmap.program import EVERY_ROW, INPUT_TABLES, MOST_OPERANDS, Node
from segdex.query.formula import And, Formula, Leaf, Not, Truth, walk


class _Table(NamedTuple):
    """A part as a table over operands: leaves are numbered from 0, nodes after them."""

    rows: int
    operands: tuple[int, ...]


def cover(formula: Formula, held: Sequence[Leaf], sizes: Mapping[Formula, float]) -> list[Node]:
    """The tables in the order of evaluation; the last one is the formula.

    Args:
        formula: what to evaluate.
        held: its different leaves, numbered in this order: kernels look at the first operands of a table first.
        sizes: about how many customers each of its parts holds for; none where all leaves fit one table.
    """
    return _Cover(held, sizes).nodes_of(formula)


class _Cover:
    """Nodes under construction."""

    def __init__(self, held: Sequence[Leaf], sizes: Mapping[Formula, float]) -> None:
        self._leaves = len(held)
        self._sizes = sizes
        self._nodes: list[Node] = []
        self._tables: dict[Formula, _Table] = {leaf: _alone(number) for number, leaf in enumerate(held)}

    def nodes_of(self, formula: Formula) -> list[Node]:
        for part in walk(formula):
            if part not in self._tables:
                self._tables[part] = self._table_of(part)
        table = self._tables[formula]
        if not self._nodes or table != _alone(self._leaves + len(self._nodes) - 1):
            self._nodes.append((table.rows, table.operands))
        return self._nodes

    def _table_of(self, part: Formula) -> _Table:
        if isinstance(part, Truth):
            return _Table(EVERY_ROW if part.value else 0, ())
        tables = [self._tables[each] for each in part.parts]
        if isinstance(part, Not):
            return _Table(EVERY_ROW & ~tables[0].rows, tables[0].operands)
        operands = _union(tables)
        return _joined(part, tables, operands) if len(operands) <= MOST_OPERANDS else self._chain(part)

    def _chain(self, part: Formula) -> _Table:
        """An AND or OR of more operands than a table has: the last node of a chain."""
        smallest_first = isinstance(part, And)
        taken: list[_Table] = []
        for each in sorted(part.parts, key=lambda each: self._sizes[each], reverse=not smallest_first):
            table = self._tables[each]
            if len(_union([*taken, table])) > MOST_OPERANDS:
                if len(taken) > 1 or len(taken[0].operands) > 1:
                    taken = [self._node(_joined(part, taken, _union(taken)))]
                if len(_union([*taken, table])) > MOST_OPERANDS:  # it fills a table by itself
                    table = self._node(table)
            taken.append(table)
        return self._node(_joined(part, taken, _union(taken)))

    def _node(self, table: _Table) -> _Table:
        """Make a node of a table, and give the table of that node alone."""
        self._nodes.append((table.rows, table.operands))
        return _alone(self._leaves + len(self._nodes) - 1)


def _alone(operand: int) -> _Table:
    return _Table(INPUT_TABLES[0], (operand,))


def _union(tables: Sequence[_Table]) -> tuple[int, ...]:
    return tuple(sorted({operand for table in tables for operand in table.operands}))


def _joined(part: Formula, tables: Sequence[_Table], operands: tuple[int, ...]) -> _Table:
    rows = [_placed(table, operands) for table in tables]
    return _Table(reduce(and_ if isinstance(part, And) else or_, rows), operands)


def _placed(table: _Table, operands: tuple[int, ...]) -> int:
    """The rows of a table over more operands: row by row, as a sum of products."""
    inputs = [INPUT_TABLES[operands.index(each)] for each in table.operands]
    if table.rows == INPUT_TABLES[0]:
        return inputs[0]
    rows = 0
    for row in range(1 << len(inputs)):
        if table.rows >> row & 1:
            terms = (each if row >> j & 1 else EVERY_ROW & ~each for j, each in enumerate(inputs))
            rows |= reduce(and_, terms, EVERY_ROW)
    return rows
