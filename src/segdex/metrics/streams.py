"""The kinds of metrics over one stream: from what counts of it to one value a customer or pair."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

import numpy as np

from segdex.metrics import kernels_periods, kernels_transactions, kernels_values
from segdex.metrics.select import Group, Selected
from segdex.rules.windows import Duration
from segdex.schema.model import Metric
from segdex.values import calendar, clock
from segdex.values.column import MISSING, Column, Data, Floats, Ints
from segdex.values.keys import keys_of, keys_of_floats, values_of

Compute = Callable[[Selected, Metric], Data]


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """How a kind is computed.

    Attributes:
        compute: one value a customer or pair.
        zero: whether nobody's value is missing: without a transaction it is 0.
    """

    compute: Compute
    zero: bool = False


def days_between(earlier: Ints, later: Ints | int) -> Floats:
    """``later - earlier`` of moments, in days of 24 hours; missing where *earlier* is."""
    days = (later - earlier) / np.float64(clock.DAY)
    days[earlier == MISSING] = np.nan
    return days


def until(values: Ints, kind: str, as_of: int, today: int) -> Floats:
    """Days from the clock to each moment, or from today to each date; missing where the value is."""
    if kind == "time":
        return -days_between(values, as_of) + 0.0
    days = (values - today).astype(np.float64)
    days[values == MISSING] = np.nan
    return days


def repeated(values: Ints, kind: str, every: Duration | None, as_of: int, zone: dt.tzinfo) -> Ints:
    """The first repetition of each date or time that is not past; as they are where they do not repeat."""
    if every is None:
        return values
    if kind == "time":
        return calendar.next_times(values, every, as_of, zone)
    return calendar.next_dates(values, every, clock.today(as_of, zone))


# --- numbers of items ------------------------------------------------------------------------------------------


def _counted(group: Group) -> Ints:
    found = np.empty(len(group.offsets) - 1, np.int64)
    kernels_transactions.count_inside(group.offsets, group.inside, found)
    return found


def _count(selected: Selected, _metric: Metric) -> Data:
    return _counted(selected.transactions)


def _rows(selected: Selected, _metric: Metric) -> Data:
    return _counted(selected.rows())


def _distinct(selected: Selected, metric: Metric) -> Data:
    group, found = selected.items(metric.field or ""), np.empty(selected.groups, np.int64)
    kernels_values.distinct(group.offsets, group.inside, keys_of(_field(selected, metric)), found)
    return found


# --- sums and sizes --------------------------------------------------------------------------------------------


def _sum(selected: Selected, metric: Metric) -> Data:
    group, data = selected.values(metric.field or "")
    return selected.totals(group, data, metric.field or "")[0] + 0  # -0.0 becomes 0.0


def _mean(selected: Selected, metric: Metric) -> Data:
    """The exact sum as float64, divided once."""
    group, data = selected.values(metric.field or "")
    totals, known = selected.totals(group, data, metric.field or "")
    return _quotient(totals.astype(np.float64), known * _unit(selected, metric))


def _median(selected: Selected, metric: Metric) -> Data:
    group, data = selected.values(metric.field or "")
    low, high = np.empty(selected.groups, np.int64), np.empty(selected.groups, np.int64)
    kernels_values.middle(group.offsets, group.inside, _keys(data), low, high)
    both = _added(values_of(low, data), values_of(high, data))
    both[low == MISSING] = np.nan
    middle = _quotient(both, np.full(selected.groups, 2 * _unit(selected, metric)))
    if data.dtype == np.float64:  # the sum of two large numbers is beyond float64, what lies between them is not
        halves = values_of(low, data) / 2 + values_of(high, data) / 2
        middle = np.where(np.isinf(middle) & np.isfinite(halves), halves, middle)
    return middle


def _added(low: Data, high: Data) -> Floats:
    """low + high as float64, rounded once; beyond int64 the two are rounded first."""
    with np.errstate(invalid="ignore", over="ignore"):  # inf and -inf, or two numbers near the largest
        total = low + high
        if total.dtype == np.float64:
            return total  # type: ignore[return-value]
        wrapped = ((low ^ total) & (high ^ total)) < 0  # type: ignore[operator]
        return np.where(wrapped, low.astype(np.float64) + high.astype(np.float64), total.astype(np.float64))


def _quotient(total: Floats, divisor: Ints | Floats) -> Floats:
    """total / divisor, missing where the divisor is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result = total / divisor + 0.0
    result[divisor == 0] = np.nan
    return result


def _min(selected: Selected, metric: Metric) -> Data:
    return _ends(selected, metric)[0]


def _max(selected: Selected, metric: Metric) -> Data:
    return _ends(selected, metric)[1]


def _ends(selected: Selected, metric: Metric) -> tuple[Data, Data]:
    group, data = selected.values(metric.field or "")
    least, greatest = _least_and_greatest(group, _keys(data))
    return values_of(least, data), values_of(greatest, data)


