"""Columns that are only ever added to: what a version reads of them stays as it is while later ones grow.

Rows are numbered from 0; whoever reads says how many rows there were. What comes is written at the row that it is
given, so that rows which never came to be seen, because a change failed, are written over by the next ones.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from segdex.forks import ForkLock
from segdex.schema.types import ValueType
from segdex.store.os import in_small_pages
from segdex.values.column import Column, Ints
from segdex.values.dictionaries import MOST_KEPT, alike, fixed, trimmed, united

_LEAST = 1024
_LARGE = 1 << 22
"""From so many bytes on numpy asks for large pages."""
_MOST_LATER = 64
"""About so many pieces of a column wait to be copied."""
_turns = itertools.count()


class Growing:
    """An array with room to spare. One thread writes; whoever reads has the items before those that are written.

    Args:
        dtype: of the items.
        room: for so many there is room at the start. What nothing was written to takes no memory, and to copy what is
            there to more room makes a batch wait.
    """

    __slots__ = ("_growth", "_held", "_room")

    def __init__(self, dtype: npt.DTypeLike, room: int = _LEAST) -> None:
        self._held: npt.NDArray[Any] = np.empty(0, dtype)
        self._room = room
        # Many arrays grow by the same rows: they do not all find their room used up by the same batch.
        self._growth = 2 + next(_turns) % 16 / 8

    def put(self, at: int, items: npt.NDArray[Any]) -> None:
        """Write *items* from the place *at* on; there are so many before."""
        end = at + len(items)
        if end > len(self._held):
            more = _memory(max(self._room, int(end * self._growth)), self._held.dtype)
            more[:at] = self._held[:at]
            self._held = more
        self._held[at:end] = items

    def upto(self, count: int) -> npt.NDArray[Any]:
        """The first *count* items; nothing is copied."""
        return self._held[:count]


def _memory(items: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Memory for so many items."""
    size = items * np.dtype(dtype).itemsize
    return np.empty(items, dtype) if size < _LARGE else np.frombuffer(in_small_pages(size), dtype)


class GrowingColumn:
    """A column to which rows are added.

    Strings are kept as they came: a code is the place of a string among all that came, one dictionary after another. To
    add some takes no look at the strings of others, unless they are few; the codes of a `Column`, which ascend as the
    strings do, are made of that for the rows that are taken, or for all rows where all are read.

    Args:
        room: see `Growing`.

    Attributes:
        turned: whether identifiers that were integers are text by now.
    """

    def __init__(self, room: int = _LEAST) -> None:
        self.turned = False
        self._room = room
        self._form: _Form | None = None
        self._later: list[tuple[int, Column]] = []
        self._most_later = _MOST_LATER + next(_turns) % 16 * 4  # not all columns at the same batch
        self._lock = ForkLock()

    def add(self, at: int, column: Column) -> None:
        """As `put`, but nothing is copied until somebody reads rows."""
        if self._later and self._later[-1][0] >= at:
            with self._lock:
                self._later = [each for each in self._later if each[0] < at]
        self._later.append((at, column))
        if len(self._later) > self._most_later:
            self._settle()

    def _settle(self) -> _Form:
        if self._later:
            with self._lock:
                while self._later:
                    self.put(*self._later[0])
                    del self._later[0]
        assert self._form is not None
        return self._form

    def put(self, at: int, column: Column) -> None:
        """Write the items of *column* from row *at* on.

        Whoever is interrupted here, or is forked meanwhile, has the rows before as they were, and may do it again.
        """
        form = self._form
        if form is None or not at:
            form = _Form(column, self._room)
        elif not form.fits(column):
            # Identifiers of which some are text, versions of which some are no whole numbers.
            whole, column = alike([form.column(0), column])
            if not form.fits(column):
                whole, column = alike([form.column(at), column])
                form = _Form(whole, self._room)
                form.put(0, whole)
            self.turned = self.turned or column.dictionary is not None
        form.put(at, column)
        self._form = form

    def column(self, count: int) -> Column:
        """The first *count* rows."""
        return self._settle().column(count)

    def take(self, rows: Ints) -> Column:
        """Some rows, in their order."""
        return self._settle().take(rows)


