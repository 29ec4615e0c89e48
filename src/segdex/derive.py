"""From tables to a generation: metrics, bands, stages and their predicates, each after what it uses."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.bitmap.ranks import Ranks, ranks_of
from segdex.errors import LimitError
from segdex.generation import MOST_LABELS, Generation, PredicateName, Values
from segdex.ingest.read import Tables
from segdex.metrics.bands import band
from segdex.metrics.compute import compute
from segdex.query.execute import Executor
from segdex.schema.catalog import Catalog
from segdex.schema.model import Band
from segdex.schema.types import ValueType
from segdex.values.column import Column
from segdex.values.family import Family

RANKED = ("integer", "number", "date", "time")
"""The kinds whose values are compared by size."""
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many parts are done, and how many there are."""


def derive(catalog: Catalog, tables: Tables, as_of: int, progress: Progress | None = None) -> Generation:
    """Compute everything that *catalog* declares over *tables*, as of the clock *as_of*."""
    values: dict[str, Values] = dict(tables.attributes)
    held: dict[PredicateName, Predicate] = {}
    ranks: dict[str, Ranks] = {}
    fitted: dict[str, tuple[int | float, ...]] = {}
    generation = Generation(
        catalog=catalog,
        as_of=as_of,
        number=1,
        epoch=secrets.token_hex(8),
        keys=tables.keys,
        universe=hot.everyone(len(tables.keys)),
        values=values,
        events=tables.events,
        predicates=held,
        ranks=ranks,
        fitted=fitted,
    )
    # The dictionaries above grow while metrics, bands and stages are computed in the order of their use; the
    # executor sees each name from the moment that it is there, and nobody else sees the generation before the end.
    executor = Executor(generation)
    schema = catalog.schema
    names = [*schema.customers.attributes, *(name for name in catalog.order if name not in schema.segments)]
    for done, name in enumerate(names):
        if progress is not None:
            progress(f"computing {name}", done, len(names))
        if name in schema.metrics:
            try:
                values[name] = compute(schema.metrics[name], executor.customers.source())
            except LimitError as error:
                raise error.at(f"metrics.{name}") from None
        elif name in schema.bands:
            values[name], fitted[name] = _banded(schema.bands[name], executor, values)
        elif name in schema.stages:
            values[name] = _staged(name, executor)
        held.update(_predicates(name, values[name], generation.universe))
    # After all names, so that the edges of bands are known. Until then comparisons look at every value.
    ranked = [name for name in names if _is_ranked(values[name])]
    for name in ranked:
        if progress is not None:
            progress(f"ranking {name}", len(names), len(names))
        column: Any = values[name]
        bands = [band for band, declared in schema.bands.items() if declared.metric == name]
        ranks[name] = ranks_of(column.data, [edge for band in bands for edge in fitted[band]])
    if progress is not None:
        progress("computed", len(names), len(names))
    return generation


def _is_ranked(value: Values) -> bool:
    return isinstance(value, Column) and value.dictionary is None and value.type.kind in RANKED


def _banded(declared: Band, executor: Executor, values: Mapping[str, Values]) -> tuple[Values, tuple[int | float, ...]]:
    among = None
    if declared.among is not None:
        assert not isinstance(declared.among, str)
        members = executor.members(executor.binder.bind_checked(declared.among))
        among = hot.to_mask(members, executor.generation.count)
    banded = band(declared, values[declared.metric], among, executor.generation.catalog.zone)
    return banded.values, banded.edges


def _staged(name: str, executor: Executor) -> Column:
    """The first stage whose rule holds, as codes in the order of the stages."""
    stages = executor.generation.catalog.schema.stages[name]
    codes = np.full(executor.generation.count, -1, np.int32)
    left = hot.to_mask(executor.generation.universe, executor.generation.count)
    for code, stage in enumerate(stages):
        assert not isinstance(stage.where, str)
        members = executor.members(executor.binder.bind_checked(stage.where))
        first = hot.to_mask(members, executor.generation.count) & left
        codes[first] = code
        left &= ~first
    labels = pa.array([stage.name for stage in stages], pa.large_string())
    return Column(ValueType("category", role="stage"), codes, labels)


def _predicates(name: str, value: Values, universe: Predicate) -> dict[PredicateName, Predicate]:
    """The sets that rules over *name* are answered from: presence, and one a label where labels are few."""
    if isinstance(value, Family):
        return _family_predicates(name, value, universe)
    held = {PredicateName(name): hot.from_mask(value.known)}
    if value.dictionary is not None and len(value.dictionary) <= MOST_LABELS:
        labels = value.dictionary.to_pylist()
        owners = np.arange(len(value), dtype=np.uint32)
        if value.offsets is not None:
            owners = np.repeat(owners, np.diff(value.offsets))
        made = hot.from_codes(value.data, owners, len(labels), len(value))  # type: ignore[arg-type]
        held |= {PredicateName(name, label): each for label, each in zip(labels, made, strict=True)}
    return held


def _family_predicates(name: str, family: Family, universe: Predicate) -> dict[PredicateName, Predicate]:
    """Bands of a family; the band of those without a pair is left to be what remains of the presence."""
    if family.column.dictionary is None or len(family.categories) > MOST_LABELS:
        return {}
    if family.rest >= 0 and (family.column.data < 0).any():
        return {}  # a pair without a band (a share of infinities): what remains is not the band of the others alone
    count = len(universe)
    if family.rest >= 0:
        present = universe if family.among is None else hot.from_mask(family.among)
    else:
        present = hot.from_ids(np.unique(family.customers), count)
    held = {PredicateName(name): present}
    labels = family.column.dictionary.to_pylist()
    for number, category in enumerate(family.categories.to_pylist()):
        pairs = slice(int(family.offsets[number]), int(family.offsets[number + 1]))
        codes: Any = family.column.data[pairs]
        made = hot.from_codes(codes, family.customers[pairs], len(labels), count)
        for code, members in enumerate(made):
            if code != family.rest and len(members):
                held[PredicateName(name, labels[code], category)] = members
    return held
