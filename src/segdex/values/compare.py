"""Comparing columns with constants and with each other, exactly.

A comparison of a column with a constant becomes an interval of physical values (integers, floats) or a table over the
distinct strings, so that each physical form needs one kernel. A literal is the decimal that is written: on exact
columns it is compared as that decimal, never rounded first.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.rules.nodes import Comparison
from segdex.schema.types import ValueType
from segdex.values import clock, kernels
from segdex.values.column import MISSING, Column, Data, Ints, Mask
from segdex.values.column import texts as as_arrow
from segdex.values.items import Items
from segdex.values.operands import Constant, Day, Moment, floats

ONE = Decimal(1)
HIGHEST = int(np.iinfo(np.int64).max)
LOWEST = MISSING + 1
FLIPPED: dict[Comparison, Comparison] = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
# The signs of left - right that a comparison accepts: 1 less, 2 equal, 4 greater.
ACCEPTS: dict[Comparison, int] = {"=": 2, "!=": 5, "<": 1, "<=": 3, ">": 4, ">=": 6}


def compare(op: Comparison, left: Column | Constant, right: Column | Constant, items: Items) -> Mask:
    """Where ``left op right`` holds, shape (items,)."""
    if not isinstance(left, Column):
        if isinstance(right, Column):
            return compare(FLIPPED[op], right, left, items)
        left = broadcast(left, items)
    if isinstance(right, Column):
        return _columns(op, left, right, items)
    if left.dictionary is not None:
        return _by_table(left, _text_table(op, left, _label(right)))
    if isinstance(right, float) and np.isnan(right):  # 0 / 0 between literals: a missing value
        return np.zeros(len(left), np.bool_)
    if isinstance(right, float) and left.type.scale:
        return _columns(op, Column(ValueType("number"), floats(left)), broadcast(right, items), items)
    if op == "!=":
        return left.known & ~compare("=", left, right, items)
    if left.data.dtype == np.int64:
        low, high = _interval(op, left.type, right, items)
        return _within(left.data, max(low, LOWEST), min(high, HIGHEST))
    return _float_interval(op, left, float(right))  # type: ignore[arg-type]


def bounds(
    op: Comparison, column: Column, value: Constant, items: Items
) -> tuple[int, int] | tuple[float, float] | None:
    """The physical values x of a column of numbers, dates or times with ``x op value``, as (least, greatest).

    None where none is; not for ``!=``, nor for the result of arithmetic against numbers with a scale.
    """
    low: float
    high: float
    if isinstance(value, float) and np.isnan(value):
        return None
    if column.data.dtype == np.int64:
        low, high = _interval(op, column.type, value, items)
        low, high = max(low, LOWEST), min(high, HIGHEST)
    else:
        low, high = _float_bounds(op, float(value))  # type: ignore[arg-type]
    return (low, high) if low <= high else None


def is_in(column: Column, values: Sequence[Constant], items: Items) -> Mask:
    """Where the column has one of *values*, shape (items,)."""
    if column.dictionary is not None:
        wanted = as_kept(column, [_label(each) for each in values])
        return _by_table(column, _as_numpy(pc.is_in(column.dictionary, value_set=wanted)))
    if column.data.dtype == np.int64:
        spans = [_interval("=", column.type, each, items) for each in values]
        points = [low for low, high in spans if low == high and LOWEST <= low <= HIGHEST]
        found = np.isin(column.data, np.array(points, np.int64))
        for low, high in spans:
            if low < high:  # a date asked of a column of times is a whole day
                found |= (column.data >= low) & (column.data <= high)
        return found
    return np.isin(column.data, np.array([float(each) for each in values], np.float64))  # type: ignore[arg-type]


def has(tags: Column, mode: Literal["any", "all", "none"], values: Sequence[str]) -> Mask:
    """Where the tags include any, all or none of *values*; false where the tags are missing."""
    assert tags.dictionary is not None
    assert tags.offsets is not None
    wanted = pc.unique(as_kept(tags, values))
    table = _as_numpy(pc.is_in(tags.dictionary, value_set=wanted))
    found = np.empty(len(tags), np.int64)
    kernels.tags_in_table(tags.offsets, tags.data, table, found)
    holds: Mask = found > 0 if mode == "any" else found == (len(wanted) if mode == "all" else 0)
    return holds


def matches(column: Column, mode: Literal["starts", "ends", "contains"], text: str, ignore_case: bool) -> Mask:
    """Where the text starts with, ends with or contains *text*; integers count as their digits."""
    column = as_strings(column)
    strings, wanted = column.dictionary, as_kept(column, [text])[0].as_py()
    if ignore_case:
        # Both sides are lowered by one function, so that they agree on every letter.
        strings = pc.utf8_lower(strings)
        wanted = pc.utf8_lower(pa.scalar(wanted, pa.large_string())).as_py()
    test = {"starts": pc.starts_with, "ends": pc.ends_with, "contains": pc.match_substring}[mode]
    return _by_table(column, _as_numpy(test(strings, pattern=wanted)))


def broadcast(value: Constant, items: Items) -> Column:
    """A constant as a column of as many items."""
    count = items.count
    match value:
        case bool() | str():
            return Column(ValueType("text"), np.zeros(count, np.int32), pa.array([_label(value)], pa.large_string()))
        case Day(days):
            return Column(ValueType("date"), np.full(count, days, np.int64))
        case Moment(microseconds):
            return Column(ValueType("time"), np.full(count, microseconds, np.int64))
        case _:
            return Column(ValueType("number"), np.full(count, float(value), np.float64))


# --- a column and a constant -------------------------------------------------------------------------------------


def _label(value: Constant) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    assert isinstance(value, str)
    return value


def _as_numpy(table: pa.BooleanArray) -> Mask:
    """Truth values without nulls, as numpy has them; `to_numpy` would import pandas where that is installed."""
    if len(table) == 0:
        return np.zeros(0, np.bool_)
    bits = np.frombuffer(table.buffers()[1], np.uint8)
    return np.unpackbits(bits, bitorder="little")[table.offset : table.offset + len(table)].view(np.bool_)


def _by_table(column: Column, table: Mask) -> Mask:
    out = np.empty(len(column), np.bool_)
    kernels.by_code(column.data, table, out)
    return out


def _text_table(op: Comparison, column: Column, label: str) -> Mask:
    """Which of the column's distinct strings satisfy ``string op label``; ``<`` and ``>`` follow the declared order."""
    assert column.dictionary is not None
    if column.type.role == "band" and column.type.order is not None:
        return _band_table(op, column.type.order, label)
    wanted = as_kept(column, [label])[0]
    if op in ("=", "!="):
        return _as_numpy((pc.equal if op == "=" else pc.not_equal)(column.dictionary, wanted))
    ranks = order_ranks(column)
    rank = int(_order(column).index(wanted).as_py())
    signs = np.sign(ranks - rank) + 1
    accepted: Mask = (ranks >= 0) & (((ACCEPTS[op] >> signs) & 1) == 1)
    return accepted


