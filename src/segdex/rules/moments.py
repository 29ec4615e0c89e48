"""Dates and times of Python's own types: what derives from them, as those of pandas do, is not written out alike."""

from __future__ import annotations

import datetime as dt

from segdex.errors import ArgumentError


def plain_date(value: dt.date) -> dt.date:
    """*value* as a date that is nothing else.

    Raises:
        ArgumentError: it stands for no date.
    """
    if type(value) is dt.date:
        return value
    try:
        return dt.date(value.year, value.month, value.day)
    except (TypeError, ValueError):
        raise ArgumentError("not a date", found=type(value).__name__) from None


def plain_time(value: dt.datetime) -> dt.datetime:
    """*value* as a time that is nothing else, in microseconds.

    Raises:
        ArgumentError: it stands for no time.
    """
    if type(value) is dt.datetime:
        return value
    try:
        clock = dt.time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold)
        return dt.datetime.combine(dt.date(value.year, value.month, value.day), clock)
    except (TypeError, ValueError):
        raise ArgumentError("not a time", found=type(value).__name__) from None
