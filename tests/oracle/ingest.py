"""What reading means, one value and one row at a time: the obvious twin of `segdex.ingest`.

It knows nothing of Arrow's layout, of codes or of chunks: a raw Python value and a declared type give a value, `None`
for a missing one, or `BadError`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from segdex.schema.types import ValueType

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LARGEST = 2**63 - 1


class BadError(Exception):
    """The value cannot be of the type."""


def value(kind: ValueType, zone: dt.tzinfo, raw: Any) -> Any:
    """The value that *raw* stands for in a column of type *kind*."""
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return None
    match kind.kind:
        case "integer":
            return exact(raw, 0, Fraction(0))
        case "number" if kind.scale is not None:
            return exact(raw, kind.scale, min(Fraction(1, 10**6), Fraction(1, 10 ** (kind.scale + 2))))
        case "number":
            return real(raw)
        case "bool":
            return truth(raw)
        case "date":
            return date(raw, zone)
        case "time":
            return time(raw, zone)
        case "tags":
            return frozenset(text(each, kind.fold) for each in raw if each is not None)
        case _:
            return text(raw, kind.fold)


def exact(raw: Any, scale: int, slack: Fraction) -> int | None:
    """The integer of 10^-scale; a float may be off by *slack*, or be the nearest float to it, and text by *slack*."""
    if isinstance(raw, str):
        if not raw.strip():
            return None
        raw = Fraction(decimal(raw))
        near = round(raw * 10**scale)
        if abs(raw - Fraction(near, 10**scale)) <= slack:
            raw = Fraction(near, 10**scale)
    if isinstance(raw, float):
        if math.isinf(raw):
            raise BadError
        near = round(Fraction(raw) * 10**scale)
        close = abs(Fraction(raw) - Fraction(near, 10**scale)) <= slack
        if not close and (scale == 0 or float(Fraction(near, 10**scale)) != raw):
            raise BadError
        number = Fraction(near, 10**scale)
    else:
        number = Fraction(raw)
    steps = number * 10**scale
    if steps.denominator != 1 or abs(steps) > LARGEST:
        raise BadError
    return int(steps)


def decimal(raw: str) -> Decimal:
    if "_" in raw:  # Python's own way to group digits
        raise BadError
    try:
        number = Decimal(raw.strip())
    except ArithmeticError:
        raise BadError from None
    if not number.is_finite():
        raise BadError
    return number


def real(raw: Any) -> float | None:
    if isinstance(raw, str):
        if not raw.strip():
            return None
        raw = decimal(raw)
    return float(raw)


def truth(raw: Any) -> bool | None:
    if isinstance(raw, str):
        word = raw.strip().lower()
        if word in ("true", "t", "yes", "y", "1"):
            return True
        if word in ("false", "f", "no", "n", "0"):
            return False
        if not word:
            return None
        raise BadError
    if raw not in (0, 1):
        raise BadError
    return bool(raw)


def text(raw: Any, fold: bool = False) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float):
        if not raw.is_integer() or abs(raw) >= 2**63:
            raise BadError
        raw = int(raw)
    if isinstance(raw, Decimal):
        raw = int(raw) if raw == int(raw) else format(raw, "f").rstrip("0")
    return str(raw).lower() if fold else str(raw)


def date(raw: Any, zone: dt.tzinfo) -> dt.date:
    if isinstance(raw, str):
        raw = dt.datetime.fromisoformat(raw) if len(raw) > 10 else dt.date.fromisoformat(raw)
    if isinstance(raw, dt.datetime):
        return (raw if raw.tzinfo is None else raw.astimezone(zone)).date()
    assert isinstance(raw, dt.date)
    return raw


def time(raw: Any, zone: dt.tzinfo) -> int:
    """Microseconds since 1970 UTC. Of a doubled local time fold=0 is the earlier, one in a gap moves forward."""
    if isinstance(raw, str):
        raw = dt.datetime.fromisoformat(raw)
    if not isinstance(raw, dt.datetime):
        raw = dt.datetime(raw.year, raw.month, raw.day)
    if raw.tzinfo is None:
        raw = raw.replace(tzinfo=zone, fold=0)
    return (raw.astimezone(dt.UTC) - EPOCH) // dt.timedelta(microseconds=1)


# --- tables ------------------------------------------------------------------------------------------------------


def keys(sources: Sequence[Sequence[Any]], text: bool) -> list[Any]:
    """All keys in the order of dense ids: strings by their bytes if there is *text*, else integers by value."""
    known = {raw for source in sources for raw in source if raw is not None}
    return sorted({str(raw) for raw in known}, key=str.encode) if text else sorted(known)


class Row(NamedTuple):
    """One row of a stream; *unit* None: a transaction of its own."""

    key: Any
    time: int
    unit: Any
    fields: tuple[Any, ...]


def transactions(rows: Sequence[Row]) -> dict[Any, list[list[Row]]]:
    """By key the transactions: rows by time, transactions by their earliest."""
    found: dict[Any, dict[Any, list[Row]]] = {}
    for place, row in enumerate(rows):
        if row.key is not None:
            own = ("alone", place) if row.unit is None else ("unit", str(row.unit))
            found.setdefault(row.key, {}).setdefault(own, []).append(row)
    return {
        key: sorted((sorted(each, key=lambda row: row.time) for each in units.values()), key=lambda each: each[0].time)
        for key, units in found.items()
    }