# --- moments ---------------------------------------------------------------------------------------------------


def _first(selected: Selected, _metric: Metric) -> Data:
    return _moments(selected)[0]


def _last(selected: Selected, _metric: Metric) -> Data:
    return _moments(selected)[1]


def _days_since(selected: Selected, metric: Metric) -> Data:
    first, last = _moments(selected)
    return days_between(first if metric.start == "first" else last, selected.as_of)


def _mean_gap(selected: Selected, _metric: Metric) -> Data:
    """(latest - earliest) / (transactions - 1) in days, one division."""
    first, last = _moments(selected)
    gaps = _counted(selected.transactions) - 1
    gaps[gaps < 0] = 0
    return _quotient((last - first).astype(np.float64), gaps * np.float64(clock.DAY))


def _moments(selected: Selected) -> tuple[Ints, Ints]:
    """The times of the earliest and latest transactions."""
    return _least_and_greatest(selected.transactions, selected.transactions.time)


def _least_and_greatest(group: Group, keys: Ints) -> tuple[Ints, Ints]:
    count = len(group.offsets) - 1
    least, greatest = np.empty(count, np.int64), np.empty(count, np.int64)
    kernels_values.ends(group.offsets, group.inside, keys, least, greatest)
    return least, greatest


def _days_until(selected: Selected, metric: Metric) -> Data:
    """From the clock (dates: from today) to the nearest value not before it, else to the latest before it.

    With ``every`` that value comes again and again, and its next repetition counts.
    """
    field = _field(selected, metric)
    today = clock.today(selected.as_of, selected.zone)
    group, found = selected.rows(), np.empty(selected.groups, np.int64)
    now = selected.as_of if field.type.kind == "time" else today
    kernels_values.nearest(group.offsets, group.inside, keys_of(field), now, found)
    found = repeated(found, field.type.kind, metric.every, selected.as_of, selected.zone)
    return until(found, field.type.kind, selected.as_of, today)


# --- periods ---------------------------------------------------------------------------------------------------


def _streak(selected: Selected, metric: Metric) -> Data:
    periods, now = _periods(selected, metric)
    group, found = selected.transactions, np.empty(selected.groups, np.int64)
    kernels_periods.count_back(group.offsets, group.inside, periods, now - 1, found)
    return found


def _active_periods(selected: Selected, metric: Metric) -> Data:
    assert metric.of is not None
    periods, now = _periods(selected, metric)
    group, found = selected.transactions, np.empty(selected.groups, np.int64)
    least = 1 if metric.least is None else metric.least
    kernels_periods.count_full(group.offsets, group.inside, periods, now - metric.of, now - 1, least, found)
    return found


def _periods(selected: Selected, metric: Metric) -> tuple[Ints, int]:
    """The period of each transaction, and the one that the clock is in, which is not complete."""
    assert metric.period is not None
    periods = calendar.periods(selected.transactions.time, metric.period, selected.zone)
    return periods, calendar.current(selected.as_of, metric.period, selected.zone)


# --- values of single rows -------------------------------------------------------------------------------------


def _first_value(selected: Selected, metric: Metric) -> Data:
    return _picked(selected, metric, latest=False)


def _last_value(selected: Selected, metric: Metric) -> Data:
    return _picked(selected, metric, latest=True)


def _picked(selected: Selected, metric: Metric, latest: bool) -> Data:
    field, group = _field(selected, metric), selected.items(metric.field or "")
    rows = np.empty(selected.groups, np.int64)
    kernels_values.pick(group.offsets, group.inside, group.time, keys_of(field), latest, rows)
    picked = field.take(rows).data
    return picked + 0 if picked.dtype == np.float64 else picked  # -0.0 becomes 0.0


# --- fields ----------------------------------------------------------------------------------------------------


def _field(selected: Selected, metric: Metric) -> Column:
    return selected.column(metric.field or "")


def _unit(selected: Selected, metric: Metric) -> np.float64:
    """What 1 is in the physical values of the metric's field."""
    return np.float64(10 ** (_field(selected, metric).type.scale or 0))


def _keys(data: Data) -> Ints:
    return keys_of_floats(data) if data.dtype == np.float64 else data  # type: ignore[arg-type, return-value]


KINDS: dict[str, Kind] = {
    "count": Kind(_count, zero=True),
    "rows": Kind(_rows, zero=True),
    "sum": Kind(_sum, zero=True),
    "mean": Kind(_mean),
    "min": Kind(_min),
    "max": Kind(_max),
    "median": Kind(_median),
    "distinct": Kind(_distinct, zero=True),
    "first": Kind(_first),
    "last": Kind(_last),
    "first_value": Kind(_first_value),
    "last_value": Kind(_last_value),
    "days_since": Kind(_days_since),
    "days_until": Kind(_days_until),
    "mean_gap": Kind(_mean_gap),
    "streak": Kind(_streak, zero=True),
    "active_periods": Kind(_active_periods, zero=True),
}