class _Form:
    """A column in one physical form."""

    def __init__(self, like: Column, room: int) -> None:
        self._like = dataclasses.replace(like, data=like.data[:0], offsets=None)
        self._data = Growing(like.data.dtype, room)
        self._offsets: Growing | None = None
        if like.offsets is not None:
            self._offsets = Growing(np.int64, room)
            self._offsets.put(0, np.zeros(1, np.int64))
        self._strings = _Strings(like.type)
        self._sorted = _Sorted(0, None, Growing(np.int32))
        self._lock = ForkLock()

    def fits(self, column: Column) -> bool:
        like = self._like
        return (
            (like.dictionary is None) == (column.dictionary is None)
            and like.data.dtype == column.data.dtype
            and like.type.kind == column.type.kind
        )

    def put(self, at: int, column: Column) -> None:
        first = at if self._offsets is None else int(self._offsets.upto(at + 1)[-1])
        if self._sorted.items > first:
            self._sorted = _Sorted(0, None, Growing(np.int32))
        self._data.put(first, column.data if column.dictionary is None else self._strings.put(column))
        if self._offsets is not None and column.offsets is not None:
            self._offsets.put(at + 1, column.offsets[1:] + first)

    def column(self, count: int) -> Column:
        offsets = None if self._offsets is None else self._offsets.upto(count + 1)
        items = count if offsets is None else int(offsets[-1])
        if self._like.dictionary is None:
            return dataclasses.replace(self._like, data=self._data.upto(items))
        with self._lock:
            held = self._sorted
            if held.items < items or held.strings is None:
                self._sorted = held = self._more_sorted(held, items)
        return dataclasses.replace(self._like, data=held.codes.upto(items), dictionary=held.strings, offsets=offsets)

    def _more_sorted(self, held: _Sorted, items: int) -> _Sorted:
        fresh = self._strings.meant(self._data.upto(items)[held.items :])
        if held.strings is None:
            before = Column(self._like.type, held.codes.upto(0), fresh.dictionary)
        else:
            before = Column(self._like.type, held.codes.upto(held.items), held.strings)
        now, more = alike([before, fresh])
        codes = held.codes
        if now.dictionary is not before.dictionary:
            codes = Growing(np.int32)
            codes.put(0, now.data)
        codes.put(held.items, more.data)
        return _Sorted(items, now.dictionary, codes)

    def take(self, rows: Ints) -> Column:
        whole = self._like
        if self._offsets is not None:
            count = int(rows.max(initial=-1)) + 1
            offsets = self._offsets.upto(count + 1)
            whole = dataclasses.replace(whole, data=self._data.upto(int(offsets[-1])), offsets=offsets)
        else:
            whole = dataclasses.replace(whole, data=self._data.upto(int(rows.max(initial=-1)) + 1))
        taken = whole.take(rows)
        if taken.dictionary is None:
            return taken
        return dataclasses.replace(self._strings.meant(taken.data), offsets=taken.offsets)


@dataclasses.dataclass(frozen=True, slots=True)
class _Sorted:
    """Codes of all items under a dictionary that ascends: how many, the dictionary, and the codes."""

    items: int
    strings: pa.LargeStringArray | None
    codes: Growing


class _Strings:
    """Strings as they came, in pieces each of which ascends; the same string may be in several."""

    def __init__(self, kind: ValueType) -> None:
        self._type = kind
        self._pieces: list[tuple[int, pa.LargeStringArray]] = []  # where the codes of each begin
        self._few = True

    def put(self, column: Column) -> Any:
        """The codes of *column* among all strings, those of its own added where there is need."""
        strings: pa.LargeStringArray = column.dictionary
        if self._pieces:
            start, last = self._pieces[-1]
            if strings is last or strings.equals(last):
                return _shifted(column.data, start)
            if self._few and not fixed(column):
                places = pc.index_in(strings, value_set=last)
                if not places.null_count:
                    return _mapped(column.data, np.asarray(places), start)
                if len(strings) <= MOST_KEPT and len(whole := united(last, strings)) <= MOST_KEPT:
                    return _mapped(column.data, np.asarray(pc.index_in(strings, value_set=whole)), self._added(whole))
        column = trimmed(column) if len(strings) > MOST_KEPT else column
        strings = column.dictionary
        # Strings that are many are different in each batch: to put them together each time would take ever longer.
        self._few = self._few and not self._pieces and len(strings) <= MOST_KEPT
        return _shifted(column.data, self._added(strings))

    def _added(self, strings: pa.LargeStringArray) -> int:
        start, last = self._pieces[-1] if self._pieces else (0, ())
        self._pieces.append((start + len(last), strings))
        return start + len(last)

    def meant(self, codes: Any) -> Column:
        """The column of these codes under a dictionary that ascends."""
        held = list(self._pieces)
        starts, pieces = [start for start, _ in held], [piece for _, piece in held]
        known = codes[codes >= 0]
        low, high = (int(known.min()), int(known.max())) if len(known) else (0, -1)
        one = int(np.searchsorted(starts, low, "right")) - 1
        if high < starts[one] + len(pieces[one]):
            return Column(self._type, _shifted(codes, -starts[one]), pieces[one])
        used = np.unique(known)
        of = np.searchsorted(starts, used, "right") - 1
        bounds = np.flatnonzero(np.diff(of, prepend=-1))
        parts = [
            pieces[of[begin]].take(pa.array(part - starts[of[begin]]))
            for begin, part in zip(bounds, np.split(used, bounds[1:]), strict=True)
        ]
        together = pa.concat_arrays(parts)
        strings = united(together)
        places = np.asarray(pc.index_in(together, value_set=strings), np.int32)
        found = places[np.minimum(np.searchsorted(used, codes), len(used) - 1)]
        return Column(self._type, np.where(codes >= 0, found, np.int32(-1)), strings)


def _shifted(codes: Any, start: int) -> Any:
    """Codes and *start*; missing ones stay so."""
    return codes if not start else np.where(codes >= 0, codes + np.int32(start), np.int32(-1))


def _mapped(codes: Any, places: Any, start: int) -> Any:
    table = np.append(places.astype(np.int32) + np.int32(start), np.int32(-1))
    return table[codes]
