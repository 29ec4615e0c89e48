"""What a list of values comes to, in plain Python: the oracle of `Index.aggregate`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any


def aggregate(values: Sequence[Any], quantiles: Sequence[float]) -> dict[str, Any]:
    """*values* in the order of dense ids, None where missing; int, Decimal of one scale, float, date or datetime."""
    known = [value for value in values if value is not None]
    dated = any(isinstance(value, dt.date) for value in known)
    total = None if dated else _sum(known)
    return {
        "count": len(known),
        "missing": len(values) - len(known),
        "sum": total,
        "mean": None if dated or not known else _mean(known, total),
        "min": min(known, default=None),
        "max": max(known, default=None),
        "quantiles": {q: quantile(known, Fraction(str(q))) for q in quantiles},
    }


def quantile(known: Sequence[Any], q: Fraction) -> Any:
    """The smallest known value such that at least *q* of the known values are at or below it."""
    if not known:
        return None
    return min(value for value in known if Fraction(sum(other <= value for other in known), len(known)) >= q)


def _sum(known: Sequence[Any]) -> Any:
    if any(isinstance(value, float) for value in known):
        total = 0.0
        for value in known:
            total += value
        return total
    return sum(map(Fraction, known), Fraction(0))


def _mean(known: Sequence[Any], total: Any) -> float:
    """Scaled numbers are whole in their least unit: their sum is rounded to a float64 there, then divided once."""
    if isinstance(total, float):
        return total / len(known)
    scale = -known[0].as_tuple().exponent if isinstance(known[0], Decimal) else 0
    return float(int(total * 10**scale)) / float(len(known) * 10**scale)
