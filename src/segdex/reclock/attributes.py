"""Metrics over a date or time of the customer: whose value, or whose band, differs between two clocks.

Customers share dates, so that what becomes of each date is worked out once, and the customers are those who have one of
the dates that count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from segdex.metrics import attributes
from segdex.metrics.source import Source
from segdex.reclock import kernels_rows
from segdex.reclock.spans import Advance
from segdex.schema.model import Metric
from segdex.spread import spread
from segdex.values.column import MISSING, Column, Data, Ints, Mask
from segdex.values.family import Family

BLOCK = 1 << 20
MOST_DAYS = 1 << 22
"""Dates that lie further apart are looked at customer by customer."""
Differ: TypeAlias = Callable[[Data, Data], Mask]
"""Tells from values before and now which of them count as different."""


def values_of(metric: Metric, attribute: Column, advance: Advance, as_of: int) -> Data:
    """The values of *metric* at a clock, of any items that have *attribute*."""
    return attributes.compute(metric, _source(metric.attribute or "", attribute, advance, as_of))


def differing(metric: Metric, attribute: Column, advance: Advance, differ: Differ) -> Ints:
    """The customers whose values before and now *differ*, ascending.

    Args:
        metric: a metric over an attribute.
        attribute: its values, shape (customers,).
        advance: the two clocks.
        differ: compares values of the same customers, or of those who would have some dates.
    """

    def of(items: Column) -> Mask:
        return differ(*(values_of(metric, items, advance, as_of) for as_of in (advance.before, advance.now)))

    data = attribute.data
    high = int(data.max(initial=MISSING))
    if high == MISSING:
        return np.empty(0, np.int64)
    low = int(data.min())
    if low == MISSING:
        low = int(np.min(data, where=data != MISSING, initial=high))
    if attribute.type.kind != "date" or high - low > MOST_DAYS:
        return np.flatnonzero(of(attribute))
    days = np.arange(low - 1, high + 2)
    table = of(dataclasses.replace(attribute, data=days)).astype(np.uint8)
    table[0] = table[-1] = 0

    def one(first: int) -> Ints:
        part = data[first : first + BLOCK]
        rows = np.empty(len(part) + 1, np.int64)
        return rows[: kernels_rows.find(part, low - 1, 0, table, rows)] + first

    return np.concatenate(spread(one, list(range(0, len(attribute), BLOCK)) or [0]))


def _source(name: str, attribute: Column, advance: Advance, as_of: int) -> Source:
    def nothing(name: str) -> Column | Family:
        raise KeyError(name)

    return Source(advance.catalog, as_of, len(attribute), {name: attribute}, {}, nothing)
