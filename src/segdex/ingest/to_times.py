"""Arrow arrays to dates (days since 1970) and times (microseconds since 1970, UTC)."""

from __future__ import annotations

import datetime as dt

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.ingest import kernels
from segdex.ingest.arrays import (
    Converted,
    Problem,
    is_text,
    known_of,
    numbers_of,
    plain,
    problems_of,
    strings_of,
    text_buffers,
    unfit,
)  # fmt: skip
from segdex.values import clock
from segdex.values.column import MISSING, Ints, Mask

DAY = 86_400_000_000
FIRST_DAY = dt.date.min.toordinal() - dt.date(1970, 1, 1).toordinal()
LAST_DAY = dt.date.max.toordinal() - dt.date(1970, 1, 1).toordinal()
FIRST_TIME, LAST_TIME = FIRST_DAY * DAY, (LAST_DAY + 1) * DAY - 1
OUT_OF_RANGE = "outside the years 1 to 9999"
_PER_MICROSECOND = {"s": 1_000_000, "ms": 1_000, "us": 1}


def times(array: pa.Array, zone: dt.tzinfo) -> Converted:
    """Moments in microseconds UTC; naive ones are local to *zone*, a date is its local midnight.

    Raises:
        SourceError: the type holds no times; integers are refused, since their unit is unknown.
    """
    array = plain(array)
    kind = array.type
    if pa.types.is_timestamp(kind):
        data, known, large = _microseconds(array)
        return _checked(data, known, large, None if kind.tz else zone)
    if pa.types.is_date(kind):
        days, known = _days(array)
        large = (days < FIRST_DAY) | (days > LAST_DAY)
        return _checked(np.where(large, 0, days) * DAY, known, large, zone)
    if is_text(kind):
        return _times_from_strings(array, zone)
    if pa.types.is_null(kind):
        return Converted(np.full(len(array), MISSING, np.int64), [])
    raise _refused(array, "a time")


def dates(array: pa.Array, zone: dt.tzinfo) -> Converted:
    """Local dates in days since 1970; of a time with a zone, the date in *zone*.

    Raises:
        SourceError: the type holds no dates.
    """
    array = plain(array)
    kind = array.type
    if pa.types.is_date(kind):
        days, known = _days(array)
        return _dated(days, known)
    if pa.types.is_timestamp(kind):
        data, known, large = _microseconds(array)
        large |= (data < FIRST_TIME) | (data > LAST_TIME)
        data = np.where(known & ~large, data, MISSING)
        days = clock.local_days(data, zone) if kind.tz else np.where(data == MISSING, MISSING, data // DAY)
        converted = _dated(days, known & ~large)
        return Converted(converted.data, [*problems_of((known & large, OUT_OF_RANGE)), *converted.problems])
    if is_text(kind):
        return _dates_from_strings(array, zone)
    if pa.types.is_null(kind):
        return Converted(np.full(len(array), MISSING, np.int64), [])
    raise _refused(array, "a date")


def _refused(array: pa.Array, what: str) -> Exception:
    error = unfit(array, what, "timestamps, dates, ISO 8601 text")
    if pa.types.is_integer(array.type):
        error.hint = "a number does not say its unit: convert it to a timestamp first"
    return error


# --- times -------------------------------------------------------------------------------------------------------


def _microseconds(array: pa.TimestampArray) -> tuple[Ints, Mask, Mask]:
    """Microseconds (nanoseconds are floored), which are known, and which are beyond 64 bits (0 there)."""
    known = known_of(array)
    items = numbers_of(array.view(pa.int64()))
    if array.type.unit == "ns":
        return np.floor_divide(items, 1000), known, np.zeros(len(items), np.bool_)
    factor = _PER_MICROSECOND[array.type.unit]
    large = (items > LAST_TIME // factor) | (items < FIRST_TIME // factor)
    return np.where(large, 0, items) * factor, known, large


def _checked(data: Ints, known: Mask, large: Mask, zone: dt.tzinfo | None) -> Converted:
    """Naive times localized (with *zone*), those outside the years 1 to 9999 taken out."""
    large = known & (large | (data < FIRST_TIME) | (data > LAST_TIME))
    data = np.where(known & ~large, data, MISSING)
    if zone is not None:
        data = clock.localize(data, zone)
        large |= known & ~large & ((data < FIRST_TIME) | (data > LAST_TIME))
        data[large] = MISSING
    return Converted(data, problems_of((large, OUT_OF_RANGE)))


def _parsed(array: pa.Array) -> tuple[Ints, npt.NDArray[np.int8], list[Problem]]:
    """The values, the statuses of `kernels.parse_times`, and what is not even text."""
    strings, problems = strings_of(array)
    offsets, text, known = text_buffers(strings)
    values, statuses = np.empty(len(strings), np.int64), np.empty(len(strings), np.int8)
    kernels.parse_times(offsets, text, known, values, statuses)
    return values, statuses, problems


def _times_from_strings(array: pa.Array, zone: dt.tzinfo) -> Converted:
    values, statuses, problems = _parsed(array)
    data = np.where(statuses == kernels.DATE, values * DAY, values)
    naive = (statuses == kernels.DATE) | (statuses == kernels.LOCAL)
    local = _checked(data, naive, ~naive, zone)
    absolute = _checked(data, statuses == kernels.ABSOLUTE, ~(statuses == kernels.ABSOLUTE), None)
    malformed = problems_of((statuses == kernels.MALFORMED, "text that is no ISO 8601 time"))
    merged = np.where(naive, local.data, absolute.data)
    return Converted(merged, [*problems, *malformed, *local.problems, *absolute.problems])


# --- dates -------------------------------------------------------------------------------------------------------


def _days(array: pa.Array) -> tuple[Ints, Mask]:
    if pa.types.is_date32(array.type):
        return numbers_of(array.view(pa.int32())).astype(np.int64), known_of(array)
    return np.floor_divide(numbers_of(array.view(pa.int64())), DAY // 1000), known_of(array)


def _dated(days: Ints, known: Mask) -> Converted:
    wrong = known & ((days < FIRST_DAY) | (days > LAST_DAY))
    return Converted(np.where(known & ~wrong, days, MISSING), problems_of((wrong, OUT_OF_RANGE)))


def _dates_from_strings(array: pa.Array, zone: dt.tzinfo) -> Converted:
    values, statuses, problems = _parsed(array)
    days = np.where(statuses == kernels.LOCAL, values // DAY, values)
    absolute = statuses == kernels.ABSOLUTE
    outside = absolute & ((values < FIRST_TIME) | (values > LAST_TIME))
    if absolute.any():
        days[absolute] = clock.local_days(np.clip(values[absolute], FIRST_TIME, LAST_TIME), zone)
    known = (statuses != kernels.BLANK) & (statuses != kernels.MALFORMED) & ~outside
    converted = _dated(days, known)
    malformed = problems_of((statuses == kernels.MALFORMED, "text that is no ISO 8601 date"), (outside, OUT_OF_RANGE))
    return Converted(converted.data, [*problems, *malformed, *converted.problems])
