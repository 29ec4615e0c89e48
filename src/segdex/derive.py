"""From tables to a generation: metrics, bands, stages and their predicates, each after what it uses."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.bitmap.ranks import Ranks, ranks_of
from segdex.errors import LimitError, SchemaError
from segdex.events.store import Events
from segdex.forks import Once
from segdex.generation import MEMBER, Generation, PredicateName, Values, changeable
from segdex.ingest.keys import AnyKeys
from segdex.ingest.read import Tables
from segdex.metrics.bands import band, dictionary_of
from segdex.metrics.compute import Source, compute_fitted
from segdex.order import chosen, customers_first, moved, places_by
from segdex.query.among import fits
from segdex.query.bind import Binder, Bound
from segdex.query.execute import Executor
from segdex.query.scan import Scan
from segdex.rules import nodes
from segdex.schema.calls import metric_of
from segdex.schema.catalog import Catalog
from segdex.schema.model import Band, Metric
from segdex.schema.types import ValueType
from segdex.sets import sets_of
from segdex.spread import spread
from segdex.values.column import Column, Ints, Mask, distinct
from segdex.values.dictionaries import trimmed
from segdex.values.family import Family

RANKED = ("integer", "number", "date", "time")
"""The kinds whose values are compared by size."""
Fitted = Mapping[str, tuple[int | float, ...]]
"""What was fitted to data, see `Generation`."""
FEW = 1 << 14
"""Metrics of so few customers are computed one after another: to hand them to threads takes longer."""
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many parts are done, and how many there are."""


def derive(
    catalog: Catalog,
    tables: Tables,
    as_of: int,
    progress: Progress | None = None,
    fitted: Fitted | None = None,
    like: Generation | None = None,
) -> Generation:
    """Compute everything that *catalog* declares over *tables*, as of the clock *as_of*.

    Args:
        catalog: the checked schema.
        tables: may be emptied: where customers are not numbered by their keys, columns move out of it one by one.
        as_of: the clock, in microseconds UTC.
        progress: called after each step.
        fitted: what an earlier generation fitted to its data; as far as *catalog* still asks for it, it is used again
            in place of fitting.
        like: a generation of the same customers, whose numbering and loaded segments are kept.
    """
    kept = _still_fitted(catalog, fitted or {})
    order = chosen(catalog, tables) if like is None else like.order
    if like is None and (order or tables.universe is not None):
        if progress is not None:
            progress("ordering customers", 0, 0)
        places = _places(order, catalog, tables, as_of, kept) if order else np.arange(len(tables.keys))
        tables = moved(tables, customers_first(places, tables.universe))
    begun = _begun(catalog, tables, as_of, order, kept)
    if like is not None:
        sets = {name: held for name, held in like.predicates.items() if name.label == MEMBER and loaded(name, catalog)}
        begun = dataclasses.replace(begun, epoch=like.epoch, number=like.number, predicates=sets)
    made = Derivation(begun, tables.attributes)
    names = [*catalog.given, *(name for name in catalog.order if name not in catalog.schema.segments)]
    for done, name in enumerate(names):
        if progress is not None:
            progress(f"computing {name}", done, len(names))
        made.compute(name)
        made.settle(name)
    # After all names, so that the edges of bands are known. Until then comparisons look at every value.
    if progress is not None:
        progress("ranking values", len(names), len(names))
    made.rank(names)
    if progress is not None:
        progress("computed", len(names), len(names))
    return made.generation


def loaded(name: PredicateName, catalog: Catalog) -> bool:
    """Whether a set is that of a segment without a rule."""
    segment = catalog.schema.segments.get(name.name)
    return segment is not None and segment.where is None


def _still_fitted(catalog: Catalog, fitted: Fitted) -> Fitted:
    """What of *fitted* belongs to bands and models of *catalog* that are fitted to data."""
    bands, metrics = catalog.schema.bands, catalog.schema.metrics
    asked = {name for name, declared in bands.items() if declared.edges is None}
    asked |= {name for name, metric in metrics.items() if metric.kind == "p_alive" and metric.r is None}
    return {name: values for name, values in fitted.items() if name in asked}


def _places(order: Sequence[str], catalog: Catalog, tables: Tables, as_of: int, kept: Fitted) -> Ints:
    """The places of customers in their order: what it is made of is computed for them as they are, without sets."""
    made = Derivation(_begun(catalog, tables, as_of, (), kept), tables.attributes)
    needed = _needed(order, catalog)
    for name in catalog.order:
        if name in needed and name not in catalog.schema.segments:
            made.compute(name)
    columns = [made.values[name] for name in order]
    return places_by(columns, catalog)  # type: ignore[arg-type]


