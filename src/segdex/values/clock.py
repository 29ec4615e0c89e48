"""Time: windows to intervals of microseconds, local dates, local midnights.

A moment is an int64 of microseconds since 1970 UTC, a local date an int64 of days since 1970. Both go on
beyond the years 1 to 9999 that `datetime` knows: there a zone keeps the offset of its first or last known year.

Columns of times are converted without a loop over rows: the offsets of a zone are tabulated for the years that
occur, and each time is looked up in the table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import assert_never

import numpy as np

from segdex.errors import ArgumentError
from segdex.rules.windows import (
    Calendar,
    Dates,
    Duration,
    Last,
    Lifetime,
    Period,
    Previous,
    Rolling,
    This,
    Window,
)  # fmt: skip
from segdex.values.column import MISSING, Ints

DAY = 86_400_000_000
SECOND = 1_000_000
FIRST = MISSING + 1
"""The exclusive low end of a window without a start."""
LATEST = 253_402_300_799_999_999
"""The last microsecond of the year 9999, after which Python tells no time."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_YEAR_1970 = 1970
# No zone is a whole day from UTC: a day inside the range of datetime every local time can be represented.
_EARLIEST = (dt.date.min.toordinal() + 1 - _EPOCH_ORDINAL) * DAY
_LATEST = (dt.date.max.toordinal() - 1 - _EPOCH_ORDINAL) * DAY
# Times within two days of int64's ends are treated as being there, so that an offset never overflows.
_LOWEST, _HIGHEST = MISSING + 2 * DAY, int(np.iinfo(np.int64).max) - 2 * DAY
_BLOCK = 1 << 20
_MOST_YEARS = 400


