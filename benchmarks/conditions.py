"""A rule over generated customers as a tree that every engine can be asked: segdex, SQL, Polars, numpy.

A leaf is one range of one column, one category, or one boolean. Who writes for an engine by hand writes just what comes
out of these functions; Roaring sets are the exception, where there are many ways and some are much faster, so their
expressions stand beside the rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import reduce
from operator import and_, or_
from typing import Any, TypeAlias

import numpy as np

from benchmarks.customers import BANDS, BOOLEANS, CATEGORIES, MISSING, NEVER, Array


class Combined:
    """What `&`, `|` and `~` make larger conditions of."""

    def __and__(self, other: Condition) -> And:
        return And((*(self.parts if isinstance(self, And) else (self,)), other))

    def __or__(self, other: Condition) -> Or:
        return Or((*(self.parts if isinstance(self, Or) else (self,)), other))

    def __invert__(self) -> Not:
        return Not(self)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Leaf(Combined):
    """Customers whose *column* is at least *low* and less than *high* (None: without an end); *text* for segdex."""

    text: str
    column: str
    low: int | None = None
    high: int | None = None
    name: str = ""


@dataclasses.dataclass(frozen=True)
class OneOf(Combined):
    """The union of some categories of one attribute."""

    parts: tuple[Leaf, ...]


@dataclasses.dataclass(frozen=True)
class And(Combined):
    parts: tuple[Condition, ...]


@dataclasses.dataclass(frozen=True)
class Or(Combined):
    parts: tuple[Condition, ...]


@dataclasses.dataclass(frozen=True)
class Not(Combined):
    part: Condition


Condition: TypeAlias = Leaf | OneOf | And | Or | Not


# --- leaves ------------------------------------------------------------------------------------------------------


def label(band: str, label: str) -> Leaf:
    """One label of a band."""
    at = BANDS[band].labels.index(label)
    return _between(f"{band} = '{label}'", band, at, at)


def at_most(band: str, label: str) -> Leaf:
    """The labels of a band up to *label*."""
    return _between(f"{band} <= '{label}'", band, 0, BANDS[band].labels.index(label))


def at_least(band: str, label: str) -> Leaf:
    """The labels of a band from *label* on."""
    return _between(f"{band} >= '{label}'", band, BANDS[band].labels.index(label), len(BANDS[band].edges))


def _between(text: str, band: str, first: int, last: int) -> Leaf:
    held = BANDS[band]
    low = held.edges[first - 1] if first else None
    high = held.edges[last] if last < len(held.edges) else None
    return known(text, held.column, low, high)


def known(text: str, column: str, low: int | None, high: int | None) -> Leaf:
    """The customers whose known value is in a range that has one end or two."""
    missing = MISSING.get(column)
    # A side without an end gets one only if missing values would be let in there.
    if low is None and missing == -1:
        low = 0
    if high is None and missing == NEVER:
        high = NEVER
    return Leaf(text, column, low, high)


def is_missing(column: str) -> Leaf:
    return Leaf(f"{column} is missing", column, MISSING[column], MISSING[column] + 1)


def category(column: str, value: str) -> Leaf:
    code = CATEGORIES[column].index(value)
    return Leaf(f"{column} = '{value}'", column, code, code + 1)


def true(column: str) -> Leaf:
    assert column in BOOLEANS
    return Leaf(f"{column} = true", column)


def one_of(*parts: Leaf) -> OneOf:
    assert len({part.column for part in parts}) == 1
    return OneOf(parts)


def leaves(condition: Condition) -> list[Leaf]:
    """Every leaf of *condition*, in its order, with repetitions."""
    match condition:
        case Leaf():
            return [condition]
        case Not(part):
            return leaves(part)
        case _:
            return [leaf for part in condition.parts for leaf in leaves(part)]


# --- as text of segdex and as SQL --------------------------------------------------------------------------------


def to_text(condition: Condition, inside: bool = False) -> str:
    """The rule of segdex; *inside* another one it may need parentheses."""
    match condition:
        case Leaf():
            return condition.text
        case OneOf(parts):
            column = parts[0].column
            return f"{column} in ({', '.join(part.text.removeprefix(f'{column} = ') for part in parts)})"
        case Not(part):
            return f"not {to_text(part, inside=True)}"
        case And(parts) | Or(parts):
            joined = f" {_word(condition)} ".join(to_text(part, inside=True) for part in parts)
            return f"({joined})" if inside else joined


def to_sql(condition: Condition) -> str:
    """The same for a table of SQL."""
    match condition:
        case Leaf(_, column, low, high):
            if low is None and high is None:
                return column
            if low is not None and high == low + 1:
                return f"{column} = {low}"
            ends = [f"{column} >= {low}" if low is not None else "", f"{column} < {high}" if high is not None else ""]
            return " AND ".join(filter(None, ends))
        case OneOf(parts):
            return f"{parts[0].column} IN ({', '.join(str(part.low) for part in parts)})"
        case Not(part):
            return f"NOT ({to_sql(part)})"
        case And(parts) | Or(parts):
            return f" {_word(condition).upper()} ".join(f"({to_sql(part)})" for part in parts)


def _word(condition: And | Or) -> str:
    return "and" if isinstance(condition, And) else "or"


# --- as sets of ClickHouse ---------------------------------------------------------------------------------------

_EVERYONE = "everyone"


def to_bitmap_count(condition: Condition, customers: int) -> str:
    """The count of *condition* by the bitmap functions of ClickHouse, with the last operation only counted."""
    match condition:
        case Leaf(name=name):
            return f"bitmapCardinality({name})"
        case Not(part):
            return f"{customers} - {to_bitmap_count(part, customers)}"
        case OneOf(parts) | Or(parts):
            return f"bitmapOrCardinality({_fold('bitmapOr', parts[:-1])}, {_to_bitmap(parts[-1])})"
        case And(parts):
            kept, taken = _split(parts)
            if taken is None:
                return f"bitmapAndCardinality({_fold('bitmapAnd', kept[:-1])}, {_to_bitmap(kept[-1])})"
            if not kept:
                return f"{customers} - {to_bitmap_count(taken, customers)}"
            return f"bitmapAndnotCardinality({_fold('bitmapAnd', kept)}, {_to_bitmap(taken)})"


def _to_bitmap(condition: Condition) -> str:
    match condition:
        case Leaf(name=name):
            return name
        case Not(part):
            return f"bitmapAndnot({_EVERYONE}, {_to_bitmap(part)})"
        case OneOf(parts) | Or(parts):
            return _fold("bitmapOr", parts)
        case And(parts):
            kept, taken = _split(parts)
            found = _fold("bitmapAnd", kept) if kept else _EVERYONE
            return f"bitmapAndnot({found}, {_to_bitmap(taken)})" if taken else found


def _fold(function: str, parts: tuple[Condition, ...]) -> str:
    return reduce(lambda left, right: f"{function}({left}, {right})", map(_to_bitmap, parts))


def _split(parts: tuple[Condition, ...]) -> tuple[tuple[Condition, ...], Condition | None]:
    """What a conjunction keeps, and the union of what it takes away."""
    kept = tuple(part for part in parts if not isinstance(part, Not))
    taken = tuple(part.part for part in parts if isinstance(part, Not))
    return kept, (taken[0] if len(taken) == 1 else Or(taken)) if taken else None


# --- as expressions of numpy and Polars --------------------------------------------------------------------------


def to_mask(condition: Condition, columns: Mapping[str, Any]) -> Any:
    """Where *condition* holds: a mask for columns of numpy, an expression for columns of Polars."""
    match condition:
        case Leaf(_, column, low, high):
            values = columns[column]
            if low is None and high is None:
                return values
            if low is not None and high == low + 1:
                return values == low
            ends = [values >= low] if low is not None else []
            return reduce(and_, [*ends, values < high] if high is not None else ends)
        case OneOf(parts) | Or(parts):
            return reduce(or_, [to_mask(part, columns) for part in parts])
        case And(parts):
            return reduce(and_, [to_mask(part, columns) for part in parts])
        case Not(part):
            return ~to_mask(part, columns)


def count_mask(condition: Condition, columns: Mapping[str, Array]) -> int:
    """How many customers *condition* holds for, by numpy."""
    return int(np.count_nonzero(to_mask(condition, columns)))
