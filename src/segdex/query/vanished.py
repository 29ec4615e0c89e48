"""Categories that nobody has any more: a correction took away the last row that was in them.

Rows of a stream with ids may be corrected and removed, by batches that look at those alone whom they name. So whether
anybody has a row in a category is counted: the rows of the base, less those that the changed have there, plus those
that they have now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from segdex.events.store import Events
from segdex.forks import ForkLock
from segdex.generation import Delta, Version
from segdex.rules import nodes
from segdex.schema.calls import metric_of
from segdex.schema.catalog import Catalog
from segdex.schema.families import By, categories_of
from segdex.values.column import Column, Ints
from segdex.values.dictionaries import united

Counts = npt.NDArray[np.int64]


class Vanished:
    """Which categories nobody has in one version. Safe from many threads.

    Args:
        version: a base, and maybe a delta over it.
        before: that of another version of the same base, of which rows are not counted again.
    """

    def __init__(self, version: Version, before: Vanished | None = None) -> None:
        self._version = version
        self._of_base: dict[By, Counts] = {} if before is None else before._of_base
        self._found: dict[By, tuple[set[str], set[str]]] = {}
        self._lock = ForkLock()

    def of(self, items: Iterable[nodes.Item]) -> set[str]:
        """The categories of the families that *items* belong to which nobody has, but somebody had since the base."""
        delta = self._version.delta
        fields = {field for item in items for field in _fields_of(item, self._version.catalog)}
        if delta is None or not any(field.stream in self._version.base.graves for field in fields):
            return set()
        held = [self._held(field, delta) for field in fields]
        return set().union(*(gone for _, gone in held)).difference(*(there for there, _ in held))

    def _held(self, field: By, delta: Delta) -> tuple[set[str], set[str]]:
        """The categories of a field that somebody has, and those that nobody has."""
        with self._lock:
            if field not in self._found:
                self._found[field] = self._count(field, delta)
            return self._found[field]

    def _count(self, field: By, delta: Delta) -> tuple[set[str], set[str]]:
        whole, now = _column(self._version.base.events, field), _column(delta.plus.events, field)
        if field not in self._of_base:
            self._of_base[field] = _rows_by_code(whole)
        strings = united(whole.dictionary, now.dictionary)
        counts = np.zeros(len(strings), np.int64)
        parts = [(whole, self._of_base[field], 1)]
        if field.stream in self._version.base.graves:
            was = _column(delta.minus.events, field)
            parts.append((was, _rows_by_code(was), -1))
        latest = _of_customers(delta.plus.events[field.stream], delta.latest)
        parts.append((now, _rows_by_code(now.take(latest)), 1))
        for column, rows, sign in parts:
            counts[np.asarray(pc.index_in(column.dictionary, strings))] += sign * rows
        there = counts > 0
        return set(strings.filter(pa.array(there)).to_pylist()), set(strings.filter(pa.array(~there)).to_pylist())


def _fields_of(item: nodes.Item, catalog: Catalog) -> tuple[By, ...]:
    """The fields that give a family its categories."""
    if not isinstance(item.of, nodes.Name):
        return categories_of(metric_of(item.of, catalog), catalog.families)
    band = catalog.schema.bands.get(item.of.name)
    return catalog.families.get(item.of.name if band is None else band.metric, ())


def _column(events: Mapping[str, Events], field: By) -> Column:
    return events[field.stream].fields[field.field]


def _rows_by_code(column: Column) -> Counts:
    assert column.dictionary is not None
    return np.bincount(column.data[column.data >= 0], minlength=len(column.dictionary))


def _of_customers(events: Events, customers: Ints) -> Ints:
    """The rows of some customers."""
    theirs = np.zeros(events.customers, np.bool_)
    theirs[customers] = True
    return np.flatnonzero(np.repeat(theirs, np.diff(events.offsets)))
