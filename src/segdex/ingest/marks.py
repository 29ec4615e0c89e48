"""What rows are recognised by: ids and their versions; and stored rows found by their ids."""

from __future__ import annotations

import datetime as dt
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.errors import SourceError
from segdex.events.store import ID, Events
from segdex.ingest import to_numbers, to_times
from segdex.ingest.arrays import Converted, Problem, is_decimal, is_text, plain, unfit
from segdex.ingest.keys import Keys
from segdex.schema.types import Kind, ValueType
from segdex.values.column import MISSING, Column, Ints
from segdex.values.fold import concatenated

_ALLOWED = "integers, floats, decimals, times, dates"


class Versions:
    """A column of versions in the making: integers, numbers or times, as the table has them.

    Args:
        zone: naive times are local to it.
    """

    def __init__(self, zone: dt.tzinfo) -> None:
        self._zone = zone
        self._parts: list[Column] = []
        self._times: bool | None = None

    def add(self, array: pa.Array, untyped: bool) -> list[Problem]:
        """See `Gatherer`."""
        array = plain(array)
        if is_text(array.type) and not untyped:
            raise unfit(array, "a version", _ALLOWED)
        kind, converted = self._converted(array)
        part = Column(ValueType(kind, role="field"), converted.data)
        if not part.known.any():  # fits whatever the others are
            part = Column(ValueType("integer", role="field"), np.full(len(array), MISSING, np.int64))
        elif self._times not in (None, kind == "time"):
            raise SourceError("versions are times in some rows and numbers in others", allowed="one or the other")
        else:
            self._times = kind == "time"
        self._parts.append(part)
        return converted.problems

    def finish(self) -> Column:
        """See `FieldGatherer`."""
        parts, self._parts = self._parts, []
        if not parts:
            return Column(ValueType("integer", role="field"), np.empty(0, np.int64))
        whole = concatenated(parts)
        return Column(ValueType("time", role="field"), whole.data) if self._times else whole

    def _converted(self, array: pa.Array) -> tuple[Kind, Converted]:
        """The array as what it holds; text as what fits most of it."""
        types, kind = pa.types, array.type
        if types.is_timestamp(kind) or types.is_date(kind):
            return "time", to_times.times(array, self._zone)
        if not (
            types.is_integer(kind)
            or types.is_floating(kind)
            or is_decimal(kind)
            or is_text(kind)
            or types.is_null(kind)
        ):
            raise unfit(array, "a version", _ALLOWED)
        whole = to_numbers.integers(array)
        if not whole.problems or types.is_integer(kind):
            return "integer", whole
        found: list[tuple[Kind, Converted]] = [("number", to_numbers.reals(array)), ("integer", whole)]
        if is_text(kind):
            found.append(("time", to_times.times(array, self._zone)))
        return min(found, key=lambda each: sum(len(problem.rows) for problem in each[1].problems))


class Identified:
    """The rows of a stream by their ids, which come once each; what a search needs is made at the first one.

    Args:
        events: the rows, with ids.
    """

    def __init__(self, events: Events) -> None:
        self._events = events

    def rows(self, ids: Column) -> Ints:
        """The row of each id, int64, shape (ids,); -1 for a missing id and one that no row has.

        7 and ``'7'`` are one id.
        """
        wanted = pa.array(ids.data, mask=~ids.known)
        if ids.dictionary is not None:
            wanted = ids.dictionary.take(wanted)
        keys, rows = self._ascending
        found = keys.lookup(wanted)
        if not len(rows):
            return found
        return np.where(found < 0, np.int64(-1), rows[np.maximum(found, 0)].astype(np.int64))

    def customers(self, ids: Column) -> Ints:
        """The dense id of the customer whose row each id stands for, int64, shape (ids,); -1 where there is none."""
        rows = self.rows(ids)
        return np.where(rows < 0, np.int64(-1), np.searchsorted(self._events.offsets, rows, "right") - 1)

    @cached_property
    def _ascending(self) -> tuple[Keys, npt.NDArray[np.uint32] | Ints]:
        """The ids, ascending, and the row of each."""
        column = self._events.marks[ID]
        rows = np.flatnonzero(column.known)
        if column.dictionary is None:
            order = rows[np.argsort(column.data[rows])]
            values = pa.array(column.data[order])
        else:
            of_codes = np.full(len(column.dictionary), -1, np.int64)
            of_codes[column.data[rows]] = rows
            held = of_codes >= 0
            order = of_codes[held]
            values = column.dictionary if held.all() else column.dictionary.filter(pa.array(held))
        return Keys(values), order.astype(np.uint32) if len(column) <= _MOST_NARROW else order


_MOST_NARROW = 0xFFFFFFFF
