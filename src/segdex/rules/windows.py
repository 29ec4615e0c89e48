"""Durations and windows of time, as written in a schema and in a rule.

A window says *when*, relative to the index's clock; `segdex.values.clock` turns it into an interval of microseconds.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal, TypeAlias

import msgspec

from segdex.errors import ArgumentError

DurationUnit: TypeAlias = Literal["min", "h", "d", "w", "mo", "y"]
Period: TypeAlias = Literal["d", "w", "mo", "y"]

_DURATION = re.compile(r"(\d{1,9})(min|mo|h|d|w|y)", re.ASCII)
FIXED_MICROSECONDS = {"min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}
_MONTHS = {"mo": 1, "y": 12}
MOST_LAST = 1_000_000
LONGEST = {"min": 525_600_000, "h": 8_760_000, "d": 365_000, "w": 52_000, "mo": 12_000, "y": 1_000}


class _When(msgspec.Struct, frozen=True, tag_field="is", omit_defaults=True, forbid_unknown_fields=True):
    """Base of durations and windows."""


class Duration(_When, frozen=True, tag="duration"):
    """A length of time: ``min``, ``h``, ``d``, ``w`` are fixed, ``mo`` and ``y`` follow the calendar."""

    count: int
    unit: DurationUnit

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read ``90d``, ``12w``, ``6mo``, ``1y``, ``36h`` or ``30min``.

        Raises:
            ArgumentError: *text* is no duration, or longer than a thousand years.

        >>> Duration.parse("6mo")
        Duration(count=6, unit='mo')
        """
        match = _DURATION.fullmatch(text.strip())
        if match is None:
            raise ArgumentError(
                "not a duration", found=repr(text), allowed="a whole number and a unit: 30min, 36h, 90d, 12w, 6mo, 1y"
            )
        count, unit = int(match[1]), match[2]
        if count > LONGEST[unit]:
            raise ArgumentError("a duration is too long", found=text, allowed=f"at most {LONGEST[unit]}{unit}")
        return cls(count, unit)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"

    @property
    def fixed_microseconds(self) -> int | None:
        """The length in microseconds, or None for months and years."""
        one = FIXED_MICROSECONDS.get(self.unit)
        return None if one is None else one * self.count


class Lifetime(_When, frozen=True, tag="lifetime"):
    """Everything up to the clock."""

    def __str__(self) -> str:
        return "lifetime"


class Rolling(_When, frozen=True, tag="rolling"):
    """The interval (clock - start, clock - end]; no start: from the beginning; no end: up to the clock."""

    start: Duration | None = None
    end: Duration | None = None

    def __str__(self) -> str:
        if self.end is None:
            return str(self.start)
        return f"{self.start or ''}..{self.end}"


class Dates(_When, frozen=True, tag="dates"):
    """From local midnight of *start* (included) to local midnight of *end* (excluded)."""

    start: dt.date | None = None
    end: dt.date | None = None

    def __str__(self) -> str:
        return f"{self.start or ''}..{self.end or ''}"


class Calendar(_When, frozen=True, tag="calendar"):
    """Whole local days: *length* of them ending last midnight, or with *today* the last one being today so far."""

    length: Duration
    today: bool = False

    def __str__(self) -> str:
        return f"calendar {self.length}{' today' if self.today else ''}"


class Last(_When, frozen=True, tag="last"):
    """The latest *count* transactions of the unfiltered stream."""

    count: int

    def __str__(self) -> str:
        return f"last {self.count}"


class This(_When, frozen=True, tag="this"):
    """From the local start of the current day, ISO week, month or year to the clock."""

    period: Period

    def __str__(self) -> str:
        return f"this {self.period}"


class Previous(_When, frozen=True, tag="previous"):
    """The whole local day, ISO week, month or year before the current one."""

    period: Period

    def __str__(self) -> str:
        return f"previous {self.period}"


def duration_fault(duration: Duration) -> str | None:
    """What is wrong with a duration that was not read by `Duration.parse`; None: nothing."""
    if duration.count < 0:
        return "a duration is negative"
    longest = LONGEST[duration.unit]
    return f"a duration is too long: at most {longest}{duration.unit}" if duration.count > longest else None


def window_fault(window: Window) -> str | None:
    """What is wrong with a window: it can hold nothing, or its text would not read back; None: nothing.

    >>> window_fault(Rolling(Duration(30, "d"), Duration(90, "d")))
    'the window 30d..90d is empty: the earlier end comes first'
    """
    for part in (getattr(window, name) for name in window.__struct_fields__):
        fault = duration_fault(part) if isinstance(part, Duration) else None
        if fault:
            return fault
    match window:
        case Rolling(start=None, end=None) | Dates(start=None, end=None):
            return "a window needs a start or an end"
        case Rolling(start=Duration() as start, end=end) if _at_most(start, end):
            return f"the window {window} is empty: the earlier end comes first"
        case Dates(start=dt.date() as first, end=dt.date() as after) if first >= after:
            return f"the window {window} is empty: the earlier date comes first, the later one is excluded"
        case Calendar(length=length) if length.count == 0 or length.unit in ("min", "h"):
            return "a calendar window is at least one whole day"
        case Last(count=count) if not 1 <= count <= MOST_LAST:
            return f"a window of the last transactions holds 1 to {MOST_LAST} of them"
    return None


def _at_most(start: Duration, end: Duration | None) -> bool:
    """Whether *start* is surely no longer than *end*; months against days depend on the day, so they never are."""
    end = end or Duration(0, start.unit)
    if end.count == 0 or start.count == 0:
        return start.count == 0
    one, other = start.fixed_microseconds, end.fixed_microseconds
    if one is None and other is None:
        return start.count * _MONTHS[start.unit] <= end.count * _MONTHS[end.unit]
    return one is not None and other is not None and one <= other


Window: TypeAlias = Lifetime | Rolling | Dates | Calendar | Last | This | Previous
