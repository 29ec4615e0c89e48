"""Dictionaries of several columns as one: codes that mean the same strings may stand side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.schema.types import ValueType
from segdex.values.column import MISSING, Codes, Column, Ints
from segdex.values.compare import as_strings

DECLARED = frozenset({"band", "stage"})
"""Roles whose dictionary is in the order of the declared labels; every other one ascends by bytes."""


def united(*strings: pa.LargeStringArray) -> pa.LargeStringArray:
    """The strings of several arrays, each once, ascending by bytes."""
    names = pc.unique(pa.concat_arrays(strings))
    return names.take(pc.sort_indices(names))


def places_in(strings: pa.LargeStringArray, among: pa.LargeStringArray) -> Ints:
    """Where each of *strings* stands in *among*, which holds them all."""
    return np.asarray(pc.index_in(strings, value_set=among), np.int64)


def fixed(column: Column) -> bool:
    """Whether the dictionary says what there may be, not what there is: that of booleans, bands and stages."""
    return column.type.kind == "bool" or column.type.role in DECLARED


def trimmed(column: Column) -> Column:
    """*column* with its dictionary cut to the strings that an item has; one that is `fixed` stays whole."""
    if column.dictionary is None or fixed(column):
        return column
    if len(column.data) * 4 < len(column.dictionary):  # a large dictionary is not looked through for a few items
        codes, places = np.unique(column.data, return_inverse=True)
        absent = int(len(codes) > 0 and codes[0] < 0)
        held = column.dictionary.take(pa.array(codes[absent:]))
        return dataclasses.replace(column, data=(places.reshape(-1) - absent).astype(np.int32), dictionary=held)
    used = np.zeros(len(column.dictionary) + 1, np.bool_)
    used[column.data] = True  # a missing code, -1, marks the last place
    used = used[:-1]
    if used.all():
        return column
    table = np.append(np.cumsum(used) - 1, -1).astype(np.int32)
    return recoded(dataclasses.replace(column, dictionary=column.dictionary.filter(pa.array(used))), table)


MOST_KEPT = 4096
"""Strings of a dictionary that is passed on as it is: many small columns then share one, and need not be united."""


def lightened(column: Column) -> Column:
    """*column* with its dictionary cut, as `trimmed` does, where that is long; else as it is."""
    return column if column.dictionary is None or len(column.dictionary) <= MOST_KEPT else trimmed(column)


def alike(columns: Sequence[Column]) -> list[Column]:
    """*columns* of one type in one physical form: with one dictionary, ascending by bytes.

    Where some of several columns of versions hold numbers that are not whole, all are numbers; where some hold times,
    none of the others is known.

    Where one of several columns of identifiers holds text, all do: 7 becomes ``'7'``. A dictionary that is `fixed` is
    the same in all columns and stays as it is. Codes that need no change are not copied.
    """
    if all(column.dictionary is None for column in columns):
        times = next((column.type for column in columns if column.type.kind == "time"), None)
        if times is not None:
            return [_timed(column, times) for column in columns]
        kinds = {column.data.dtype: column.type for column in columns}
        return list(columns) if len(kinds) == 1 else [_real(column, kinds[np.dtype(np.float64)]) for column in columns]
    if len({id(column.dictionary) for column in columns}) == 1:
        return list(columns)
    held = [as_strings(column) for column in columns]
    first = _strings(held[0])
    if fixed(columns[0]) or all(_strings(each) is first or _strings(each).equals(first) for each in held[1:]):
        return [dataclasses.replace(column, dictionary=first) for column in held]
    if all(column.dictionary is not None for column in columns):  # to look a few up is much less work than to sort all
        different = {id(strings): strings for strings in map(_strings, held)}
        first = max(different.values(), key=len)
        others = pc.unique(pa.concat_arrays([strings for strings in different.values() if strings is not first]))
        fresh = others.filter(pc.is_null(pc.index_in(others, value_set=first)))
        whole = united(first, fresh) if len(fresh) else first
    else:
        whole = united(*(_strings(each) for each in held))
    return _all_under(held, whole)


def recoded(column: Column, table: Codes) -> Column:
    """*column* with the code ``table[c]`` in place of each code c; the last entry is for a missing one, -1."""
    codes = np.empty(len(column.data), np.int32)
    for start in range(0, len(codes), _STEP):  # an index of numpy's takes twice the memory of the codes
        codes[start : start + _STEP] = table[column.data[start : start + _STEP]]
    return dataclasses.replace(column, data=codes)


_STEP = 1 << 22


def _real(column: Column, kind: ValueType) -> Column:
    """Whole numbers as float64."""
    if column.data.dtype == np.float64:
        return column
    return Column(kind, np.where(column.data == MISSING, np.nan, column.data.astype(np.float64)))


def _timed(column: Column, kind: ValueType) -> Column:
    """A column of times, or one without any value as such a column."""
    if column.type.kind == "time":
        return column
    return Column(kind, np.full(len(column.data), MISSING, np.int64))


def _all_under(columns: Sequence[Column], whole: pa.LargeStringArray) -> list[Column]:
    """*columns* with *whole* as their dictionary, which holds all their strings: these are looked up at once."""
    different = {id(strings): strings for strings in map(_strings, columns) if strings is not whole}
    if not different:
        return list(columns)
    places = places_in(pa.concat_arrays([*different.values()]), whole)
    parts = np.split(places, np.cumsum([len(strings) for strings in different.values()])[:-1])
    found = dict(zip(different, parts, strict=True))
    return [_under(column, whole, found.get(id(column.dictionary), places)) for column in columns]


def _under(column: Column, whole: pa.LargeStringArray, places: Ints) -> Column:
    """*column* with *whole* as its dictionary, in which its strings stand at *places*."""
    if whole is column.dictionary:
        return column
    moved = dataclasses.replace(column, dictionary=whole)
    if np.array_equal(places, np.arange(len(places))):
        return moved
    return recoded(moved, np.append(places, -1).astype(np.int32))


def _strings(column: Column) -> pa.LargeStringArray:
    assert column.dictionary is not None
    return column.dictionary