@lru_cache(maxsize=1024)
def _band_table(op: Comparison, bands: tuple[str, ...], label: str) -> Mask:
    """As `_text_table`, of bands: their dictionary is their order, whatever the data."""
    rank = bands.index(label) if label in bands else -1
    table = np.array([bool(ACCEPTS[op] >> (_sign(code - rank) + 1) & 1) for code in range(len(bands))], np.bool_)
    table.flags.writeable = False
    return table


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def order_ranks(column: Column) -> Ints:
    """The place of each distinct string in the declared order, -1 for a string outside it."""
    ranks = pc.fill_null(pc.index_in(column.dictionary, value_set=_order(column)), -1)
    return np.asarray(ranks, np.int64)


def _order(column: Column) -> pa.LargeStringArray:
    return as_kept(column, column.type.order or ())


def as_kept(column: Column, texts: Sequence[str]) -> pa.LargeStringArray:
    """Strings of a rule as the column keeps them: lowered where the column is folded."""
    strings = as_arrow(texts)
    return pc.utf8_lower(strings) if column.type.fold else strings


def _interval(op: Comparison, kind: ValueType, value: Constant, items: Items) -> tuple[int, int]:
    """The int64 values x with ``x op value`` as (lowest, highest), empty where lowest > highest. Not for ``!=``."""
    first, last = _span(kind, value, items)
    return {
        "=": (first, last), "<": (LOWEST, first - 1), "<=": (LOWEST, last),
        ">": (last + 1, HIGHEST), ">=": (first, HIGHEST),
    }[op]  # fmt: skip


