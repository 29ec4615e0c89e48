"""The value side of a comparison: constants, columns and arithmetic over them."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TypeAlias, cast

import numpy as np

from segdex.rules import nodes
from segdex.rules.windows import Duration
from segdex.schema.types import ValueType
from segdex.values import clock
from segdex.values.column import MISSING, Column, Floats, Ints
from segdex.values.items import Items, Keyed

NUMBER = ValueType("number")


@dataclasses.dataclass(frozen=True, slots=True)
class Day:
    """A local date as days since 1970."""

    days: int


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """A time as microseconds since 1970, UTC."""

    microseconds: int


# A Decimal is a literal exactly as written; a float is the result of arithmetic.
Constant: TypeAlias = Decimal | float | str | bool | Day | Moment


def operand(value: nodes.Value, items: Items) -> Column | Constant:
    """What *value* stands for: a constant, or a column with one value an item."""
    match value:
        case nodes.Number(number):
            return number
        case nodes.Text(text):
            return text
        case nodes.Boolean(truth):
            return truth
        case nodes.Date(date):
            return Day(date.toordinal() - _EPOCH)
        case nodes.Today():
            return Day(clock.today(items.as_of, items.zone))
        case nodes.Time(time):
            return Moment(clock.to_microseconds(time))
        case nodes.Name() | nodes.Item() | nodes.Call() | nodes.Sequence():
            return items.column(value)
        case nodes.Bucket():
            return cast("Keyed", items).bucket(value)  # the check lets none stand anywhere else
        case nodes.Anniversary(name):
            return _anniversaries(items.column(name), items)
        case nodes.Negative(inner):
            return _negated(operand(inner, items))
        case nodes.Arithmetic(op, left, nodes.Length(duration)):
            return _shifted(operand(left, items), duration, 1 if op == "+" else -1)
        case nodes.Arithmetic(op, left, right):
            return _arithmetic(op, operand(left, items), operand(right, items))
        case _:
            raise AssertionError(f"no checked rule has {type(value).__name__} here")


_EPOCH = 719163  # date(1970, 1, 1).toordinal()


def floats(column: Column) -> Floats:
    """The values of a numeric column in their units, as float64; missing ones are NaN.

    >>> floats(Column(ValueType("number", scale=2), np.array([1999], np.int64)))
    array([19.99])
    """
    if column.data.dtype == np.float64:
        return column.data  # type: ignore[return-value]
    scaled = column.data / np.float64(10 ** (column.type.scale or 0))
    scaled[column.data == MISSING] = np.nan
    return scaled


def _real(value: Column | Constant) -> Floats | float:
    return floats(value) if isinstance(value, Column) else float(value)  # type: ignore[arg-type]


def _negated(value: Column | Constant) -> Column | Constant:
    if isinstance(value, Decimal):
        return value.copy_negate()  # unary minus would round to the digits of the thread's context
    real = _real(value)
    return -real if isinstance(real, float) else Column(NUMBER, -real)


def _arithmetic(op: nodes.Operator, left: Column | Constant, right: Column | Constant) -> Column | Constant:
    """float64 arithmetic; a missing part or a division by zero gives a missing value (NaN)."""
    a, b = _real(left), _real(right)
    with np.errstate(all="ignore"):
        if op == "+":
            result = np.add(a, b)
        elif op == "-":
            result = np.subtract(a, b)
        elif op == "*":
            result = np.multiply(a, b)
        else:
            result = np.divide(a, np.where(np.equal(b, 0), np.nan, b))
    return Column(NUMBER, result) if isinstance(result, np.ndarray) and result.ndim else float(result)


def _anniversaries(column: Column, items: Items) -> Column:
    """The next anniversary of each date, of a time that of its local date."""
    days: Ints = column.data  # type: ignore[assignment]
    if column.type.kind == "time":
        days = clock.local_days(days, items.zone)
    now = clock.today(items.as_of, items.zone)
    return Column(ValueType("date", role="computed"), clock.next_anniversaries(days, now))


def _shifted(value: Column | Constant, duration: Duration, sign: int) -> Column | Constant:
    """A date moved by whole days, or by months and years with the day clipped to the month's end."""
    if isinstance(value, Day):
        return Day(clock.shift_date(value.days, duration, sign))
    assert isinstance(value, Column)
    moved = np.full(len(value), MISSING, np.int64)
    known = value.known
    distinct, inverse = np.unique(value.data[known], return_inverse=True)  # dates repeat: few distinct ones
    shifted: Ints = np.fromiter(
        (clock.shift_date(int(day), duration, sign) for day in distinct), np.int64, len(distinct)
    )
    moved[known] = shifted[inverse]
    return Column(value.type, moved)
