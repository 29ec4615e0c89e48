"""What the values of a rule's members come to: number, sum, mean, least, greatest, quantiles."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from segdex.bitmap import kernels_collect
from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.errors import ArgumentError
from segdex.query.collect import column_of
from segdex.query.execute import Executor
from segdex.values.arrow import to_arrow
from segdex.values.column import Column, Floats, Ints

Sum: TypeAlias = int | Decimal | float

_ADDED = ("integer", "number")
_ORDERED = ("date", "time")
_SUM_DIGITS = 38
"""Digits of a sum in Arrow: 4 billion of the greatest int64 have 29."""


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Aggregate:
    """What the values of the members of a rule come to.

    Values are in their units: integers are ``int``, numbers with a scale `decimal.Decimal`, other numbers ``float``,
    dates `datetime.date`, times `datetime.datetime` in UTC.

    Attributes:
        rule: the rule's text.
        of: the name whose values these are.
        count: members with a known value; None where they are fewer than the schema's ``privacy.minimum_count`` and
            not 0. Then everything that their values come to is None too.
        missing: members without one; None where they are so few.
        sum: the total: exact for integers and numbers with a scale, however large; 0 where no value is known. Other
            numbers are added as float64 in the order of dense ids, so the same index gives the same bits. None for
            dates and times.
        mean: the sum as float64, divided once; None where no value is known, and for dates and times.
        min: the least known value, or None.
        max: the greatest known value, or None.
        quantiles: by each q that was asked for the smallest known value such that at least q of the known values are
            at or below it, or None.
        type: the Arrow type of least, greatest and quantiles.
    """

    rule: str
    of: str
    count: int | None
    missing: int | None
    sum: Sum | None
    mean: float | None
    min: Any
    max: Any
    quantiles: Mapping[float, Any]
    type: pa.DataType

    def __repr__(self) -> str:
        told = {"sum": self.sum, "mean": self.mean, "min": self.min, "max": self.max}
        told |= {f"q{q}": value for q, value in self.quantiles.items()}
        values = "".join(f", {name} {value}" for name, value in told.items() if value is not None)
        known, missing = ("few" if number is None else f"{number:,}" for number in (self.count, self.missing))
        numbers = f"{known} known, {missing} missing{values}"
        return f"<segdex.Aggregate of {self.of} over {self.rule}: {numbers}>"

    def to_arrow(self) -> pa.Table:
        """A table of one row: ``rule of count missing sum mean min max``, and ``q0.25`` for each quantile.

        The sum of whole numbers is a decimal without digits after the point, since int64 may not hold it. Tables of one
        name with the same quantiles have the same columns, so that several rules make one table.
        """
        row = {
            "rule": pa.array([self.rule], pa.string()),
            "of": pa.array([self.of], pa.string()),
            "count": pa.array([self.count], pa.int64()),
            "missing": pa.array([self.missing], pa.int64()),
            "sum": pa.array([self.sum], self._sum_type()),
            "mean": pa.array([self.mean], pa.float64()),
        }
        values = {"min": self.min, "max": self.max} | {f"q{q}": value for q, value in self.quantiles.items()}
        return pa.table(row | {name: pa.array([value], self.type) for name, value in values.items()})

    def _sum_type(self) -> pa.DataType:
        if pa.types.is_temporal(self.type):
            return pa.null()
        if pa.types.is_floating(self.type):
            return self.type
        return pa.decimal128(_SUM_DIGITS, self.type.scale if pa.types.is_decimal(self.type) else 0)


def aggregate(chosen: Predicate, executor: Executor, name: str, text: str, quantiles: Iterable[float]) -> Aggregate:
    """What the values of *name* come to over the members in *chosen*; *text* is their rule."""
    asked = _asked(quantiles)
    column = column_of(name, executor)
    if column.type.kind not in _ADDED + _ORDERED:
        labelled = column.dictionary is not None
        raise ArgumentError(
            f"{name!r} is no number",
            found=column.type.kind,
            allowed="integer, number, date, time",
            hint="use count_by, which tells how many members have each label" if labelled else None,
        )
    values, total = _known(chosen, column)
    count = len(values)
    fewest = executor.generation.catalog.schema.privacy.minimum_count
    shown, missing = _shown(count, fewest), _shown(len(chosen) - count, fewest)
    if shown is None:
        values = values[:0]  # what few values come to tells of each of them
    added = total if shown is not None and column.type.kind in _ADDED else None
    (least, greatest, *found), kind = _picked(values, column, [_place(q, count) for q in asked])
    return Aggregate(
        rule=text,
        of=name,
        count=shown,
        missing=missing,
        sum=None if added is None else _in_units(added, column),
        mean=None if added is None or not count else float(added) / float(count * _unit(column)),
        min=least,
        max=greatest,
        quantiles=dict(zip(asked, found, strict=True)),
        type=kind,
    )


def _shown(count: int, fewest: int) -> int | None:
    """A count as it may be told: None where it is too small, and not 0."""
    return None if 0 < count < fewest else count


def _asked(quantiles: Iterable[float]) -> list[float]:
    """The quantiles asked for, each once."""
    allowed = "numbers from 0 to 1: (0.25, 0.5, 0.75)"
    if isinstance(quantiles, str | bytes) or not isinstance(quantiles, Iterable):
        raise ArgumentError("quantiles", found=type(quantiles).__name__, allowed=allowed)
    asked = list(quantiles)
    for q in asked:
        number = isinstance(q, int | float | np.integer | np.floating) and not isinstance(q, bool)
        if not number or not 0 <= q <= 1:
            raise ArgumentError("quantiles", found=repr(q), allowed=allowed)
    return list(dict.fromkeys(float(q) for q in asked))


def _known(chosen: Predicate, column: Column) -> tuple[Ints | Floats, int | float]:
    """The known physical values of the members in the order of their ids, and their sum."""
    bits, data = hot.to_words(chosen), column.data
    values = np.empty(len(chosen), data.dtype)
    if data.dtype == np.float64:
        total = np.zeros(1, np.float64)
        count = kernels_collect.known_floats(bits, data, values, total)
        return values[:count], float(total[0])
    halves = np.zeros(2, np.int64)
    count = kernels_collect.known_ints(bits, data, values, halves)
    high, low = halves.tolist()
    return values[:count], (high << 32) + low


def _place(q: float, count: int) -> int:
    """Where the quantile *q* stands among *count* values in ascending order.

    A float is the decimal that it prints as: 0.1 of ten values is one of them, though the float is a little more.

    >>> [_place(q, 10) for q in (0.0, 0.1, 0.11, 0.5, 1.0)]
    [0, 0, 1, 4, 9]
    """
    return max(math.ceil(Fraction(repr(q)) * count), 1) - 1


def _picked(values: Ints | Floats, column: Column, places: list[int]) -> tuple[list[Any], pa.DataType]:
    """The least, the greatest and those at *places* in ascending order, in their units, and their Arrow type.

    Reorders *values*. Without any, all are None.
    """
    picked = values
    if len(values):
        at = np.array(places, np.int64)
        ends = values.min(), values.max()  # a pass each: quicker than to have them put in their places too
        values.partition(np.unique(at))
        picked = np.append(np.array(ends, values.dtype), values[at])  # type: ignore[assignment]
    arrow = to_arrow(dataclasses.replace(column, data=picked), np.arange(len(picked), dtype=np.uint32))
    return arrow.to_pylist() if len(values) else [None] * (2 + len(places)), arrow.type


def _unit(column: Column) -> int:
    """What 1 is in the physical values of *column*."""
    return 1 if column.data.dtype == np.float64 else 10 ** (column.type.scale or 0)


def _in_units(total: int | float, column: Column) -> Sum:
    if column.type.scale and isinstance(total, int):
        return Decimal(f"{total}e-{column.type.scale}")  # as text it is exact, whatever the context's precision
    return total
