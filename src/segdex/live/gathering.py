"""What some customers have, gathered from several places at once: their values and their rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from segdex.events.renumber import rows_of, widened
from segdex.events.store import Events
from segdex.events.update import gathered
from segdex.generation import Values
from segdex.values.column import Column, Ints, missing_of
from segdex.values.dictionaries import lightened
from segdex.values.family import Family
from segdex.values.fold import concatenated, patched_family
from segdex.values.lazy import Lazy

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Where each customer's row is.

    Attributes:
        sources: int64, shape (customers,): in which place; -1: nowhere.
        rows: int64, shape (customers,): which row there.
    """

    sources: Ints
    rows: Ints

    def used(self, count: int) -> tuple[Ints, Places]:
        """The places that are used, of *count* that there are, and the same with these numbered from 0."""
        used = np.unique(self.sources[self.sources >= 0])
        numbers = np.full(count + 1, -1, np.int64)
        numbers[used] = np.arange(len(used))
        return used, Places(numbers[self.sources], self.rows)


def values(held: Sequence[Mapping[str, Values]], name: str, places: Places) -> Values:
    """The values of *name*, missing for who is nowhere; nothing is read of places that are not used."""
    used, at = places.used(len(held))
    chosen = [held[source][name] for source in (used.tolist() or [0])]
    if isinstance(chosen[0], Family):
        return _family([each for each in chosen if isinstance(each, Family)], at)
    rows = np.where(at.sources < 0, -1, at.rows)
    return _column([each for each in chosen if isinstance(each, Column)], np.maximum(at.sources, 0), rows)


def _column(columns: Sequence[Column], sources: Ints, rows: Ints) -> Column:
    """As `segdex.values.fold.gather`, but strings that no item has may stay."""
    if len(columns) == 1:
        return lightened(columns[0].take(rows))
    order = np.argsort(sources, kind="stable")
    sizes = np.bincount(sources, minlength=len(columns))
    ends = np.cumsum(sizes)
    parts = [
        lightened(each.take(rows[order[end - size : end]]))
        for each, size, end in zip(columns, sizes.tolist(), ends.tolist(), strict=True)
    ]
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return concatenated(parts).take(back)


def column(held: Sequence[Mapping[str, Column]], name: str, places: Places) -> Column:
    """As `values`, of what is no family."""
    found = values(held, name, places)
    assert isinstance(found, Column)
    return found


def _family(families: Sequence[Family], places: Places) -> Family:
    count, first = len(places.rows), families[0]
    made = dataclasses.replace(
        first,
        offsets=np.zeros(len(first.categories) + 1, np.int64),
        customers=np.empty(0, np.uint32),
        column=first.column.slice(0, 0),
        among=None if first.among is None else np.zeros(count, np.bool_),
        rests=None if first.rests is None else np.full(count, missing_of(first.rests.dtype), first.rests.dtype),
    )
    for source, family in enumerate(families):
        here = np.flatnonzero(places.sources == source)
        made = patched_family(made, family, here, places.rows[here], count)
    return made


def events(held: Sequence[Mapping[str, Events]], name: str, places: Places) -> Events:
    """The rows of a stream, none for who is nowhere."""
    used, at = places.used(len(held))
    chosen = [held[source][name] for source in (used.tolist() or [0])]
    parts = [(each, at.rows[at.sources == number]) for number, each in enumerate(chosen)]
    together = gathered(parts)
    order = np.argsort(at.sources, kind="stable")
    order = order[at.sources[order] >= 0]
    if len(order) == len(at.rows) and bool((order[1:] > order[:-1]).all()):
        return together
    # Who is nowhere takes the place after the last one, which has no rows.
    positions = np.full(len(at.rows), len(order), np.int64)
    positions[order] = np.arange(len(order))
    return reordered(widened(together, len(order) + 1), positions)


def reordered(rows: Events, customers: Ints) -> Events:
    """The rows of *customers*, in their order."""
    bare, taken = rows_of(rows, customers)
    return dataclasses.replace(bare, fields={name: column.take(taken) for name, column in rows.fields.items()})


def lazily(names: Mapping[str, object], make: Callable[[str], T]) -> Lazy[str, T]:
    """What *make* makes of each of *names*, when it is first asked for."""
    return Lazy({name: partial(make, name) for name in names})
