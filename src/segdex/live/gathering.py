"""What some customers have, gathered from the base and from the rows of a delta: their values and their rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from segdex.events.renumber import rows_of, widened
from segdex.events.store import Events
from segdex.events.update import chained, picked
from segdex.values.column import Column, Ints
from segdex.values.dictionaries import lightened
from segdex.values.fold import concatenated
from segdex.values.lazy import Lazy

T = TypeVar("T")


def column_at(column: Column, rows: Ints) -> Column:
    """The items at *rows*; -1: a missing one. Strings that no item has may stay."""
    return lightened(column.take(rows))


def events_at(events: Events, rows: Ints) -> Events:
    """The rows of the customers at *rows*, each at most once; -1: one who has none."""
    inside = np.flatnonzero(rows >= 0)
    return events_in_order([picked(events, rows[inside])], inside, len(rows))


def column_in_order(parts: Sequence[Column], order: Ints) -> Column:
    """The items of several columns, one after another, item i at the place ``order[i]``."""
    together = concatenated(parts)
    if _is_in_order(order, len(order)):
        return together
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return together.take(back)


def events_in_order(parts: Sequence[Events], order: Ints, count: int) -> Events:
    """The rows of several `Events`, whose customer i becomes ``order[i]`` of *count*; the others have none."""
    together = chained(parts)
    if _is_in_order(order, count):
        return together
    # Who has no rows takes the place after the last one.
    positions = np.full(count, len(order), np.int64)
    positions[order] = np.arange(len(order))
    return reordered(widened(together, len(order) + 1), positions)


def _is_in_order(order: Ints, count: int) -> bool:
    return len(order) == count and bool((order[1:] > order[:-1]).all())


def reordered(rows: Events, customers: Ints) -> Events:
    """The rows of *customers*, in their order."""
    bare, taken = rows_of(rows, customers)
    return dataclasses.replace(bare, fields={name: column.take(taken) for name, column in rows.fields.items()})


def lazily(names: Mapping[str, object], make: Callable[[str], T]) -> Lazy[str, T]:
    """What *make* makes of each of *names*, when it is first asked for."""
    return Lazy({name: partial(make, name) for name in names})
