"""What some customers have, gathered from several places at once: their values and their rows."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from segdex.events.renumber import rows_of, widened
from segdex.events.store import Events
from segdex.events.update import gathered
from segdex.forks import Once
from segdex.generation import Values
from segdex.values.column import Column, Ints, missing_of
from segdex.values.dictionaries import lightened, places_in, united
from segdex.values.family import Family, codes_of
from segdex.values.fold import concatenated, patched_family
from segdex.values.lazy import Lazy

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, eq=False)
class Places:
    """Where each customer's row is.

    Attributes:
        sources: int64, shape (customers,): in which place; -1: nowhere.
        rows: int64, shape (customers,): which row there.
    """

    sources: Ints
    rows: Ints

    @Once
    def used(self) -> tuple[Ints, Places]:
        """The places that are used, and the same with these numbered from 0; made once for all that is gathered."""
        used = np.unique(self.sources[self.sources >= 0])
        numbers = np.full(int(used[-1] if len(used) else 0) + 2, -1, np.int64)
        numbers[used] = np.arange(len(used))
        return used, Places(numbers[self.sources], self.rows)

    @Once
    def groups(self) -> list[Ints]:
        """The customers of each place, by the number of the place; those who are nowhere are in none."""
        order = np.argsort(self.sources, kind="stable")
        sources = self.sources[order]
        ends = np.searchsorted(sources, np.arange(-1, int(sources[-1] if len(sources) else -1) + 1), "right")
        return [order[start:end] for start, end in itertools.pairwise(ends.tolist())]


def values(held: Sequence[Mapping[str, Values]], name: str, places: Places) -> Values:
    """The values of *name*, missing for who is nowhere; nothing is read of places that are not used."""
    used, at = places.used
    chosen = [held[source][name] for source in (used.tolist() or [0])]
    if isinstance(chosen[0], Family):
        return _family([each for each in chosen if isinstance(each, Family)], at)
    return _column([each for each in chosen if isinstance(each, Column)], at)


def _column(columns: Sequence[Column], places: Places) -> Column:
    """As `segdex.values.fold.gather`, but strings that no item has may stay."""
    groups = places.groups or [np.empty(0, np.int64)]
    parts = [lightened(each.take(places.rows[group])) for each, group in zip(columns, groups, strict=True)]
    back = np.full(len(places.rows), -1, np.int64)
    together = np.concatenate(groups)
    back[together] = np.arange(len(together))
    return concatenated(parts).take(back)


def column(held: Sequence[Mapping[str, Column]], name: str, places: Places) -> Column:
    """As `values`, of what is no family."""
    found = values(held, name, places)
    assert isinstance(found, Column)
    return found


def _family(families: Sequence[Family], places: Places) -> Family:
    if _are_alike(families):
        return _pairs(families, places)
    count, first = len(places.rows), families[0]
    made = dataclasses.replace(
        first,
        offsets=np.zeros(len(first.categories) + 1, np.int64),
        customers=np.empty(0, np.uint32),
        column=first.column.slice(0, 0),
        among=None if first.among is None else np.zeros(count, np.bool_),
        rests=None if first.rests is None else np.full(count, missing_of(first.rests.dtype), first.rests.dtype),
    )
    for family, here in zip(families, places.groups, strict=False):
        made = patched_family(made, family, here, places.rows[here], count)
    return made


def _are_alike(families: Sequence[Family]) -> bool:
    """Whether customers without a pair have the same in all of *families*, and codes mean the same."""
    first = families[0]
    return all(
        (each.rest == first.rest or (each.rest != each.rest and first.rest != first.rest))
        and each.rests is None
        and (each.among is None) == (first.among is None)
        and (each.column.dictionary is None or each.column.dictionary.equals(first.column.dictionary))
        for each in families
    )


def _pairs(families: Sequence[Family], places: Places) -> Family:
    """The pairs of all, each of its customer; of who is nowhere there is none."""
    first, count = families[0], len(places.rows)
    same = all(each.categories.equals(first.categories) for each in families)
    categories = first.categories if same else united(*(each.categories for each in families))
    among = None if first.among is None else np.zeros(count, np.bool_)
    found: list[Ints] = [np.empty(0, np.int64)]
    data: list[Any] = [first.column.data[:0]]
    for family, here in zip(families, places.groups, strict=False):
        rows = places.rows[here]
        codes, kept, owners = _own_pairs(family, rows)
        found.append((codes if same else places_in(family.categories, categories)[codes]) << 32 | here[owners])
        data.append(family.column.data[kept])
        if among is not None and family.among is not None:
            among[here] = family.among[rows]
    pairs = np.concatenate(found)
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    return dataclasses.replace(
        first,
        categories=categories,
        offsets=np.searchsorted(pairs >> 32, np.arange(len(categories) + 1)),
        customers=(pairs & 0xFFFFFFFF).astype(np.uint32),
        column=dataclasses.replace(first.column, data=np.concatenate(data)[order]),
        among=among,
    )


def _own_pairs(family: Family, customers: Ints) -> tuple[Ints, Ints, Ints]:
    """The pairs of some customers: category, place, and whose of *customers* each is. Of few not all are looked at."""
    if _FEW * len(customers) * len(family.categories) >= len(family.customers):
        to = np.full(max(int(customers.max(initial=-1)), int(family.customers.max(initial=0))) + 1, -1, np.int64)
        to[customers] = np.arange(len(customers))
        owners = to[family.customers]
        kept = np.flatnonzero(owners >= 0)
        return codes_of(family)[kept].astype(np.int64), kept, owners[kept]
    order = np.argsort(customers, kind="stable")
    wanted = customers[order].astype(np.uint32)
    found: list[tuple[Ints, Ints, Ints]] = []
    for code, (start, end) in enumerate(itertools.pairwise(family.offsets.tolist())):
        own = family.customers[start:end]
        at = np.minimum(np.searchsorted(own, wanted), max(len(own) - 1, 0))
        hit = np.flatnonzero(own[at] == wanted) if len(own) else np.empty(0, np.int64)
        found.append((np.full(len(hit), code, np.int64), start + at[hit], order[hit]))
    codes, kept, owners = (np.concatenate(each) for each in zip(*found, strict=True))
    return codes, kept, owners


_FEW = 16
"""To look a customer up in a category takes as long as to go past so many pairs, about."""


def events(held: Sequence[Mapping[str, Events]], name: str, places: Places) -> Events:
    """The rows of a stream, none for who is nowhere."""
    used, at = places.used
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
