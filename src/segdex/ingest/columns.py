"""Columns that grow array by array while a table streams by, and what is done to them afterwards.

A gatherer keeps each array in its physical form only, so that text is held once a distinct string, whatever the
number of rows. Rows that turn out bad stay as missing values until `pick` leaves them out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.ingest import to_numbers, to_times
from segdex.ingest.arrays import Converted, Problem
from segdex.ingest.ids import Ids
from segdex.ingest.memo import Texts
from segdex.ingest.texts import ranked
from segdex.ingest.to_texts import encode, encode_lists
from segdex.schema.types import ValueType
from segdex.values.column import BOOLEANS, Codes, Column, Data, Ints, Mask
from segdex.values.dictionaries import trimmed


class Gatherer(Protocol):
    """A column in the making."""

    def add(self, array: pa.Array, untyped: bool) -> list[Problem]:
        """Take in the next rows; *untyped* says that their text may stand for any type (CSV).

        Raises:
            SourceError: the type of the array can never be the column's.
        """
        ...


class FieldGatherer(Gatherer, Protocol):
    """A column in the making that ends as a `Column`."""

    def finish(self) -> Column:
        """The column of all rows so far; the gatherer is empty afterwards."""
        ...


class Plain:
    """Numbers, dates, times and booleans: each array is converted by itself."""

    def __init__(self, kind: ValueType, convert: Callable[[pa.Array], Converted]) -> None:
        self._type = kind
        self._convert = convert
        self._parts: list[Data] = []

    def add(self, array: pa.Array, untyped: bool) -> list[Problem]:  # noqa: ARG002
        """See `Gatherer`."""
        converted = self._convert(array)
        self._parts.append(converted.data)
        return converted.problems

    def known(self) -> Mask:
        """Which rows of the last array have a value."""
        return Column(self._type, self._parts[-1]).known

    def finish(self) -> Column:
        """See `FieldGatherer`."""
        if not self._parts:
            self.add(pa.nulls(0), untyped=False)
        data = joined(self._parts)
        return Column(self._type, data, BOOLEANS if self._type.kind == "bool" else None)


class Coded:
    """Categories and text: codes of distinct strings."""

    def __init__(self, kind: ValueType) -> None:
        self._type = kind
        self._texts = Texts()
        self._parts: list[Codes] = []

    def add(self, array: pa.Array, untyped: bool) -> list[Problem]:  # noqa: ARG002
        """See `Gatherer`."""
        converted = encode(array, self._texts)
        self._parts.append(converted.data.astype(np.int32))
        return converted.problems

    def finish(self) -> Column:
        """See `FieldGatherer`."""
        dictionary, ranks = _dictionary(self._type, self._texts)
        codes = joined(self._parts) if self._parts else np.empty(0, np.int32)
        return Column(self._type, ranks[codes], dictionary)


class Tags:
    """Lists of categories: each tag once an item, ascending."""

    def __init__(self, kind: ValueType) -> None:
        self._type = kind
        self._texts = Texts()
        self._codes: list[Codes] = []
        self._lengths: list[Ints] = []
        self._known: list[Mask] = []

    def add(self, array: pa.Array, untyped: bool) -> list[Problem]:  # noqa: ARG002
        """See `Gatherer`."""
        converted, lengths, known = encode_lists(array, self._texts)
        self._codes.append(converted.data.astype(np.int32))
        self._lengths.append(lengths)
        self._known.append(known)
        return converted.problems

    def finish(self) -> Column:
        """See `FieldGatherer`."""
        if not self._known:
            self.add(pa.nulls(0), untyped=False)
        dictionary, ranks = _dictionary(self._type, self._texts)
        lengths, known = joined(self._lengths), joined(self._known)
        items, unknown = np.repeat(np.arange(len(known)), lengths), np.flatnonzero(~known)
        # An item without known tags holds the one code -1; sorting pairs as single integers also drops the repeated.
        width = len(dictionary) + 1
        pairs = np.concatenate([items * width + ranks[joined(self._codes)] + 1, unknown * width])
        self._codes, self._lengths, self._known = [], [], []
        pairs = np.unique(pairs)
        owners, codes = pairs // width, pairs % width - 1
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(known)))]).astype(np.int64)
        return Column(self._type, codes.astype(np.int32), dictionary, offsets)


def gatherer(kind: ValueType, zone: dt.tzinfo) -> FieldGatherer:
    """An empty column of a declared type; naive times are local to *zone*."""
    match kind.kind:
        case "integer":
            return Plain(kind, to_numbers.integers)
        case "number" if kind.scale is not None:
            scale = kind.scale
            return Plain(kind, lambda array: to_numbers.scaled(array, scale))
        case "number":
            return Plain(kind, to_numbers.reals)
        case "bool":
            return Plain(kind, to_numbers.booleans)
        case "date":
            return Plain(kind, lambda array: to_times.dates(array, zone))
        case "time":
            return Plain(kind, lambda array: to_times.times(array, zone))
        case "tags":
            return Tags(kind)
        case "id":
            return Ids(kind)
        case _:
            return Coded(kind)


def pick(column: Column, rows: Ints) -> Column:
    """The items *rows* in their order (negative: missing), the dictionary cut to the strings that they have."""
    return trimmed(column.take(rows))


def joined(parts: list[Any]) -> Any:
    """All parts as one array; the list is emptied, so that the parts can go."""
    whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
    parts.clear()
    return whole


def _dictionary(kind: ValueType, texts: Texts) -> tuple[pa.LargeStringArray, Codes]:
    """The distinct strings ascending, and the code of each number of *texts*; number -1 has code -1."""
    strings = texts.values()
    dictionary, ranks = ranked(pc.utf8_lower(strings) if kind.fold else strings)
    return dictionary, np.append(ranks, -1).astype(np.int32)
