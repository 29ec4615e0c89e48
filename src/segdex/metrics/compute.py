"""A metric to its values: one a customer, or with ``by`` one a customer and category."""

from __future__ import annotations

import dataclasses
import datetime as dt

import msgspec
import numpy as np
import pyarrow as pa

from segdex.metrics import attributes, families, sequences
from segdex.metrics.select import by_block, pairs_by_block
from segdex.metrics.source import Source
from segdex.metrics.streams import KINDS
from segdex.rules import nodes
from segdex.schema.model import Metric, Part
from segdex.values.column import MISSING, Column, Data
from segdex.values.family import Family
from segdex.values.operands import floats, operand

__all__ = ["Source", "compute"]


def compute(metric: Metric, source: Source) -> Column | Family:
    """The values of *metric*, which was checked against the catalog of *source*.

    Returns:
        a column of shape (customers,), or with ``by`` a family.

    Raises:
        LimitError: a sum of integers leaves the range of 64 bits.
    """
    if metric.kind == "formula":
        return _formula(metric, source)
    if metric.kind == "share":
        return _share(metric, source)
    if metric.kind == "ratio":
        return _ratio(metric, source)
    if metric.kind == "sequence":
        return Column(source.catalog.metric_type(metric), sequences.compute(metric, source))
    if metric.attribute is not None:
        return _column(metric, source, attributes.compute(metric, source))
    if metric.by is not None:
        return _family(metric, source)
    parts = by_block(metric, source, lambda selected: KINDS[metric.kind].compute(selected, metric))
    whole: Data = parts[0] if len(parts) == 1 else np.concatenate(parts)  # type: ignore[assignment]
    return _column(metric, source, whole)


def _column(metric: Metric, source: Source, data: Data) -> Column:
    dictionary: pa.LargeStringArray | None = None
    if data.dtype == np.int32:
        assert metric.stream is not None
        assert metric.field is not None
        dictionary = source.events[metric.stream].fields[metric.field].dictionary
    return Column(source.catalog.metric_type(metric), data, dictionary)


def _family(metric: Metric, source: Source) -> Family:
    assert metric.stream is not None
    assert metric.by is not None
    kind = KINDS[metric.kind]
    parts = pairs_by_block(metric, source, lambda selected: kind.compute(selected, metric))
    column = _column(metric, source, parts[0][2])
    missing = MISSING if column.data.dtype == np.int64 else float("nan")
    categories = source.events[metric.stream].fields[metric.by].dictionary
    return families.gathered(parts, categories, column, 0 if kind.zero else missing)


# --- quotients -------------------------------------------------------------------------------------------------


def _share(metric: Metric, source: Source) -> Column | Family:
    """What satisfies ``where`` and is in one category, by the same without ``where`` and category."""
    kind = "sum" if metric.weight is not None else "count" if metric.count == "transactions" else "rows"
    part = msgspec.structs.replace(metric, kind=kind, field=metric.weight, weight=None, count=None)
    whole = compute(msgspec.structs.replace(part, where=None, by=None), source)
    return _divided(metric, source, compute(part, source), whole)


def _ratio(metric: Metric, source: Source) -> Column | Family:
    """The count of the numerator's transactions by the count of the denominator's."""

    def count(part: Part | None) -> Column | Family:
        assert part is not None
        asked = Metric(
            kind="count", stream=part.stream, window=metric.window, where=part.where, having=part.having, by=metric.by
        )
        return compute(asked, source)

    return _divided(metric, source, count(metric.numerator), count(metric.denominator))


def _divided(metric: Metric, source: Source, part: Column | Family, whole: Column | Family) -> Column | Family:
    of = source.catalog.metric_type(metric)
    if isinstance(part, Column):
        assert isinstance(whole, Column)
        with np.errstate(invalid="ignore", over="ignore"):
            values = part.data.astype(np.float64) / np.where(whole.data == 0, np.nan, whole.data) + 0.0
        return Column(of, values)
    made = families.shares(part, whole) if isinstance(whole, Column) else families.ratios(part, whole)
    return dataclasses.replace(made, column=dataclasses.replace(made.column, type=of))


# --- formulas --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class _Metrics:
    """Other metrics as the items of a formula."""

    source: Source

    @property
    def count(self) -> int:
        return self.source.count

    @property
    def as_of(self) -> int:
        return self.source.as_of

    @property
    def zone(self) -> dt.tzinfo:
        return self.source.catalog.zone

    def column(self, node: nodes.Reference) -> Column:
        assert isinstance(node, nodes.Name)
        held = self.source.value(node.name)
        assert isinstance(held, Column)
        return held


def _formula(metric: Metric, source: Source) -> Column:
    """float64 arithmetic over values in their units; a missing part or a division by 0 gives a missing value."""
    assert isinstance(metric.formula, nodes.Node)
    result = operand(metric.formula, _Metrics(source))
    if isinstance(result, Column):
        return Column(source.catalog.metric_type(metric), floats(result) + 0.0)
    return Column(source.catalog.metric_type(metric), np.full(source.count, float(result) + 0.0))  # type: ignore[arg-type]
