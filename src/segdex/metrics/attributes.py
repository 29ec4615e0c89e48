"""The kinds of metrics over a date or time of the customer; their values change with the clock alone."""

from __future__ import annotations

import numpy as np

from segdex.metrics.source import Source
from segdex.metrics.streams import days_between, repeated, until
from segdex.schema.model import Metric
from segdex.values import clock
from segdex.values.column import MISSING, Column, Data, Floats, Ints


def compute(metric: Metric, source: Source) -> Data:
    """The values of *metric*, shape (customers,)."""
    attribute = source.attributes[metric.attribute or ""]
    today = clock.today(source.as_of, source.catalog.zone)
    if metric.kind == "years_since":
        return years_since(attribute.data, today)  # type: ignore[arg-type]
    if metric.kind == "days_until":
        kind, moments = attribute.type.kind, attribute.data
        moments = repeated(moments, kind, metric.every, source.as_of, source.catalog.zone)  # type: ignore[arg-type]
        return until(moments, kind, source.as_of, today)
    return _days_since(attribute, source.as_of, today)


def _days_since(attribute: Column, as_of: int, today: int) -> Floats:
    moments: Ints = attribute.data  # type: ignore[assignment]
    if attribute.type.kind == "time":
        return days_between(moments, as_of)
    return -until(moments, "date", as_of, today) + 0.0


def years_since(days: Ints, today: int) -> Ints:
    """Full calendar years from each date to *today*; a 29 February counts as the 28th in a common year.

    A date in the future has a negative number: the year of *today* is full only from the anniversary on.
    """
    missing = days == MISSING
    dates = np.where(missing, 0, days).astype("datetime64[D]")
    months_of = dates.astype("datetime64[M]")
    now = np.datetime64(today, "D")
    this_month = now.astype("datetime64[M]")
    months = (this_month - months_of).astype(np.int64)
    days_of_month = (dates - months_of.astype("datetime64[D]")).astype(np.int64)
    last_of_month = int(((this_month + 1).astype("datetime64[D]") - this_month.astype("datetime64[D]")).astype(int)) - 1
    day_of_now = int((now - this_month.astype("datetime64[D]")).astype(int))
    months -= np.minimum(days_of_month, last_of_month) > day_of_now
    years: Ints = months // 12
    years[missing] = MISSING
    return years
