"""Calendar arithmetic over columns: the periods that moments lie in, durations added, dates that come again.

Dates are days since 1970, moments microseconds since 1970 UTC, both int64 of shape (items,); missing stays missing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from segdex.rules.windows import Duration
from segdex.values.clock import DAY, local_days, localize, to_local, today
from segdex.values.column import MISSING, Ints

Span: TypeAlias = Literal["d", "w", "mo"]

_MONTHS = {"mo": 1, "y": 12}


# --- periods -----------------------------------------------------------------------------------------------------


def periods(times: Ints, period: Span, zone: dt.tzinfo) -> Ints:
    """The number of the local day, ISO week or month of each moment: one more than that of the period before it."""
    return _periods_of_days(local_days(times, zone), period)


def current(as_of: int, period: Span, zone: dt.tzinfo) -> int:
    """The number of the period that the clock is in; the one before it is the last complete one."""
    return int(_periods_of_days(np.array([today(as_of, zone)], np.int64), period)[0])


def first_day(number: int, period: Span) -> int:
    """The first day of a period by its number, see `periods`.

    >>> first_day(0, "w"), first_day(1, "w"), first_day(1, "mo")
    (-3, 4, 31)
    """
    if period == "d":
        return number
    return 7 * number - 3 if period == "w" else int(_starts(np.array([number], np.int64))[0])


def _periods_of_days(days: Ints, period: Span) -> Ints:
    if period == "d":
        return days
    if period == "mo":
        return _months(days)
    weeks = (days + 3) // 7  # 1970-01-01 was a Thursday
    weeks[days == MISSING] = MISSING
    return weeks


# --- durations ---------------------------------------------------------------------------------------------------


def later(times: Ints, length: Duration, zone: dt.tzinfo) -> Ints:
    """Each moment plus *length*; months and years keep the local time of day, the day clipped to the month's end."""
    fixed = length.fixed_microseconds

    def moved(known: Ints) -> Ints:
        if fixed is not None:
            return known + fixed
        return _shifted_times(known, np.full(len(known), length.count * _MONTHS[length.unit], np.int64), zone)

    return _where_known(times, moved)


def next_dates(days: Ints, every: Duration, today: int) -> Ints:
    """The first repetition of each date that is not before *today*; the date itself is the first of them all.

    Repetitions count from the date itself: the 31st comes again on the last day of shorter months, and on the 31st of
    others.

    >>> next_dates(np.array([10, 30]), Duration(1, "w"), 20)
    array([24, 30])
    """

    def found(known: Ints) -> Ints:
        if every.unit not in _MONTHS:
            return _stepped(known, every.count * (7 if every.unit == "w" else 1), today)
        step = every.count * _MONTHS[every.unit]
        fewest = (_month_of(today) - _months(known)) // step
        return _first_from(lambda count: _shifted_days(known, count * step), fewest, today)

    return _where_known(days, found)


def next_times(times: Ints, every: Duration, as_of: int, zone: dt.tzinfo) -> Ints:
    """The first repetition of each moment that is not before the clock; see `next_dates` and `later`."""

    def found(known: Ints) -> Ints:
        fixed = every.fixed_microseconds
        if fixed is not None:
            return _stepped(known, fixed, as_of)
        step = every.count * _MONTHS[every.unit]
        fewest = (_month_of(today(as_of, zone)) - _months(local_days(known, zone))) // step
        return _first_from(lambda count: _shifted_times(known, count * step, zone), fewest, as_of)

    return _where_known(times, found)


def _where_known(values: Ints, change: Callable[[Ints], Ints]) -> Ints:
    known = values != MISSING
    changed = np.full(len(values), MISSING, np.int64)
    if known.any():
        changed[known] = change(values[known])
    return changed


def _stepped(values: Ints, step: int, now: int) -> Ints:
    """Each value, or the first one some steps later that is not before *now*."""
    steps: Ints = np.maximum(-((values - now) // step), 0)
    return values + steps * step


def _first_from(repeated: Callable[[Ints], Ints], fewest: Ints, now: int) -> Ints:
    """What *repeated* gives for the smallest number of repetitions that is not before *now*.

    Args:
        repeated: the value after so many repetitions, ascending in their number.
        fewest: a number of repetitions that is not too many; negative: none.
        now: the end of the past.
    """
    count = np.maximum(fewest, 0)
    found = repeated(count)
    while (past := found < now).any():
        count = count + past
        found = repeated(count)
    return found


# --- months ------------------------------------------------------------------------------------------------------


def _shifted_days(days: Ints, months: Ints) -> Ints:
    """Each date some months later, the day clipped to the month's end."""
    start = _months(days)
    last = _starts(start + months + 1) - 1
    shifted: Ints = np.minimum(_starts(start + months) + days - _starts(start), last)
    return shifted


def _shifted_times(times: Ints, months: Ints, zone: dt.tzinfo) -> Ints:
    """Each moment some months later at the same local time of day; none later is the moment itself."""
    days, time_of_day = np.divmod(to_local(times, zone), DAY)
    moved = localize(_shifted_days(days, months) * DAY + time_of_day, zone)
    return np.where(months == 0, times, moved)


def _months(days: Ints) -> Ints:
    """The month of each date, counted from January 1970."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def _month_of(day: int) -> int:
    return int(_months(np.array([day], np.int64))[0])


def _starts(months: Ints) -> Ints:
    """The first day of each month."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
