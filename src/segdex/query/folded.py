"""A version as one generation: the base's columns and sets with the rows of those who have changed put in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from segdex.bitmap import kernels_rows
from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import CHUNK, Predicate
from segdex.events.fold import folded as folded_events
from segdex.events.store import Events
from segdex.generation import Delta, Generation, PredicateName, Values, Version
from segdex.query.among import fits
from segdex.query.bind import Bound
from segdex.query.customers import Customers
from segdex.query.execute import Executor
from segdex.rules import nodes
from segdex.schema.calls import metric_of
from segdex.values.column import Column, distinct
from segdex.values.dictionaries import trimmed
from segdex.values.family import Family
from segdex.values.fold import patched, patched_family
from segdex.values.lazy import Lazy

if TYPE_CHECKING:
    from segdex.query.answers import Answers


def folded(version: Version, universe: Predicate) -> Generation:
    """Base and delta as one generation of all dense ids, without ranks; each part is made when it is asked for."""
    base, delta, count = version.base, version.delta, version.count
    assert delta is not None
    values = Lazy({name: partial(_values, base, delta, count, name) for name in base.values})
    return dataclasses.replace(
        base,
        number=version.number,
        count=count,
        key_source=version.key_source,
        universe=universe,
        values=values,
        dictionaries=Lazy({name: partial(_dictionary, values, name) for name in base.dictionaries}),
        events=Lazy(
            {name: partial(_events, base.events, delta.plus.events, delta, count, name) for name in base.events}
        ),
        predicates=_Sets(base, delta, count),
        ranks={},
        graves=Lazy(
            {name: partial(_events, base.graves, delta.plus.graves, delta, count, name) for name in base.graves}
        ),
        hidden=Lazy({name: partial(_hidden, base, delta, count, name) for name in base.hidden}),
    )


def put_values(base: Values, now: Values, delta: Delta, count: int) -> Values:
    """The values of the base with those of who has changed, of *now*, put in."""
    if isinstance(base, Family):
        assert isinstance(now, Family)
        return patched_family(base, now, delta.ids, delta.latest, count)
    assert isinstance(now, Column)
    return trimmed(put_column(base, now, delta, count))  # strings that nobody has any more are not told of


def put_column(base: Column, now: Column, delta: Delta, count: int) -> Column:
    """The column of the base with the items of who has changed, of *now*, put in."""
    return patched(base, now, delta.ids, delta.latest, count)


def _values(base: Generation, delta: Delta, count: int, name: str) -> Values:
    return put_values(base.values[name], delta.plus.values[name], delta, count)


def _hidden(base: Generation, delta: Delta, count: int, name: str) -> Column:
    return put_column(base.hidden[name], delta.plus.hidden[name], delta, count)


def _dictionary(values: Lazy[str, Values], name: str) -> Column:
    held = values[name]
    return distinct(held.column if isinstance(held, Family) else held)


def _events(base: Mapping[str, Events], now: Mapping[str, Events], delta: Delta, count: int, name: str) -> Events:
    return folded_events(base[name], now[name], delta.ids, delta.latest, count)


class _Sets(Mapping[PredicateName, Predicate]):
    """The sets that those who have changed have too; made, and looked for, when they are asked for."""

    def __init__(self, base: Generation, delta: Delta, count: int) -> None:
        self._base, self._count = base, count
        self._now, self._owners = delta.plus.predicates, delta.owners
        self._made: dict[PredicateName, Predicate] = {}

    def __getitem__(self, name: PredicateName) -> Predicate:
        made = self._made.get(name)
        if made is None:
            made = self._made.setdefault(name, self._set(name))
        return made

    def _set(self, name: PredicateName) -> Predicate:
        now = self._now[name]
        bits = np.zeros(-(-self._count // CHUNK) * (CHUNK // 64), np.uint64)
        if name in self._base.predicates:
            old = hot.to_words(self._base.predicates[name])
            bits[: len(old)] = old
        kernels_rows.put_bits(hot.to_words(now), self._owners, bits)
        return hot.from_words(bits, self._count)

    def __contains__(self, name: object) -> bool:
        return name in self._now

    def __iter__(self) -> Iterator[PredicateName]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)


class Folded(Executor):
    """Answers over a folded generation: sets and inline calls come from base and delta, where they may be known."""

    def __init__(self, answers: Answers, generation: Generation, memory_limit: int | None) -> None:
        super().__init__(generation, memory_limit, answers.binder)
        assert answers.plus is not None
        assert answers.version.delta is not None
        self._answers = answers
        self.customers = _FoldedCustomers(generation, answers, answers.plus, answers.version.delta)

    def members(self, bound: Bound) -> Predicate:
        """The customers that the rule holds for."""
        return self._answers.members(bound)


class _FoldedCustomers(Customers):
    """Columns of a folded generation; inline calls are those of base and delta put together."""

    def __init__(self, generation: Generation, answers: Answers, plus: Executor, delta: Delta) -> None:
        super().__init__(generation)
        self._base, self._plus, self._delta, self._vanished = answers.base, plus, delta, answers.vanished

    def vanished(self, items: list[nodes.Item]) -> set[str]:
        """Those among the categories of the families that nobody has any more."""
        return self._vanished.of(items)

    def _computed(self, node: nodes.Call | nodes.Sequence | nodes.Bucket) -> Values:
        if isinstance(node, nodes.Call) and fits(metric_of(node, self._generation.catalog)):
            return super()._computed(node)
        base, now = (each.customers.held_of(node) for each in (self._base, self._plus))
        return put_values(base, now, self._delta, self.count)