def _span(kind: ValueType, value: Constant, items: Items) -> tuple[int, int]:
    """The int64 values equal to *value*: one, a whole local day, or none (first = last + 1, the place between)."""
    match value:
        case Day(days) if kind.kind == "time":
            return clock.midnight(days, items.zone), clock.midnight(days + 1, items.zone) - 1
        case Day(days):
            return days, days
        case Moment(microseconds) if kind.kind == "date":
            day = int(clock.local_days(np.array([microseconds], np.int64), items.zone)[0])
            return day, day
        case Moment(microseconds):
            return microseconds, microseconds
        case str():  # an id of integers, asked for by its text
            return _integer_text(value)
        case float() if not np.isfinite(value):
            end = HIGHEST + 1 if value > 0 else LOWEST
            return end, end - 1
        case _:
            # Whole numbers, not Decimal arithmetic: that rounds to the context of the thread that asks.
            numerator, denominator = value.as_integer_ratio()
            floor, rest = divmod(numerator * 10 ** (kind.scale or 0), denominator)
            return (floor, floor) if rest == 0 else (floor + 1, floor)


def _within(data: Data, low: int, high: int) -> Mask:
    out = np.zeros(len(data), np.bool_)
    if low <= high:  # else a literal lies beyond every int64, or between two of them
        kernels.within_ints(data, low, high, out)
    return out


def _integer_text(text: str) -> tuple[int, int]:
    try:
        number = int(text)
    except ValueError:
        return 1, 0
    return (number, number) if str(number) == text else (1, 0)


def _float_interval(op: Comparison, column: Column, value: float) -> Mask:
    out = np.empty(len(column), np.bool_)
    kernels.within_floats(column.data, *_float_bounds(op, value), out)
    return out


def _float_bounds(op: Comparison, value: float) -> tuple[float, float]:
    """The float64 x with ``x op value`` as (least, greatest), the one above the other where there are none."""
    if (op == "<" and value == -np.inf) or (op == ">" and value == np.inf):
        return np.inf, -np.inf
    return {
        "=": (value, value), "<": (-np.inf, np.nextafter(value, -np.inf)), "<=": (-np.inf, value),
        ">": (np.nextafter(value, np.inf), np.inf), ">=": (value, np.inf),
    }[op]  # fmt: skip


# --- two columns -------------------------------------------------------------------------------------------------


def _columns(op: Comparison, left: Column, right: Column, items: Items) -> Mask:
    out = np.empty(len(left), np.bool_)
    if left.dictionary is not None or right.dictionary is not None:
        return _strings(op, left, right)
    if left.type.kind != right.type.kind and {"date", "time"} == {left.type.kind, right.type.kind}:
        left, right = _local_dates(left, items), _local_dates(right, items)
    if left.data.dtype == np.int64 and right.data.dtype == np.int64:
        a, b = left.type.scale or 0, right.type.scale or 0
        if a < b:
            return _columns(FLIPPED[op], right, left, items)
        kernels.compare_ints(left.data, right.data, 10 ** (a - b), ACCEPTS[op], out)
    elif left.data.dtype == right.data.dtype or left.type.scale or right.type.scale:
        kernels.compare_floats(floats(left), floats(right), ACCEPTS[op], out)
    elif left.data.dtype == np.int64:
        kernels.compare_mixed(left.data, right.data, ACCEPTS[op], out)
    else:
        kernels.compare_mixed(right.data, left.data, ACCEPTS[FLIPPED[op]], out)
    return out


def _local_dates(column: Column, items: Items) -> Column:
    if column.type.kind == "date":
        return column
    return Column(ValueType("date"), clock.local_days(column.data, items.zone))  # type: ignore[arg-type]


def _strings(op: Comparison, left: Column, right: Column) -> Mask:
    """Compare two columns of strings: both are brought to ranks in one order, by bytes or as declared."""
    left, right = as_strings(left), as_strings(right)
    if op in ("=", "!="):
        moved = np.asarray(pc.fill_null(pc.index_in(right.dictionary, value_set=left.dictionary), -2), np.int32)
        theirs = np.full(len(right), -1, np.int32)
        theirs[right.known] = moved[right.data[right.known]]
        equal: Mask = left.data == theirs
        known: Mask = left.known & right.known
        return known & equal if op == "=" else known & ~equal
    out = np.empty(len(left), np.bool_)
    kernels.compare_ints(_ranked(left), _ranked(right), 1, ACCEPTS[op], out)
    return out


def as_strings(column: Column) -> Column:
    """An id of integers as a column of their digits; a column of strings as it is."""
    if column.dictionary is not None:
        return column
    known = column.known
    distinct, places = np.unique(column.data[known], return_inverse=True)
    codes = np.full(len(column), -1, np.int32)
    codes[known] = places
    return Column(column.type, codes, pa.array(distinct).cast(pa.large_string()))


def _ranked(column: Column) -> Ints:
    ranks = order_ranks(column)
    ranks[ranks < 0] = MISSING
    placed = np.full(len(column), MISSING, np.int64)
    known = column.known
    placed[known] = ranks[column.data[known]]
    return placed