def to_microseconds(time: dt.datetime) -> int:
    """A zone-aware time as microseconds since 1970 UTC.

    Raises:
        ArgumentError: *time* has no zone, or lies outside the years 1 to 9999 in UTC.
    """
    if time.utcoffset() is None:
        raise ArgumentError("a time needs a zone", found=repr(time.isoformat()), hint="write it with Z or an offset")
    try:
        time = time.astimezone(dt.UTC)
    except OverflowError:
        found = repr(time.isoformat())
        raise ArgumentError("a time is outside the years 1 to 9999 in UTC", found=found) from None
    return (time - _EPOCH) // dt.timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> dt.datetime:
    """Microseconds since 1970 as a time in UTC; only the years 1 to 9999.

    >>> from_microseconds(0)
    datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    return _EPOCH + dt.timedelta(microseconds=int(microseconds))


# --- windows ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)  # the metrics of a schema share few windows, and the clock stands still between batches
def bounds(window: Window, as_of: int, zone: dt.tzinfo) -> tuple[int, int]:
    """The interval (low, high] of *window* at the clock *as_of*, in microseconds UTC.

    The high end is never beyond the clock, since rows after it do not count yet; a window without a start has
    the low end `FIRST`. An interval may be empty (low >= high).
    """
    match window:
        case Lifetime():
            low, high = FIRST, as_of
        case Rolling(start, end):
            low = FIRST if start is None else back(as_of, start, zone)
            high = as_of if end is None else back(as_of, end, zone)
        case Dates(first, after):
            low = FIRST if first is None else midnight(first.toordinal() - _EPOCH_ORDINAL, zone) - 1
            high = as_of if after is None else midnight(after.toordinal() - _EPOCH_ORDINAL, zone) - 1
        case Calendar(length, with_today):
            after_last = today(as_of, zone) + with_today
            low = midnight(shift_date(after_last, length, -1), zone) - 1
            high = midnight(after_last, zone) - 1
        case This(period):
            low, high = midnight(_period_start(today(as_of, zone), period), zone) - 1, as_of
        case Previous(period):
            start_of_this = _period_start(today(as_of, zone), period)
            low = midnight(_period_start(start_of_this - 1, period), zone) - 1
            high = midnight(start_of_this, zone) - 1
        case Last():
            raise ArgumentError("a window of the last transactions is no interval of time", found=str(window))
        case _:
            assert_never(window)
    return max(low, FIRST), min(high, as_of)


def back(moment: int, length: Duration, zone: dt.tzinfo) -> int:
    """*moment* less *length*; months and years keep the local time of day."""
    fixed = length.fixed_microseconds
    if fixed is not None or length.count == 0:
        return moment - (fixed or 0)
    day, time_of_day = divmod(moment + offset_at(moment, zone), DAY)
    return _localize_one(shift_date(day, length, -1) * DAY + time_of_day, zone)


def _period_start(day: int, period: Period) -> int:
    """The first day of the day, ISO week, month or year that *day* is in."""
    if period == "d":
        return day
    if period == "w":
        return day - (day + 3) % 7  # 1970-01-01 was a Thursday
    months = _month_of(day)
    return _month_start(months if period == "mo" else months - months % 12)


# --- dates --------------------------------------------------------------------------------------------------


def shift_date(day: int, length: Duration, sign: int) -> int:
    """*day* plus (*sign* 1) or less (-1) a length in days, weeks, months or years.

    After months and years the day is clipped to the month's end.

    Raises:
        ArgumentError: *length* is in hours or minutes.
    """
    if length.unit in ("d", "w"):
        return day + sign * length.count * (7 if length.unit == "w" else 1)
    if length.unit not in ("mo", "y"):
        raise ArgumentError("a date moves by whole days", found=str(length), allowed="d, w, mo, y")
    month = _month_of(day)
    moved = month + sign * length.count * (12 if length.unit == "y" else 1)
    last = _month_start(moved + 1) - 1
    return min(_month_start(moved) + day - _month_start(month), last)


def next_anniversaries(days: Ints, today: int) -> Ints:
    """The first day from *today* on with the month and day of each date, whatever its year; missing stays missing.

    A 29 February has its anniversary on the 28th in a common year.
    """
    found = np.full(len(days), MISSING, np.int64)
    known = days != MISSING
    dates = days[known]
    if not len(dates):
        return found
    first, last = int(dates.min()), int(dates.max())
    if last - first < len(dates):  # dates repeat: each day is looked at once
        found[known] = _anniversaries(np.arange(first, last + 1), today)[dates - first]
    else:
        found[known] = _anniversaries(dates, today)
    return found


def _anniversaries(days: Ints, today: int) -> Ints:
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    of_month = days - months.astype("datetime64[D]").astype(np.int64)
    of_year = months.astype(np.int64) % 12

    def in_year(january: int) -> Ints:
        month = (of_year + january).astype("datetime64[M]")
        start, after = (each.astype("datetime64[D]").astype(np.int64) for each in (month, month + 1))
        moved: Ints = np.minimum(start + of_month, after - 1)
        return moved

    january = _month_of(today) // 12 * 12
    found = in_year(january)
    passed = found < today
    found[passed] = in_year(january + 12)[passed]
    return found


def _month_of(day: int) -> int:
    """Months since January 1970."""
    return int(np.datetime64(day, "D").astype("datetime64[M]").astype(np.int64))


def _month_start(month: int) -> int:
    return int(np.datetime64(month, "M").astype("datetime64[D]").astype(np.int64))


def today(as_of: int, zone: dt.tzinfo) -> int:
    """The local date at the clock *as_of*, in days since 1970."""
    return (as_of + offset_at(as_of, zone)) // DAY


def midnight(day: int, zone: dt.tzinfo) -> int:
    """The moment at which the local *day* begins, in microseconds UTC.

    Where a zone skips midnight it is the first moment after the gap; where midnight comes twice, the first.
    """
    return _localize_one(day * DAY, zone)


def local_days(times: Ints, zone: dt.tzinfo) -> Ints:
    """The local date of each time, in days since 1970; a missing time gives a missing day."""

    def convert(block: Ints) -> Ints:
        starts, offsets = _table(zone, _years(block))
        return (block + offsets[np.searchsorted(starts, block, "right") - 1]) // DAY

    return _in_blocks(times, convert)


def to_local(times: Ints, zone: dt.tzinfo) -> Ints:
    """The local wall-clock time of each moment, in microseconds since a local 1970-01-01; missing stays missing."""

    def convert(block: Ints) -> Ints:
        starts, offsets = _table(zone, _years(block))
        return block + offsets[np.searchsorted(starts, block, "right") - 1]

    return _in_blocks(times, convert)


def localize(naive: Ints, zone: dt.tzinfo) -> Ints:
    """Local wall-clock times (microseconds since a local 1970-01-01) as moments in UTC; missing stays missing.

    A wall-clock time that does not exist moves forward by the length of the gap, a double one is the earlier.
    """

    def convert(block: Ints) -> Ints:
        years = _years(block)
        starts, offsets = _table(zone, sorted({each + step for each in years for step in (-1, 0, 1)}))
        # The old offset holds up to the end of a gap and up to the end of the first pass of a doubled hour.
        walls = starts + np.maximum(offsets, np.concatenate([offsets[:1], offsets[:-1]]))
        return block - offsets[np.maximum(np.searchsorted(walls, block, "right") - 1, 0)]

    return _in_blocks(naive, convert)


def _localize_one(naive: int, zone: dt.tzinfo) -> int:
    return int(localize(np.array([naive], np.int64), zone)[0])


def _in_blocks(times: Ints, convert: Callable[[Ints], Ints]) -> Ints:
    """Apply *convert* to the known times, block by block, so that scratch memory stays small."""
    out = np.empty(len(times), np.int64)
    for start in range(0, len(times), _BLOCK):
        block = times[start : start + _BLOCK]
        out[start : start + _BLOCK] = convert(np.clip(block, _LOWEST, _HIGHEST))
    out[times == MISSING] = MISSING
    return out


# --- offsets of a zone --------------------------------------------------------------------------------------


def offset_at(moment: int, zone: dt.tzinfo) -> int:
    """The offset of local time from UTC at *moment*, in microseconds."""
    inside = _EPOCH + dt.timedelta(microseconds=min(max(moment, _EARLIEST), _LATEST))
    offset = inside.astimezone(zone).utcoffset()
    assert offset is not None
    return offset // dt.timedelta(microseconds=1)


def _years(times: Ints) -> Sequence[int]:
    """The years (of UTC) that may occur in *times*, ascending, from 1 to 9999."""
    ends = np.array([times.min(), times.max()], np.int64)
    first, last = (_year_of(ends)).tolist()
    if last - first < _MOST_YEARS:
        return range(first, last + 1)
    return np.unique(_year_of(times)).tolist()  # type: ignore[no-any-return]


def _year_of(times: Ints) -> Ints:
    years = times.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + _YEAR_1970
    return np.clip(years, dt.MINYEAR, dt.MAXYEAR)


def _table(zone: dt.tzinfo, years: Sequence[int]) -> tuple[Ints, Ints]:
    """The moments from which each offset holds, ascending, and the offsets, valid within *years*."""
    tables = [_year_table(zone, year) for year in years if dt.MINYEAR <= year <= dt.MAXYEAR]
    starts = np.concatenate([each[0] for each in tables])
    starts[0] = MISSING  # whatever lies before the first year has its first offset
    return starts, np.concatenate([each[1] for each in tables])


@lru_cache(maxsize=20_000)
def _year_table(zone: dt.tzinfo, year: int) -> tuple[Ints, Ints]:
    """The offsets of one year: its start and every change within it.

    A zone is asked once a day and between two days that differ the change is searched; offsets that change
    twice within a day and end as they began would be missed, and no zone has ever done so.
    """
    start = (dt.date(year, 1, 1).toordinal() - _EPOCH_ORDINAL) * DAY
    days = 366 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 365
    starts, offsets = [start], [offset_at(start, zone)]
    for day in range(1, days + 1):
        moment = start + day * DAY - (day == days)  # the next year's first moment is in the next year's table
        while offset_at(moment, zone) != offsets[-1]:
            change = _next_change(max(starts[-1], start + (day - 1) * DAY), moment, offsets[-1], zone)
            starts.append(change)
            offsets.append(offset_at(change, zone))
    return np.array(starts, np.int64), np.array(offsets, np.int64)


def _next_change(before: int, after: int, offset: int, zone: dt.tzinfo) -> int:
    """The whole second in (before, after] from which the offset is no longer *offset*."""
    low, high = before // SECOND, after // SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if offset_at(middle * SECOND, zone) == offset:
            low = middle
        else:
            high = middle
    return high * SECOND