def _needed(names: Sequence[str], catalog: Catalog) -> set[str]:
    """*names* and everything that they are computed from."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left.extend(catalog.uses[name])
    return found


def changed(
    old: Generation, catalog: Catalog, given: Mapping[str, Column], sets: Mapping[str, Predicate]
) -> Generation:
    """The generation after *old*: some names have other values, and what uses them is computed anew.

    Args:
        old: stays as it is; what does not change is shared with it.
        catalog: its schema, in which the changed names are declared, and others may be gone.
        given: the values of attributes, labels and scores, each of shape (customers,).
        sets: the members of segments that have no rule.
    """
    made = Derivation(dataclasses.replace(old, catalog=catalog, number=old.number + 1))
    affected = using({*given, *sets}, catalog)
    names = [*given, *affected]
    made.forget({*names, *sets, *(old.catalog.types.keys() - catalog.types.keys())})
    for name, members in sets.items():
        made.predicates[PredicateName(name, MEMBER)] = members
    for name, column in given.items():
        made.put(name, column)
        made.settle(name)
    for name in affected:
        made.compute(name)
        made.settle(name)
    made.rank(names)
    return made.generation


def redeclared(old: Generation, catalog: Catalog, progress: Progress | None = None) -> Generation:
    """*old* under another schema of the same attributes and streams: what is new or changed is computed from its rows.

    Args:
        old: stays as it is; what does not change is shared with it.
        catalog: the schema.
        progress: called for each name that is computed.
    """
    new = {name for name in catalog.order if declaration(catalog, name) != declaration(old.catalog, name)}
    gone = old.catalog.types.keys() - catalog.types.keys()
    affected = {name for name in (*new, *using(new, catalog)) if name not in catalog.schema.segments}
    order = tuple(name for name in old.order if name not in gone)
    made = Derivation(dataclasses.replace(old, catalog=catalog, order=order))
    # What is a segment with a rule now may have been something that values or members were kept of.
    ruled = {name for name in new if name in catalog.schema.segments}
    made.forget({*gone, *affected, *ruled})
    made.unfit({*gone, *new})
    names = [name for name in catalog.order if name in affected]
    for done, name in enumerate(names):
        if progress is not None:
            progress(f"computing {name}", done, len(names))
        made.compute(name)
        made.settle(name)
    metrics = {catalog.schema.bands[name].metric for name in names if name in catalog.schema.bands}
    made.rank(dict.fromkeys((*names, *sorted(metrics))))
    return made.generation


def renamed(old: Generation, catalog: Catalog, was: str, name: str) -> Generation:
    """*old* in which *was* is called *name*, under the schema *catalog*, which says so too; nothing is computed."""
    order = tuple(name if each == was else each for each in old.order)
    made = Derivation(dataclasses.replace(old, catalog=catalog, order=order))
    made.rename(was, name)
    return made.generation


def declared_alike(fitted: Fitted, old: Catalog, catalog: Catalog) -> Fitted:
    """What of *fitted*, under *old*, belongs to names that *catalog* declares alike, their metrics too."""

    def alike(name: str) -> bool:
        band = catalog.schema.bands.get(name)
        names = [name] if band is None else [name, band.metric]
        return all(declaration(old, each) == declaration(catalog, each) for each in names)

    return {name: held for name, held in fitted.items() if alike(name)}


def declaration(catalog: Catalog, name: str) -> object:
    """What a schema says of a metric, band, stage or segment; None: there is none of this name."""
    schema = catalog.schema
    held = (schema.metrics, schema.bands, schema.stages, schema.segments)
    return next((each[name] for each in held if name in each), None)


def _expect_fitted(catalog: Catalog, binder: Binder) -> None:
    """What is kept of some customers must not depend on all others.

    Raises:
        SchemaError: a stage or tracked segment fits a model to all customers; a declared metric keeps its parameters.
    """
    for place, call in binder.kept_calls:
        if call.kind == "p_alive" and fits(metric_of(call, catalog)):
            raise SchemaError(
                "a rule whose answers are kept fits a model to all customers, which single ones cannot change",
                place=place, found="p_alive without parameters",
                hint="declare it as a metric, whose parameters are kept, and use its name; alter() takes such a schema",
            )  # fmt: skip


def derive_few(
    like: Generation,
    key_source: Callable[[], AnyKeys],
    given: Mapping[str, Values],
    events: Mapping[str, Events],
    graves: Mapping[str, Events],
    sets: Mapping[str, Predicate],
    hidden: Mapping[str, Column],
    inside: Mask,
    binder: Binder,
    elsewhere: Callable[[list[nodes.Item]], set[str]],
) -> tuple[Generation, Scan]:
    """Everything that the schema of *like* declares, of other customers at the same clock, without sets and ranks.

    Args:
        like: what was fitted to its data is used again.
        key_source: gives the keys of the customers.
        given: their attributes, labels and scores.
        events: their rows of each stream.
        graves: of streams with ids, the rows that are no events.
        sets: which of them are in segments that have no rule.
        hidden: columns that no rule can name.
        inside: which of them are in the universe, shape (customers,).
        binder: binds rules to the schema.
        elsewhere: the categories that all others have.

    Returns:
        the generation, and what tells whom rules hold for.
    """
    begun = dataclasses.replace(
        like, count=len(inside), key_source=key_source, universe=hot.from_mask(inside), values={}, dictionaries={},
        events=events, predicates={PredicateName(name, MEMBER): held for name, held in sets.items()}, ranks={},
        hidden=hidden, graves=graves,
    )  # fmt: skip
    catalog = like.catalog
    _expect_fitted(catalog, binder)
    made = Derivation(begun, given, binder)  # type: ignore[arg-type]
    made.executor.customers.elsewhere = elsewhere
    done = made.compute_apart() if len(inside) > FEW else set()
    for name in catalog.order:
        if name not in catalog.schema.segments and name not in done:
            made.compute(name)
    assert made.scan is not None
    return made.generation, made.scan


def using(names: Set[str], catalog: Catalog) -> list[str]:
    """What is computed from *names*, each after what it uses; segments, which nothing is kept of, are left out."""
    found = set(names)
    for name in catalog.order:
        if catalog.uses[name] & found:
            found.add(name)
    return [name for name in catalog.order if name in found - names and name not in catalog.schema.segments]


def _begun(catalog: Catalog, tables: Tables, as_of: int, order: tuple[str, ...], fitted: Fitted) -> Generation:
    """The first generation of an index, without any values yet."""
    return Generation(
        catalog=catalog,
        as_of=as_of,
        number=1,
        epoch=secrets.token_hex(8),
        count=len(tables.keys),
        key_source=lambda: tables.keys,
        universe=hot.everyone(len(tables.keys)) if tables.universe is None else hot.from_mask(tables.universe),
        values={},
        dictionaries={},
        events=tables.events,
        predicates={},
        ranks={},
        fitted=dict(fitted),
        order=order,
        lookups=tables.lookups,
        hidden=tables.hidden,
        graves=tables.graves,
    )


class Derivation:
    """A generation in the making.

    Its dictionaries grow while metrics, bands and stages are computed in the order of their use; the executor sees each
    name from the moment that it is there, and nobody else sees the generation before the end.
    """

    def __init__(
        self, begun: Generation, given: Mapping[str, Column] | None = None, binder: Binder | None = None
    ) -> None:
        self.values = changeable(begun.values)
        self._dictionaries = changeable(begun.dictionaries)
        self.predicates = changeable(begun.predicates)
        self.ranks = changeable(begun.ranks)
        self.fitted = changeable(begun.fitted)
        self.generation = dataclasses.replace(
            begun,
            values=self.values,
            dictionaries=self._dictionaries,
            predicates=self.predicates,
            ranks=self.ranks,
            fitted=self.fitted,
        )
        self._inside = None if begun.all_inside else hot.to_mask(begun.universe, begun.count)
        self.executor = Executor(self.generation, binder=binder)
        # Of few customers no sets are made: rules look at their values.
        self.scan = None if binder is None else Scan(self.executor)
        for name, column in (given or {}).items():
            self.put(name, column)

    def compute(self, name: str) -> None:
        """The values of *name*; those of everything that it uses are there."""
        schema = self.generation.catalog.schema
        if name in schema.metrics:
            self._hold(name, *self._computed(name, schema.metrics[name]))
        elif name in schema.bands:
            # Edges that were fitted to the data stay until the next build.
            kept = self.fitted.get(name) if schema.bands[name].edges is None else None
            self.put(name, self._banded(name, schema.bands[name], kept))
        elif name in schema.stages:
            self.put(name, self._staged(name))

    @Once
    def _source(self) -> Source:
        """What metrics are computed from; first asked for when all that is given is there."""
        source = self.executor.customers.source()
        return source if self.scan is None else dataclasses.replace(source, common={})

    def compute_apart(self) -> set[str]:
        """The metrics that no other name is needed for, some at the same time; which they are."""
        catalog = self.generation.catalog
        metrics, given = catalog.schema.metrics, set(catalog.given)
        apart = [name for name in catalog.order if name in metrics and catalog.uses[name] <= given]
        for name, found in zip(apart, spread(lambda name: self._computed(name, metrics[name]), apart), strict=True):
            self._hold(name, *found)
        return set(apart)

    def _computed(self, name: str, metric: Metric) -> tuple[Values, tuple[float, ...] | None]:
        try:
            held: Any = self.fitted.get(name)
            return compute_fitted(metric, self._source, held)
        except (LimitError, SchemaError) as error:
            raise error.at(f"metrics.{name}") from None

    def _hold(self, name: str, value: Values, fitted: tuple[float, ...] | None) -> None:
        if fitted is not None:
            self.fitted[name] = fitted
        # Of the strings of a field those stay that a customer has.
        self.put(name, trimmed(value) if isinstance(value, Column) else value)

    def _banded(self, name: str, declared: Band, kept: tuple[int | float, ...] | None) -> Values:
        among = self._inside
        if declared.among is not None and kept is None:
            assert not isinstance(declared.among, str)
            among = self._members(self.executor.binder.bind_checked(declared.among))
        banded = band(declared, self.values[declared.metric], among, self.generation.catalog.zone, kept)
        self.fitted[name] = banded.edges
        return banded.values

    def _staged(self, name: str) -> Column:
        """The first stage whose rule holds, as codes in the order of the stages."""
        stages, count = self.generation.catalog.schema.stages[name], self.generation.count
        codes = np.full(count, -1, np.int32)
        left = np.ones(count, np.bool_) if self._inside is None else self._inside.copy()
        for code, rule in enumerate(self.executor.binder.stages[name]):
            first = self._members(rule) & left
            codes[first] = code
            left &= ~first
        labels = dictionary_of(tuple(stage.name for stage in stages))
        return Column(ValueType("category", role="stage"), codes, labels)

    def _members(self, bound: Bound) -> Mask:
        """Whom a rule holds for, shape (customers,)."""
        if self.scan is not None:
            return self.scan.members(bound)
        return hot.to_mask(self.executor.members(bound), self.generation.count)

    def put(self, name: str, value: Values) -> None:
        """Hold the values of *name*."""
        self.values[name] = value
        column = value.column if isinstance(value, Family) else value
        if column.dictionary is not None:
            self._dictionaries[name] = distinct(column)

    def settle(self, name: str) -> None:
        """The sets of *name*, whose values are there."""
        self.predicates.update(_predicates(name, self.values[name], self.generation.universe, self._inside))

    def forget(self, names: Iterable[str]) -> None:
        """Take out all that is held of *names*, but for fitted edges."""
        wanted = set(names)
        for held in (self.values, self._dictionaries, self.ranks):
            for name in wanted & held.keys():
                del held[name]
        for each in [each for each in self.predicates if each.name in wanted]:
            del self.predicates[each]

    def unfit(self, names: Iterable[str]) -> None:
        """Take out what was fitted for *names*."""
        for name in set(names) & self.fitted.keys():
            del self.fitted[name]

    def rename(self, was: str, name: str) -> None:
        """Call what is held of *was* by another name."""
        held: tuple[Any, ...] = (self.values, self._dictionaries, self.ranks, self.fitted)
        for each in held:
            if was in each:
                each[name] = each[was]
                del each[was]
        for old in [old for old in self.predicates if old.name == was]:
            self.predicates[old._replace(name=name)] = self.predicates[old]
            del self.predicates[old]

    def is_ranked(self, name: str) -> bool:
        """Whether the values of *name* are one a customer, and compared by size."""
        value = self.values[name]
        return isinstance(value, Column) and value.dictionary is None and value.type.kind in RANKED

    def rank(self, names: Iterable[str]) -> None:
        """The ranks of those columns among *names* that have any; all bands over them are there."""
        ranked = list(filter(self.is_ranked, names))
        self.ranks.update(zip(ranked, spread(self._ranks_of, ranked, self.generation.count > FEW), strict=True))

    def _ranks_of(self, name: str) -> Ranks:
        column: Any = self.values[name]
        return ranks_of(column.data, self.edges_over(name), self._inside)

    def edges_over(self, name: str) -> tuple[int | float, ...]:
        """The edges of all bands over *name*."""
        bands = self.generation.catalog.schema.bands
        return tuple(edge for band, declared in bands.items() if declared.metric == name for edge in self.fitted[band])


def _predicates(name: str, value: Values, universe: Predicate, inside: Mask | None) -> dict[PredicateName, Predicate]:
    """The sets that rules over *name* are answered from."""
    count = len(universe) if inside is None else len(inside)
    found = sets_of(name, value, inside, count)
    if found is None:
        return {}
    held = {PredicateName(name): universe if found.present is None else hot.from_mask(found.present)}
    for labelled in found.labelled:
        made = hot.from_codes(labelled.codes, labelled.owners, len(labelled.names), count)
        held |= {
            each: members
            for each, members in zip(labelled.names, made, strict=True)
            if each is not None and (len(members) or each.category is None)
        }
    return held
