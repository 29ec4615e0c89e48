"""What leaves an index: members with chosen columns, tables of counts, one customer's values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from segdex.bitmap import kernels_collect
from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Ids, Predicate
from segdex.errors import ArgumentError, RuleError, listed, nearest
from segdex.query.execute import Executor
from segdex.rules import nodes
from segdex.rules.text import parse_value
from segdex.rules.words import quoted
from segdex.schema.check import value_type
from segdex.schema.labels import label_types
from segdex.schema.types import ValueType
from segdex.values.arrow import to_arrow
from segdex.values.column import BOOLEANS, Column
from segdex.values.compare import order_ranks
from segdex.values.family import Family
from segdex.values.operands import operand

BATCH = 65_536
"""Rows in a batch of members."""


@dataclasses.dataclass(frozen=True, slots=True)
class CountBy:
    """How the members of a rule spread over the labels of a name.

    Attributes:
        rule: the rule's text.
        by: the name.
        counts: customers by label, in the order of the labels, ``missing`` last. None where the schema's
            ``privacy.minimum_count`` withholds a small count. Tags may count a customer more than once.
    """

    rule: str
    by: str
    counts: Mapping[str, int | None]

    def to_arrow(self) -> pa.Table:
        """A table with a column named like the name, and ``count``; what is named ``count`` is titled in quotes."""
        title = quoted(self.by) if self.by == "count" else self.by
        return pa.table({title: list(self.counts), "count": pa.array(self.counts.values(), pa.int64())})


@dataclasses.dataclass(frozen=True, slots=True)
class Customer:
    """Everything that the index holds of one customer, by name; families by category, where there is a value."""

    attributes: Mapping[str, Any]
    metrics: Mapping[str, Any]
    bands: Mapping[str, Any]
    stages: Mapping[str, Any]
    labels: Mapping[str, Any]
    segments: tuple[str, ...]


def column_of(text: str, executor: Executor) -> Column:
    """The column that *text* names: a name, one category of a family, an inline call, a bucket or an anniversary.

    Raises:
        ArgumentError: there is no such name, or it does not give one value a customer.
    """
    if not isinstance(text, str):
        raise ArgumentError(
            "not the name of a column", found=type(text).__name__, allowed="text: a name, name['category'] or a call"
        )
    catalog = executor.generation.catalog
    try:
        value = nodes.Name(text) if text in catalog.types else parse_value(text)
        kind = value_type(value, catalog, catalog.customers())
    except RuleError as error:
        hint = nearest(text, catalog.types) or f"known names: {listed(catalog.types)}"
        raise ArgumentError(f"no column {text!r}", found=error.problem, hint=hint) from None
    if kind.family:
        raise ArgumentError(f"{text!r} has one value a category", hint=f"name one: {text}['…']")
    if isinstance(value, nodes.Name) and kind.role == "segment":
        return _segment_column(value.name, executor)
    if isinstance(value, nodes.Bucket | nodes.Anniversary):
        computed = operand(value, executor.customers)
        assert isinstance(computed, Column)
        return computed
    many = isinstance(value, nodes.Item) and not isinstance(value.key, nodes.Text)
    if many or not isinstance(value, nodes.Reference):
        raise ArgumentError(f"{text!r} is no column", allowed="a name, name['category'], a call, bucket(…)")
    return executor.customers.column(value)


def _segment_column(name: str, executor: Executor) -> Column:
    members = executor.members(executor.binder.bind_checked(nodes.Segment(name)))
    codes = hot.to_mask(members, executor.generation.count).astype(np.int32)
    return Column(ValueType("bool"), codes, BOOLEANS)


def members(
    chosen: Predicate,
    executor: Executor,
    columns: Sequence[str],
    limit: int | None,
    order_by: str | None,
    descending: bool,
) -> pa.RecordBatchReader:
    """The members as record batches: the key first, then *columns*; by dense id, or by the values of *order_by*.

    An attribute that is named like the key is titled by its name in quotes, so that no two columns have one title.
    """
    generation = executor.generation
    key = generation.catalog.schema.customers.key
    held = {
        quoted(name) if name == key else name: column_of(name, executor)
        for name in _names(columns)
        if name != key or key in generation.catalog.types  # the key itself is there anyway
    }
    ids = hot.to_ids(chosen)
    if order_by is not None:
        ids = _ordered(ids, column_of(order_by, executor), order_by, descending)
    ids = ids[:limit]
    names = [key, *held]

    def batch(part: Ids) -> pa.RecordBatch:
        arrays = [generation.keys.take(part), *(to_arrow(column, part) for column in held.values())]
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, len(ids), BATCH):
            yield batch(ids[start : start + BATCH])

    return pa.RecordBatchReader.from_batches(batch(ids[:0]).schema, batches())


def _names(columns: Sequence[str]) -> list[str]:
    if isinstance(columns, str):
        raise ArgumentError("columns", found=repr(columns), allowed=f"a list: [{columns!r}]")
    try:
        names = list(columns)
    except TypeError:
        raise ArgumentError("columns", found=type(columns).__name__, allowed="a list of names") from None
    return names


def _ordered(ids: Ids, column: Column, name: str, descending: bool) -> Ids:
    """Ids by their values, then those outside a declared order, then missing ones; ties by id."""
    if column.type.kind in ("tags", "geo"):
        raise ArgumentError(f"members cannot be ordered by {name!r}", found=column.type.kind)
    picked = column.take(ids.astype(np.int64))
    known = picked.known
    keys: np.ndarray[Any, Any] = picked.data
    last = (~known).astype(np.int8) * 2
    if picked.type.order is not None and picked.dictionary is not None:
        keys = np.append(order_ranks(picked), -1)[picked.data]
        last[known & (keys < 0)] = 1
    keys = np.where(known, keys, 0)
    return ids[np.lexsort((-keys if descending else keys, last))]


def count_by(chosen: Predicate, executor: Executor, name: str, text: str) -> CountBy:
    """How the members in *chosen* spread over the labels of *name*."""
    column = column_of(name, executor)
    if column.dictionary is None:
        banded = column.type.kind not in ("id", "geo")
        hint = "declare a band over it, or ask for its aggregate" if banded else None
        raise ArgumentError(f"{name!r} has no labels to count by", found=column.type.kind, hint=hint)
    labels = column.dictionary.to_pylist()
    found = np.zeros(len(labels) + 1, np.int64)
    if column.offsets is None:
        kernels_collect.count_by_code(hot.to_words(chosen), column.data, found)
    else:
        kernels_collect.count_by_tag(hot.to_words(chosen), column.offsets, column.data, found)
    missing, counts = int(found[0]), found[1:]
    places = order_ranks(column) if column.type.order is not None else np.zeros(len(labels), np.int64)
    placed = sorted(range(len(labels)), key=lambda i: (places[i] < 0, places[i], i))
    least = executor.generation.catalog.schema.privacy.minimum_count
    # A label of the data that reads "missing" is quoted, so that it is not taken for those without a value.
    shown = {labels[i] if labels[i] != "missing" else "'missing'": int(counts[i]) for i in placed}
    shown["missing"] = missing
    return CountBy(text, name, {label: None if 0 < n < least else n for label, n in shown.items()})


def customer(at: int, executor: Executor, segments: tuple[str, ...]) -> Customer:
    """Everything that the index holds of the customer in row *at* of *executor*, who is in *segments*."""
    generation = executor.generation
    schema = generation.catalog.schema
    one = np.array([at], np.uint32)

    def value(name: str) -> Any:
        held = generation.values[name]
        if not isinstance(held, Family):
            return to_arrow(held, one)[0].as_py()
        # A band of a family is told for the categories in which its metric has a value of the customer's own.
        of = generation.values[schema.bands[name].metric] if name in schema.bands else held
        assert isinstance(of, Family)
        return _by_category(held, _codes(of, at), at)

    return Customer(
        attributes={name: value(name) for name in schema.customers.attributes},
        metrics={name: value(name) for name in schema.metrics},
        bands={name: value(name) for name in schema.bands},
        stages={name: value(name) for name in schema.stages},
        labels={name: value(name) for name in label_types(schema)},
        segments=segments,
    )


def _codes(family: Family, at: int) -> list[int]:
    """The categories in which a customer has a pair."""
    codes = np.searchsorted(family.offsets, np.flatnonzero(family.customers == at), side="right") - 1
    return [int(code) for code in codes]


def _by_category(family: Family, codes: list[int], at: int) -> dict[str, Any]:
    """The values of one customer in the categories *codes*."""
    one = np.array([at], np.uint32)
    return {family.categories[code].as_py(): to_arrow(family.one(code, at), one * 0)[0].as_py() for code in codes}
