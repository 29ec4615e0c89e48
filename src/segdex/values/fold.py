"""Columns and families of several tables folded into one: some items replaced, some new, some gone.

Every side has the same type; dictionaries differ, and are united by `segdex.values.dictionaries`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.values.column import Column, Data, Ints, Mask, missing_of
from segdex.values.dictionaries import alike, places_in, trimmed, united
from segdex.values.family import Family, codes_of, sparse
from segdex.values.splice import spliced

Rest: TypeAlias = tuple[Any, Mask | None, Data | None]


def gather(columns: Sequence[Column], sources: Ints, rows: Ints) -> Column:
    """Items of several columns of one type, of which there is at least one.

    Args:
        columns: the columns.
        sources: for each item of the result the column that it comes from; shape (items,).
        rows: its place there; negative: it is missing; shape (items,).

    Returns:
        a column with the strings that its items have, and no others.
    """
    chosen = [np.flatnonzero(sources == source) for source in range(len(columns))]
    parts = [trimmed(column.take(rows[held])) for column, held in zip(columns, chosen, strict=True)]
    order = np.empty(len(rows), np.int64)
    order[np.concatenate(chosen)] = np.arange(len(rows))
    return concatenated(parts).take(order)


def concatenated(columns: Sequence[Column]) -> Column:
    """The items of several columns of one type, of which there is at least one, one column after the other."""
    if len(columns) == 1:
        return columns[0]
    held = alike(columns)
    data = np.concatenate([column.data for column in held])
    if held[0].offsets is None:
        return dataclasses.replace(held[0], data=data)
    lengths = np.concatenate([np.diff(_offsets(column)) for column in held])
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return dataclasses.replace(held[0], data=data, offsets=offsets)


def patched(base: Column, other: Column, places: Ints, rows: Ints, count: int) -> Column:
    """*base* with item ``places[j]`` taken from *other* at ``rows[j]``; strings that no item has any more stay.

    One copy of the base is made, and a second one of codes whose dictionary grows in its middle.

    Args:
        base: the column; it is not changed.
        other: a column of the same type.
        places: items, each at most once, some of which may be new.
        rows: an item of *other* for each; negative: missing.
        count: how many items there are in the end, at least as many as now; those not in *places* are missing.
    """
    base, new = alike([base, trimmed(other.take(rows))])
    if base.offsets is not None:
        return _patched_tags(base, new, places, count)
    data = np.empty(count, base.data.dtype)
    data[: len(base)] = base.data
    data[len(base) :] = missing_of(data.dtype)
    data[places] = new.data
    return dataclasses.replace(base, data=data)


def _patched_tags(base: Column, new: Column, places: Ints, count: int) -> Column:
    """*base* with item ``places[j]`` being item j of *new*; items of neither are missing."""
    added = np.setdiff1d(np.arange(len(base), count), places)
    places = np.concatenate([places, added])
    order = np.argsort(places, kind="stable")
    new = new.take(np.where(order < len(new), order, -1))
    runs = spliced(_offsets(base), _offsets(new), places[order], np.arange(len(order)), count)
    data: Data = runs.of(base.data, new.data)  # type: ignore[assignment]
    return dataclasses.replace(base, data=data, offsets=runs.offsets)


def _offsets(column: Column) -> Ints:
    assert column.offsets is not None
    return column.offsets


# --- families ----------------------------------------------------------------------------------------------------


def patched_family(base: Family, other: Family, places: Ints, rows: Ints, count: int) -> Family:
    """*base* where customer ``places[j]`` has the pairs of customer ``rows[j]`` of *other* in place of their own.

    Categories that nobody has any more stay. A new customer who is not in *places* has what *base* has for customers
    without a pair, or nothing where that depends on the customer.

    Args:
        base: the family; it is not changed.
        other: a family of the same type, of the same or other categories.
        places: customers, each once, some of whom may be new.
        rows: a customer of *other* for each, each at most once; negative: someone without any value.
        count: how many customers there are in the end, at least as many as now.
    """
    base, other = _alike(base, other)
    rest, among, rests = _without_pairs(base, other, places, rows, count)
    touched = np.zeros(count, np.bool_)
    touched[places] = True
    kept = np.flatnonzero(~touched[base.customers])
    filled = rows >= 0
    moved = np.full(max(int(rows.max(initial=-1)), int(other.customers.max(initial=0))) + 1, -1, np.int64)
    moved[rows[filled]] = places[filled]
    owners = moved[other.customers]
    come = np.flatnonzero(owners >= 0)
    come = come[np.argsort(_pairs(other)[come] & ~_CUSTOMER | owners[come], kind="stable")]
    codes, customers, column = _merged(base, kept, other, come, owners[come])
    return sparse(codes, customers, column, base.categories, rest, among, rests)


_CUSTOMER = np.int64(0xFFFFFFFF)


def _pairs(family: Family) -> Ints:
    """One number a pair, ascending: the code above, the customer below."""
    return (codes_of(family).astype(np.int64) << 32) | family.customers


def _merged(
    base: Family, kept: Ints, other: Family, come: Ints, owners: Ints
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32], Column]:
    """The pairs *kept* of the base and those of the other that *come* to *owners*, by category, then by customer."""
    old, new = _pairs(base)[kept], (_pairs(other)[come] & ~_CUSTOMER) | owners
    at = np.searchsorted(old, new) + np.arange(len(new))
    stays = np.ones(len(old) + len(new), np.bool_)
    stays[at] = False
    pairs, data = np.empty(len(stays), np.int64), np.empty(len(stays), base.column.data.dtype)
    pairs[stays], pairs[at] = old, new
    data[stays], data[at] = base.column.data[kept], other.column.data[come]
    column = dataclasses.replace(base.column, data=data)
    return (pairs >> 32).astype(np.int32), (pairs & _CUSTOMER).astype(np.uint32), column


def _alike(*families: Family) -> list[Family]:
    """*families* under the same categories, their values, those of customers without a pair too, in one form."""
    categories = united(*(each.categories for each in families))
    columns = alike([_with_rests(each) for each in families])
    return [_under(each, column, categories) for each, column in zip(families, columns, strict=True)]


def _with_rests(family: Family) -> Column:
    """The values of the pairs, then `rest`, then `rests`."""
    rest = np.array([family.rest], family.column.data.dtype)
    parts = [family.column.data, rest] if family.rests is None else [family.column.data, rest, family.rests]
    return dataclasses.replace(family.column, data=np.concatenate(parts))


def _under(family: Family, column: Column, categories: pa.LargeStringArray) -> Family:
    """*family* with its codes among *categories*, and with the values of `_with_rests`."""
    pairs = len(family.customers)
    places = places_in(family.categories, categories)
    return dataclasses.replace(
        family,
        categories=categories,
        offsets=family.offsets[np.searchsorted(places, np.arange(len(categories) + 1))],
        column=dataclasses.replace(column, data=column.data[:pairs]),
        rest=column.data[pairs].item(),
        rests=None if family.rests is None else column.data[pairs + 1 :],
    )


def _without_pairs(base: Family, other: Family, places: Ints, rows: Ints, count: int) -> Rest:
    """Rest, among and rests of the result: one rest where both have the same one, else a value for each customer."""
    filled = rows >= 0
    missing = missing_of(base.column.data.dtype)
    if base.rests is None and other.rests is None and _equal(base.rest, other.rest):
        if base.among is None and other.among is None and (filled.all() or _equal(base.rest, missing)):
            return base.rest, None, None
        among = _grown(np.ones(count, np.bool_) if base.among is None else base.among, False, count)
        among[places] = filled
        among[places[filled]] = True if other.among is None else other.among[rows[filled]]
        return base.rest, among, None
    held = count if base.among is None else len(base.among)
    rests: Data = _grown(base.without_pairs(held), missing, count)
    rests[places] = missing
    rests[places[filled]] = other.without_pair(rows[filled])
    return missing, None, rests


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other or (one != one and other != other))


def _grown(values: npt.NDArray[Any], rest: object, count: int) -> Any:
    """A copy of *values* with *count* items, new ones being *rest*."""
    grown = np.full(count, rest, values.dtype)
    grown[: len(values)] = values
    return grown
