"""Tokens of a rule's text, and what one of them says: a name, a string, a number, a date, a time, a duration."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Protocol

from segdex.errors import ArgumentError, RuleError
from segdex.rules.limits import place
from segdex.rules.nodes import Number
from segdex.rules.windows import Duration

LONGEST_NUMBER = 80
"""Characters of a number as written; the digits that count are bounded by `numbers.plain`."""

_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?(?:(Z)|([+-])(\d{2}):?(\d{2}))", re.I
)


class Word(Protocol):
    """A token: the text as written, its terminal, and where it begins and ends."""

    type: str
    line: int
    column: int
    end_line: int
    end_column: int
    start_pos: int
    end_pos: int

    def __str__(self) -> str: ...


def at(word: Word) -> str:
    """Where the token begins, for a message."""
    return place(word.line, word.column)


def placed(error: ArgumentError, word: Word) -> RuleError:
    """What is wrong with the value of a token, as the error of a rule with its place."""
    found = error.found if error.found is not None else repr(str(word)[:40])
    return RuleError(error.problem, place=at(word), found=found, allowed=error.allowed, hint=error.hint)


def filled(name: str, word: Word) -> str:
    """*name*, unless it is empty."""
    if not name:
        raise RuleError("a name is empty", place=at(word))
    return name


def name_of(word: Word) -> str:
    """The name that is written, bare or in double quotes."""
    if word.type != "QUOTED":
        return str(word)
    return filled(str(word)[1:-1].replace('""', '"'), word)


def string_of(word: Word) -> str:
    """The string that is written in single quotes."""
    return str(word)[1:-1].replace("''", "'")


def number_of(word: Word) -> Number:
    """The number that is written."""
    text = str(word)
    try:
        # Bounded first: what Python does with a million digits takes its time.
        if len(text) > LONGEST_NUMBER:
            raise ArgumentError("a number is too long", allowed=f"{LONGEST_NUMBER} characters")
        return Number(Decimal(text))
    except ArgumentError as error:
        raise placed(error, word) from None


def whole_of(word: Word, most: int, what: str) -> int:
    """The whole number from 1 to *most* that is written; *what* it counts is for the message."""
    value = number_of(word).value
    if value != value.to_integral_value() or not 1 <= value <= most:
        raise RuleError(
            f"{what} is out of range", place=at(word), found=str(word)[:40], allowed=f"a whole number, 1 to {most:,}"
        )
    return int(value)


def duration_of(word: Word) -> Duration:
    """The duration that is written."""
    try:
        return Duration.parse(str(word).lower())
    except ArgumentError as error:
        raise placed(error, word) from None


def date_of(word: Word) -> dt.date:
    """The date that is written."""
    try:
        return _calendar_date(str(word))
    except ValueError as error:
        raise RuleError(f"not a date: {error}", place=at(word), found=str(word)[:40], allowed="YYYY-MM-DD") from None


def _calendar_date(text: str) -> dt.date:
    if len(text) != len("2026-01-31"):
        raise ValueError("month and day have two digits")
    return dt.date.fromisoformat(text)


def time_of(word: Word) -> dt.datetime:
    """The time that is written, in UTC."""
    match = _TIME.fullmatch(str(word))
    if match is None:
        raise RuleError(
            "not a time: it needs hours, minutes and a zone, and has at most six decimals",
            place=at(word),
            found=str(word)[:40],
            allowed="2026-01-31T12:00:00Z, or an offset such as +05:30 in place of Z",
        )
    day, hour, minute, second, fraction, utc, sign, offset_hour, offset_minute = match.groups()
    try:
        shift = dt.timedelta(hours=int(offset_hour or 0), minutes=int(offset_minute or 0))
        zone = dt.UTC if utc else dt.timezone(-shift if sign == "-" else shift)
        clock = dt.time(int(hour), int(minute), int(second or 0), int((fraction or "0").ljust(6, "0")), zone)
        return dt.datetime.combine(_calendar_date(day), clock).astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise RuleError(f"not a time: {error}", place=at(word), found=str(word)[:40]) from None
