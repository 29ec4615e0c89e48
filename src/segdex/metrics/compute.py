"""A metric to its values: one a customer, or with ``by`` one a customer and category."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from segdex.events.store import Events
from segdex.metrics import alive, attributes, families, formulas, scores, sequences, tops
from segdex.metrics.select import by_block, of_two, pairs_by_block, shared_blocks
from segdex.metrics.source import Source
from segdex.metrics.streams import KINDS
from segdex.rules.windows import Lifetime
from segdex.schema.model import Metric, Part
from segdex.spread import spread
from segdex.values.column import MISSING, Codes, Column, Data
from segdex.values.family import Family

__all__ = ["Source", "compute", "compute_fitted"]

_Counts: TypeAlias = tuple[Codes, families.Customers, Data]


def compute(metric: Metric, source: Source) -> Column | Family:
    """The values of *metric*, which was checked against the catalog of *source*.

    Returns:
        a column of shape (customers,), or with ``by`` a family.

    Raises:
        LimitError: a sum of integers leaves the range of 64 bits.
        SchemaError: a model is to be fitted to data that do not tell its parameters.
    """
    if metric.kind in _WHOLE:
        return _WHOLE[metric.kind](metric, source)
    if metric.attribute is not None:
        return _column(metric, source, attributes.compute(metric, source))
    if metric.by is not None:
        return _family(metric, source)
    parts = by_block(metric, source, lambda selected: KINDS[metric.kind].compute(selected, metric))
    whole: Data = parts[0] if len(parts) == 1 else np.concatenate(parts)  # type: ignore[assignment]
    return _column(metric, source, whole)


def compute_fitted(
    metric: Metric, source: Source, fitted: alive.Parameters | None = None
) -> tuple[Column | Family, alive.Parameters | None]:
    """What `compute` gives, and the parameters of the metric's model where they are fitted to data.

    Args:
        metric: a metric.
        source: the data.
        fitted: parameters of an earlier build to be used again in place of fitting.
    """
    if metric.kind != "p_alive":
        return compute(metric, source), None
    values, fitted = alive.p_alive(metric, source, fitted)
    return _column(metric, source, values), fitted


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
    above, below = _asked(metric, metric.numerator), _asked(metric, metric.denominator)
    if metric.matched:
        return _divided(metric, source, *_matched(above, below, source))
    return _divided(metric, source, compute(above, source), compute(below, source))


def _asked(metric: Metric, part: Part | None) -> Metric:
    """One side of a ratio as a count."""
    assert part is not None
    return Metric(
        kind="count", stream=part.stream, window=metric.window, where=part.where, having=part.having, by=metric.by
    )


def _matched(numerator: Metric, denominator: Metric, source: Source) -> tuple[Column | Family, Column | Family]:
    """How many transactions of the denominator are, whenever, ones of the numerator; and how many there are."""
    assert denominator.stream is not None
    ever = msgspec.structs.replace(numerator, window=Lifetime())

    def one(block: tuple[int, Sequence[Events]]) -> tuple[_Counts, _Counts]:
        first, (events,) = block
        above, below, codes, customers = of_two(ever, denominator, source, events)
        group = below.transactions
        both = dataclasses.replace(group, inside=group.inside & above.transactions.inside)
        matched, every = (
            KINDS["count"].compute(dataclasses.replace(below, transactions=each), denominator) for each in (both, group)
        )
        customers += np.uint32(first)
        return (codes, customers, matched), (codes, customers, every)

    parts = spread(one, list(shared_blocks([source.events[denominator.stream]])))
    matched, every = zip(*parts, strict=True)
    return _counts(matched, denominator, source), _counts(every, denominator, source)


def _counts(parts: Sequence[_Counts], metric: Metric, source: Source) -> Column | Family:
    """Counts of the customers or pairs of all blocks."""
    of = source.catalog.metric_type(metric)
    if metric.by is None:
        return Column(of, np.concatenate([counts for _, _, counts in parts]))
    categories = source.events[metric.stream or ""].fields[metric.by].dictionary
    return families.gathered(parts, categories, Column(of, parts[0][2]), 0)


def _divided(metric: Metric, source: Source, part: Column | Family, whole: Column | Family) -> Column | Family:
    of = source.catalog.metric_type(metric)
    if isinstance(part, Column):
        assert isinstance(whole, Column)
        with np.errstate(invalid="ignore", over="ignore"):
            values = part.data.astype(np.float64) / np.where(whole.data == 0, np.nan, whole.data) + 0.0
        return Column(of, values)
    made = families.shares(part, whole) if isinstance(whole, Column) else families.ratios(part, whole)
    return dataclasses.replace(made, column=dataclasses.replace(made.column, type=of))


_WHOLE: dict[str, Callable[[Metric, Source], Column | Family]] = {
    "formula": formulas.compute,
    "share": _share,
    "ratio": _ratio,
    "top": tops.compute,
    "score": scores.compute,
    "p_alive": lambda metric, source: compute_fitted(metric, source)[0],
    "sequence": sequences.compute,
}
"""Kinds that are more than one value of what counts of one stream."""
