"""A generation to the generation of a later clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from segdex.bitmap import predicate as hot
from segdex.derive import RANKED, Derivation, using
from segdex.generation import MOST_LABELS, Generation, PredicateName, Values
from segdex.metrics.bands import band
from segdex.metrics.compute import Source, compute, compute_fitted
from segdex.query.among import source_among
from segdex.query.customers import Customers
from segdex.reclock import attributes
from segdex.reclock import stages as stage_rules
from segdex.reclock.changes import (
    NOBODY,
    WHOLE,
    Change,
    Flip,
    bits,
    changed_columns,
    counts_of,
    flip_all,
    flips_of_bands,
    flips_of_column,
    joined,
)  # fmt: skip
from segdex.reclock.columns import Computed, Since, crossing, later_column, taken
from segdex.reclock.dependence import asks_today, moving, parts_of
from segdex.reclock.families import global_part, later_family
from segdex.reclock.ranks import LaterRanks, later_ranks
from segdex.reclock.rows import FromRows
from segdex.reclock.scores import Decaying, decayed, decaying, labelled
from segdex.reclock.spans import Advance
from segdex.reclock.touched import united, without
from segdex.rules import nodes
from segdex.schema.model import Metric
from segdex.values.cells import Cells, cells_of
from segdex.values.column import Column, Data, Ints, Mask
from segdex.values.family import Family

_ASKED_OF_ALL = (nodes.Call, nodes.Sequence, nodes.Item, nodes.ForAny, nodes.Near)
"""What in a rule is not told from the values of single names of a customer."""


def reclocked(old: Generation, as_of: int) -> Generation:
    """The generation that follows *old* when nothing but the clock moves.

    It is what `segdex.derive.derive` makes of the same tables at that clock with the same fitted edges and parameters:
    the same values to the last bit, the same sets, the same answers. What did not change is shared with *old*, which
    stays as it is. Sets are there; columns and ranks that changed are made when they are first read.

    Args:
        old: any generation.
        as_of: the new clock, not before that of *old*, in microseconds UTC.

    Raises:
        LimitError: a sum of integers leaves the range of 64 bits.
        SchemaError: a model without parameters is to be fitted, and the data do not tell them.
    """
    return _Reclocking(old, as_of).generation()


class _Reclocking:
    """A generation in the making, name after name in the order of their use."""

    def __init__(self, old: Generation, as_of: int) -> None:
        self._old = old
        self._catalog = old.catalog
        self._advance = Advance(old.catalog, old.as_of, as_of)
        self._before, self._ranks_before = cells_of(old.values), cells_of(old.ranks)
        number = old.number + 1
        self._made = Derivation(
            dataclasses.replace(old, as_of=as_of, number=number, values=self._before, ranks=self._ranks_before)
        )
        values, ranks = self._made.values, self._made.ranks
        assert isinstance(values, Cells)
        assert isinstance(ranks, Cells)
        self._cells, self._ranks = values.cells, ranks.cells
        self._inside = None if old.all_inside else hot.to_mask(old.universe, old.count)
        self._changes: dict[str, Change] = {}
        self._flips: list[Flip] = []

    def generation(self) -> Generation:
        """The generation, when all is done."""
        catalog = self._catalog
        direct = moving(catalog)
        after = {*direct, *using(direct, catalog)}
        names = [name for name in catalog.order if name in after and name not in catalog.schema.segments]
        metrics = {name: catalog.schema.metrics[name] for name in names if name in catalog.schema.metrics}
        for name, metric in metrics.items():
            if metric.attribute is not None:
                self._changes[name] = self._of_attribute(name, metric)
        over_rows = [name for name, each in metrics.items() if each.attribute is None and not parts_of(each)]
        source = Customers(self._made.generation).source()
        before = self._before.cells
        self._rows = FromRows(self._advance, source, before, self._old.fitted, self._since, self._strings, self._have)
        self._changes |= self._rows.changes(over_rows)
        for name in names:
            change = self._changes.get(name) or self._change(name)
            if change.is_none:
                continue
            self._changes[name] = change
            self._put(name, change)
        self._settle()
        return self._made.generation

    def _settle(self) -> None:
        """Make the sets that changed."""
        flip_all(self._made.predicates, self._flips, self._old.count)
        self._flips = []

    # --- what changes ---

    def _change(self, name: str) -> Change:
        schema = self._catalog.schema
        if name in schema.metrics:
            return self._of_parts(name, schema.metrics[name])
        if name in schema.bands:
            return self._of_band(name)
        return self._of_stages(name)

    def _of_attribute(self, name: str, metric: Metric) -> Change:
        attribute = self._old.values[metric.attribute or ""]
        assert isinstance(attribute, Column)
        ids = attributes.differing(metric, attribute, self._advance, _bits_differ)
        if not len(ids):
            return Change(NOBODY)
        if metric.kind == "years_since":
            part = attribute.take(ids)
            before, after = (
                Column(self._catalog.types[name], attributes.values_of(metric, part, self._advance, as_of))
                for as_of in (self._advance.before, self._advance.now)
            )
            return Change(ids, before, after)
        # Whoever waits for a date waits less and less; who waits longer now has a place elsewhere among the others.
        repeats = metric.every is not None
        ids = attributes.differing(metric, attribute, self._advance, _grows) if repeats else NOBODY
        before, after = (
            Column(self._catalog.types[name], attributes.values_of(metric, attribute.take(ids), self._advance, as_of))
            for as_of in (self._advance.before, self._advance.now)
        )
        return Change(ids, before, after, moves=True)

    def _of_parts(self, name: str, metric: Metric) -> Change:
        """The change of a metric that is made of others."""
        changes = [self._changes[part] for part in sorted(parts_of(metric)) if part in self._changes]
        if not changes:
            return Change(NOBODY)
        # What a formula over families has for those without a pair is settled by all customers together.
        if self._catalog.types[name].family or any(change.whole or change.moves for change in changes):
            return WHOLE
        ids = united([change.ids for change in changes])
        after = compute(metric, self._source(ids))
        assert isinstance(after, Column)
        return self._rows.compared(name, ids, after)

    def _strings(self, name: str) -> pa.LargeStringArray | None:
        """The strings of a column as it was before."""
        held = self._old.dictionaries.get(name)
        return None if held is None else held.dictionary

    def _have(self, name: str) -> Ints:
        """How many had each string of a column before."""
        strings = self._strings(name)
        assert strings is not None
        sets = self._old.predicates
        if self._inside is None and len(strings) <= MOST_LABELS and PredicateName(name) in sets:
            return np.array([len(sets[PredicateName(name, label)]) for label in strings.to_pylist()], np.int64)
        column = self._before.cells[name].get()
        assert isinstance(column, Column)
        return counts_of(column)

    def _of_band(self, name: str) -> Change:
        declared = self._catalog.schema.bands[name]
        change = self._changes.get(declared.metric)
        if change is None:
            return Change(NOBODY)
        edges = self._old.fitted[name]

        def banded(values: Values) -> Values:
            return band(declared, values, None, self._catalog.zone, edges).values

        if change.whole:
            return WHOLE
        if change.moves:
            return self._of_moving(name, declared.metric, banded)
        if not len(change.ids):
            return Change(NOBODY)
        assert change.before is not None
        assert change.after is not None
        before, after = banded(change.before), banded(change.after)
        if isinstance(after, Family):
            return Change(change.ids, before, after)
        assert isinstance(before, Column)
        return changed_columns(change.ids, before, after)

    def _of_moving(self, name: str, metric: str, banded: Callable[[Values], Values]) -> Change:
        """The change of bands over a metric whose values move for everybody."""
        candidates = self._candidates(metric, banded)
        if candidates is None:
            return WHOLE

        def label(column: Column) -> Column:
            labels = banded(column)
            assert isinstance(labels, Column)
            return labels

        def exactly(ids: Ints) -> Column:
            return taken(self._cells[metric], ids)

        change, declared = self._changes[metric], self._catalog.schema.metrics[metric]
        others = without(candidates, change.ids)
        if declared.kind == "score":
            after = labelled(self._before.cells[metric], self._left(declared), others, label, exactly)
        else:
            after = label(exactly(others))
        found = changed_columns(others, taken(self._before.cells[name], others), after)
        if not isinstance(change.after, Column):
            return found
        own = changed_columns(change.ids, taken(self._before.cells[name], change.ids), label(change.after))
        return joined(found, own)

    def _candidates(self, name: str, banded: Callable[[Values], Values]) -> Ints | None:
        """Whoever may be in another band of a metric that moves; None: it cannot be told."""
        metric = self._catalog.schema.metrics[name]
        if metric.attribute is not None:
            attribute = self._old.values[metric.attribute]
            assert isinstance(attribute, Column)
            of = self._catalog.types[name]

            def differ(before: Data, now: Data) -> Mask:
                codes = [banded(Column(of, data)) for data in (before, now)]
                return codes[0].data != codes[1].data  # type: ignore[union-attr, no-any-return]

            return attributes.differing(metric, attribute, self._advance, differ)
        return self._passing(name, self._made.edges_over(name))

    def _passing(self, name: str, edges: Sequence[float]) -> Ints | None:
        """Whoever may pass one of *edges* by a metric that moves; None: it cannot be told."""
        metric = self._catalog.schema.metrics[name]
        if self._catalog.types[name].family or metric.attribute is not None:
            return None
        if metric.kind == "days_since":
            return crossing(self._before.cells[name], edges, self._advance.before, self._advance.now)
        if metric.kind == "score":
            return decaying(self._before.cells[name], edges, self._left(metric))
        return None

    def _left(self, metric: Metric) -> float:
        """What is left of a score now of what it was before."""
        assert metric.half_life is not None
        assert metric.half_life.fixed_microseconds is not None
        return float(0.5 ** ((self._advance.now - self._advance.before) / metric.half_life.fixed_microseconds))

    def _of_stages(self, name: str) -> Change:
        catalog = self._catalog
        stages = catalog.schema.stages[name]

        def write_out(rule: nodes.Rule) -> nodes.Rule:
            return stage_rules.expanded(rule, catalog)

        rules = [write_out(stage.where) for stage in stages if isinstance(stage.where, nodes.Rule)]
        leaves = [leaf for rule in rules for leaf in stage_rules.leaves(rule)]
        parts = [self._who_may_differ(leaf) for leaf in leaves]
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            return WHOLE
        ids = united(found)
        if not len(ids):
            return Change(NOBODY)
        before = taken(self._before.cells[name], ids)
        items = stage_rules.Some(self._made.generation, self._cells, ids, self._inside)
        after = dataclasses.replace(before, data=items.staged(stages, write_out))
        return changed_columns(ids, before, after)

    def _who_may_differ(self, leaf: nodes.Rule) -> Ints | None:
        """The customers for whom a rule without parts may hold now and not before, or not; None: that is not told."""
        asked = list(nodes.walk(leaf))
        if any(isinstance(node, _ASKED_OF_ALL) for node in asked):
            return None
        if asks_today((leaf,)):
            return None
        names = {node.name for node in asked if isinstance(node, nodes.Name)}
        found = []
        for change, name in ((self._changes[name], name) for name in sorted(names & self._changes.keys())):
            if change.whole:
                return None
            found.append(change.ids)
            if change.moves:
                edges = stage_rules.constants(leaf, name)
                passing = None if edges is None else self._passing(name, edges)
                if passing is None:
                    return None
                found.append(passing)
        return united(found)

    # --- what follows from a change ---

    def _put(self, name: str, change: Change) -> None:
        if change.whole:
            self._put_whole(name)
        elif self._catalog.types[name].family:
            self._put_family(name, change)
        else:
            self._put_column(name, change)

    def _put_whole(self, name: str) -> None:
        self._settle()
        self._changes[name] = WHOLE
        self._made.forget([name])
        self._made.compute(name)
        self._made.settle(name)
        if self._is_ranked(name):
            self._ranks[name] = LaterRanks(None, NOBODY, self._cells[name], self._made.edges_over(name), self._inside)

    def _put_column(self, name: str, change: Change) -> None:
        cells, old = self._cells, self._before.cells[name]
        metric = self._catalog.schema.metrics.get(name)
        part = taken(old, NOBODY) if change.after is None else change.after
        assert isinstance(part, Column)
        if change.moves and (metric is None or metric.kind != "days_since" or metric.attribute is not None):
            cells[name] = self._late(name, metric, change.ids, part)
        else:
            way = self._since(name) if change.moves else None
            cells[name] = later_column(old, self._advance.before, change.ids, part, way, self._old.count)
        if len(change.ids):
            self._flips += self._of_customers(flips_of_column(name, change))
        if self._is_ranked(name):
            root = self._ranks_before.cells[name]
            edges = self._made.edges_over(name)
            if (
                metric is not None
                and metric.kind in ("p_alive", "days_until")
                and metric.attribute is None
                and change.moves
            ):
                self._ranks[name] = LaterRanks(None, NOBODY, cells[name], edges, self._inside)
            else:
                self._ranks[name] = later_ranks(root, change.ids, cells[name], edges, self._inside)

    def _put_family(self, name: str, change: Change) -> None:
        cells = self._cells
        if change.moves:
            cells[name] = Computed(*self._makers(name))
            return
        if name in self._catalog.schema.bands:
            had = PredicateName(name) in self._made.predicates
            flips = flips_of_bands(name, change) if had else None
            if flips is None:
                self._put_whole(name)
                return
            self._flips += self._of_customers(flips)
        assert isinstance(change.after, Family)
        part = global_part(change.after, change.ids)
        cells[name] = later_family(self._before.cells[name], change.ids, part, self._old.count)

    def _is_ranked(self, name: str) -> bool:
        kind = self._catalog.types[name]
        return not kind.family and kind.kind in RANKED

    def _of_customers(self, flips: list[Flip]) -> list[Flip]:
        """*flips* of those alone who are in the universe."""
        if self._inside is None:
            return flips
        own = [dataclasses.replace(flip, ids=flip.ids[self._inside[flip.ids]]) for flip in flips]
        return [flip for flip in own if len(flip.ids)]

    # --- values ---

    def _source(self, ids: Ints) -> Source:
        """What metrics that are made of others are computed from, for the customers *ids*."""

        def value(name: str) -> Values:
            return (
                _values(self._made.generation, name, some)
                if self._catalog.types[name].family
                else taken(self._cells[name], ids)
            )

        some = dataclasses.replace(source_among(Customers(self._made.generation).source(), ids), value=value)
        return some

    def _late(self, name: str, metric: Metric | None, ids: Ints, part: Column) -> Computed:
        """A column that is computed from rows when it is read."""
        if metric is not None and metric.kind == "score":
            near, error = decayed(self._before.cells[name], self._left(metric), ids, part)
            return Decaying(*self._makers(name), near, error)
        return Computed(*self._makers(name))

    def _since(self, name: str) -> Since:
        return Since(self._advance.now, partial(_of_some, self._made.generation, name))

    def _makers(self, name: str) -> tuple[Callable[[], Values], Callable[[Ints], Values]]:
        generation = self._made.generation
        return partial(_of_all, generation, name), partial(_of_some, generation, name)


# What makes values later holds on to the new generation alone, and not to the one before it.


def _of_all(generation: Generation, name: str) -> Values:
    return _values(generation, name, Customers(generation).source())


def _of_some(generation: Generation, name: str, ids: Ints) -> Values:
    return _values(generation, name, source_among(Customers(generation).source(), ids))


def _values(generation: Generation, name: str, source: Source) -> Values:
    fitted: Any = generation.fitted.get(name)
    return compute_fitted(generation.catalog.schema.metrics[name], source, fitted)[0]


def _bits_differ(before: Data, now: Data) -> Mask:
    differ: Mask = bits(before) != bits(now)
    return differ


def _grows(before: Data, now: Data) -> Mask:
    with np.errstate(invalid="ignore"):
        grows: Mask = now > before
    return grows
