"""From tables to a generation: metrics, bands, stages and their predicates, each after what it uses."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from segdex.bitmap import predicates as sets
from segdex.bitmap import roaring
from segdex.bitmap.roaring import BitMap
from segdex.errors import LimitError
from segdex.generation import MOST_LABELS, Generation, Predicate, Values
from segdex.ingest.read import Tables
from segdex.metrics.bands import band
from segdex.metrics.compute import compute
from segdex.query.execute import Executor
from segdex.schema.catalog import Catalog
from segdex.schema.model import Band
from segdex.schema.types import ValueType
from segdex.values.column import Column
from segdex.values.family import Family

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many parts are done, and how many there are."""


def derive(catalog: Catalog, tables: Tables, as_of: int, progress: Progress | None = None) -> Generation:
    """Compute everything that *catalog* declares over *tables*, as of the clock *as_of*."""
    values: dict[str, Values] = dict(tables.attributes)
    held: dict[Predicate, BitMap] = {}
    fitted: dict[str, tuple[int | float, ...]] = {}
    generation = Generation(
        catalog=catalog,
        as_of=as_of,
        number=1,
        epoch=secrets.token_hex(8),
        keys=tables.keys,
        universe=roaring.everyone(len(tables.keys)),
        values=values,
        events=tables.events,
        predicates=held,
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
    if progress is not None:
        progress("computed", len(names), len(names))
    return generation


def _banded(declared: Band, executor: Executor, values: Mapping[str, Values]) -> tuple[Values, tuple[int | float, ...]]:
    among = None
    if declared.among is not None:
        assert not isinstance(declared.among, str)
        members = executor.members(executor.binder.bind_checked(declared.among))
        among = roaring.to_mask(members, executor.generation.count)
    banded = band(declared, values[declared.metric], among, executor.generation.catalog.zone)
    return banded.values, banded.edges


def _staged(name: str, executor: Executor) -> Column:
    """The first stage whose rule holds, as codes in the order of the stages."""
    stages = executor.generation.catalog.schema.stages[name]
    codes = np.full(executor.generation.count, -1, np.int32)
    left = executor.generation.universe
    for code, stage in enumerate(stages):
        assert not isinstance(stage.where, str)
        members = executor.members(executor.binder.bind_checked(stage.where)) & left
        codes[roaring.to_ids(members)] = code
        left = left - members
    labels = pa.array([stage.name for stage in stages], pa.large_string())
    return Column(ValueType("category", role="stage"), codes, labels)


def _predicates(name: str, value: Values, universe: BitMap) -> dict[Predicate, BitMap]:
    """The sets that rules over *name* are answered from: presence, and one a label where labels are few."""
    if isinstance(value, Family):
        return _family_predicates(name, value, universe)
    held = {Predicate(name): roaring.from_mask(value.known)}
    if value.dictionary is not None and len(value.dictionary) <= MOST_LABELS:
        labels = value.dictionary.to_pylist()
        for label, members in zip(labels, sets.sets_by_label(value, len(labels)), strict=True):
            held[Predicate(name, label)] = members
    return held


def _family_predicates(name: str, family: Family, universe: BitMap) -> dict[Predicate, BitMap]:
    """Bands of a family; the band of those without a pair is left to be what remains of the presence."""
    if family.column.dictionary is None or len(family.categories) > MOST_LABELS:
        return {}
    if family.rest >= 0 and (family.column.data < 0).any():
        return {}  # a pair without a band (a share of infinities): what remains is not the band of the others alone
    held: dict[Predicate, Any] = {}
    if family.rest >= 0:
        held[Predicate(name)] = universe if family.among is None else roaring.from_mask(family.among)
    else:
        held[Predicate(name)] = roaring.from_ids(np.unique(family.customers))
    labels = family.column.dictionary.to_pylist()
    by_category = sets.sets_by_category(family, len(labels))
    for category, members_by_label in zip(family.categories.to_pylist(), by_category, strict=True):
        for code, members in enumerate(members_by_label):
            if code != family.rest and members:
                held[Predicate(name, labels[code], category)] = members
    return held
