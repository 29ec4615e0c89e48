"""Columns, families, events and keys as sections of a file, and back.

For each object an `Encoder` writes its arrays as sections under a name and returns a small frozen struct, its *form*,
which says what a `Decoder` needs to find and check them. A decoded object is made of views into the mapping; its
arrays are checked when it is made, which is when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.events.store import UNIT, VERSION, Events
from segdex.ingest.aliases import Aliases
from segdex.ingest.kept import Dimension
from segdex.ingest.keys import Keys, Numbering
from segdex.schema.types import ValueType
from segdex.store import checks
from segdex.store.container import Kind, Natural, Reader, Writer
from segdex.values.column import MISSING, Column, Data, distinct
from segdex.values.family import Family
from segdex.values.lazy import Lazy

_VERSIONS = {"integer", "number", "time"}


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all forms."""


class StringsForm(Form, frozen=True):
    """Strings: sections ``name/offsets`` (int64, one more than strings) and ``name/bytes`` (UTF-8)."""

    name: str
    count: Natural


class ColumnForm(Form, frozen=True, tag_field="is", tag="column"):
    """A column: ``name/data``, for tags also ``name/offsets``; strings may be shared with other columns.

    *data* is the physical form of a value, of which there are *length*. Places (``c16``) are a section of float64 of
    twice the length.
    """

    type: ValueType
    data: Literal["i4", "i8", "f8", "c16"]
    length: Natural
    dictionary: StringsForm | None = None
    items: Natural | None = None


class FamilyForm(Form, frozen=True, tag_field="is", tag="family"):
    """A family: ``name/offsets``, ``name/customers``, its pairs' column, ``name/among`` or ``name/rests`` if any."""

    categories: StringsForm
    column: ColumnForm
    rest: int | float
    among: bool = False
    rests: bool = False


class EventsForm(Form, frozen=True):
    """A stream: ``name/offsets``, ``name/time``, ``name/units``, ``name/unit_offsets``, a column a field and a mark."""

    rows: Natural
    fields: dict[str, ColumnForm]
    timed: bool = False
    transactions: Natural | None = None
    marks: dict[Literal["unit", "id", "version"], ColumnForm] = {}


class KeysForm(Form, frozen=True):
    """Keys: ``name/integers``, or strings; ``name/ids`` and ``name/places`` where dense ids do not follow them.

    There may be fewer keys than dense ids: those of erased customers have none. Keys that were merged into others are
    *dropped*, text ascending by bytes, and mean the keys of *kept*.
    """

    count: Natural
    strings: StringsForm | None = None
    numbered: bool = False
    dropped: StringsForm | None = None
    kept: StringsForm | None = None


class DimensionForm(Form, frozen=True):
    """A lookup: ``name/keys/…``, and a column a field, one value a key."""

    keys: KeysForm
    fields: dict[str, ColumnForm]


def joined(*names: str) -> str:
    """The name of a section: declared names, which may be any text, parted by ``/``.

    >>> joined("values", "a/b", "data")
    'values/a%2Fb/data'
    """
    return "/".join(name.replace("%", "%25").replace("/", "%2F") for name in names)


class Encoder:
    """Writes objects as sections; strings that several columns share are written once."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._shared: dict[int, tuple[pa.LargeStringArray, StringsForm]] = {}

    def strings(self, name: str, values: pa.LargeStringArray) -> StringsForm:
        """Write strings, or refer to where the same array was written before."""
        if id(values) in self._shared:  # the array is kept beside its form, so that no other takes over its id
            return self._shared[id(values)][1]
        form = StringsForm(name, len(values))
        offsets, data = _buffers(values)
        self._writer.add_array(f"{name}/offsets", offsets)
        self._writer.add_bytes(f"{name}/bytes", data)
        self._shared[id(values)] = (values, form)
        return form

    def column(self, name: str, column: Column) -> ColumnForm:
        """Write a column."""
        degrees = column.type.kind == "geo"
        self._writer.add_array(f"{name}/data", column.data.view(np.float64) if degrees else column.data)
        if column.offsets is not None:
            self._writer.add_array(f"{name}/offsets", column.offsets)
        return ColumnForm(
            type=column.type,
            data=f"{column.data.dtype.kind}{column.data.dtype.itemsize}",  # type: ignore[arg-type]
            length=len(column.data),
            dictionary=None if column.dictionary is None else self.strings(f"{name}/strings", column.dictionary),
            items=None if column.offsets is None else len(column),
        )

    def family(self, name: str, family: Family) -> FamilyForm:
        """Write a family."""
        self._writer.add_array(f"{name}/offsets", family.offsets)
        self._writer.add_array(f"{name}/customers", family.customers)
        if family.among is not None:
            self._writer.add_array(f"{name}/among", family.among)
        if family.rests is not None:
            self._writer.add_array(f"{name}/rests", family.rests)
        return FamilyForm(
            categories=self.strings(f"{name}/categories", family.categories),
            column=self.column(f"{name}/pairs", family.column),
            rest=family.rest,
            among=family.among is not None,
            rests=family.rests is not None,
        )

    def events(self, name: str, events: Events) -> EventsForm:
        """Write a stream."""
        arrays = {
            "offsets": events.offsets,
            "time": events.time,
            "units": events.units,
            "unit_offsets": events.unit_offsets,
        }
        for part, values in arrays.items():
            if values is not None:
                self._writer.add_array(f"{name}/{part}", values)
        return EventsForm(
            rows=events.rows,
            fields={
                each: self.column(f"{name}/{joined('fields', each)}", events.fields[each]) for each in events.fields
            },
            timed=events.time is not None,
            transactions=None if events.units is None else events.transactions,
            marks={
                each: self.column(f"{name}/{joined('marks', each)}", events.marks[each])  # type: ignore[misc]
                for each in events.marks
            },
        )

    def keys(self, name: str, keys: Keys) -> KeysForm:
        """Write the customers' keys."""
        values, numbering = keys.values, keys.numbering
        if numbering is not None:
            self._writer.add_array(f"{name}/ids", numbering.ids)
            self._writer.add_array(f"{name}/places", numbering.places)
        if pa.types.is_integer(values.type):
            self._writer.add_array(f"{name}/integers", values.to_numpy())
        strings = None if pa.types.is_integer(values.type) else self.strings(name, values)
        form = KeysForm(len(values), strings, numbering is not None)
        if keys.aliases is None:
            return form
        dropped, kept = (self.strings(f"{name}/{each}", getattr(keys.aliases, each)) for each in ("dropped", "kept"))
        return msgspec.structs.replace(form, dropped=dropped, kept=kept)

    def dimension(self, name: str, held: Dimension) -> DimensionForm:
        """Write a lookup."""
        keys = self.keys(f"{name}/keys", held.keys)
        columns = held.columns
        fields = {each: self.column(f"{name}/{joined('fields', each)}", columns[each]) for each in columns}
        return DimensionForm(keys, fields)


def _buffers(values: pa.LargeStringArray) -> tuple[npt.NDArray[np.int64], memoryview]:
    """Offsets that start at 0, and the bytes they cut, of an array that may be a slice of another."""
    _, offsets_buffer, data_buffer = values.buffers()
    if len(values) == 0:
        return np.zeros(1, np.int64), memoryview(b"")
    offsets = np.frombuffer(offsets_buffer, np.int64)[values.offset : values.offset + len(values) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    data = memoryview(data_buffer)[first:last] if last > first else memoryview(b"")
    return offsets - first if first else offsets, data


class Decoder:
    """Makes objects from sections, checked; strings that several columns share are made once.

    Every method raises `CorruptError` where sections are damaged, missing or do not fit each other.

    Args:
        reader: the file.
        customers: how many customers the index has: no array may refer to more.
    """

    def __init__(self, reader: Reader, customers: int) -> None:
        self._reader = reader
        self._customers = customers
        self._shared: dict[str, pa.LargeStringArray] = {}

    def _place(self, name: str) -> str:
        return f"{self._reader.path}, section {name!r}"

    def _array(self, name: str, kind: Kind, count: int) -> npt.NDArray[Any]:
        values = self._reader.array(name, kind)
        checks.length(values, count, self._place(name))
        return values

    def _offsets(self, name: str, count: int, last: int) -> npt.NDArray[np.int64]:
        values = self._reader.array(name, "i8")
        checks.offsets(values, count, last, self._place(name))
        return values

    def strings(self, form: StringsForm) -> pa.LargeStringArray:
        """Strings, without a copy."""
        made = self._shared.get(form.name)
        if made is None:
            data = self._reader.section(f"{form.name}/bytes")
            offsets = self._offsets(f"{form.name}/offsets", form.count, len(data))
            buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
            made = pa.Array.from_buffers(pa.large_string(), form.count, buffers)
            checks.strings(made, self._place(f"{form.name}/bytes"))
            # Two threads may both come here: all must get the array that is kept.
            made = self._shared.setdefault(form.name, made)
        place = self._place(f"{form.name}/offsets")
        checks.expect(len(made) == form.count, "two counts of the same strings", place, len(made), form.count)
        return made

    def distinct(self, name: str, form: ColumnForm) -> Column:
        """The strings of a coded column, each once; the column itself is not read."""
        assert form.dictionary is not None
        place = self._place(f"{name}/data")
        checks.form(form.type, form.data, coded=True, tagged=form.items is not None, place=place)
        strings = self.strings(form.dictionary)
        checks.dictionary(strings, form.type, place)
        return distinct(Column(form.type, np.empty(0, np.int32), strings))

    def column(self, name: str, form: ColumnForm, items: int) -> Column:
        """A column of *items* values."""
        place = self._place(f"{name}/data")
        checks.form(form.type, form.data, form.dictionary is not None, form.items is not None, place)
        found = form.length if form.items is None else form.items
        checks.expect(found == items, "wrong number of values", place, found, items)
        data = self._data(f"{name}/data", form)
        dictionary = None if form.dictionary is None else self.strings(form.dictionary)
        if dictionary is not None:
            checks.dictionary(dictionary, form.type, place)
            checks.codes(data, len(dictionary), place)
        offsets = None
        if form.items is not None:
            offsets = self._offsets(f"{name}/offsets", form.items, form.length)
            checks.tags(data, offsets, place)
        return Column(form.type, data, dictionary, offsets)

    def _data(self, name: str, form: ColumnForm) -> npt.NDArray[Any]:
        if form.data != "c16":
            return self._array(name, form.data, form.length)
        degrees = self._array(name, "f8", 2 * form.length)
        checks.places(degrees, self._place(name))
        return degrees.view(np.complex128)

    def family(self, name: str, form: FamilyForm) -> Family:
        """A family over the index's customers."""
        pairs = form.column.length
        categories = self.strings(form.categories)
        checks.ascending(categories, self._place(f"{form.categories.name}/bytes"))
        offsets = self._offsets(f"{name}/offsets", len(categories), pairs)
        customers = self._array(f"{name}/customers", "u4", pairs)
        checks.dense_ids(customers, offsets, self._customers, self._place(f"{name}/customers"))
        among = None
        if form.among:
            among = self._array(f"{name}/among", "b1", self._customers)
            checks.truths(among, self._place(f"{name}/among"))
        column = self.column(f"{name}/pairs", form.column, pairs)
        checks.expect(column.offsets is None, "a family of tags", self._place(name))
        checks.expect(_rest_fits(form.rest, column), "the value of the rest does not fit", self._place(name), form.rest)
        rests = self._rests(name, form, column) if form.rests else None
        return Family(categories, offsets, customers, column, form.rest, among, rests)

    def _rests(self, name: str, form: FamilyForm, column: Column) -> Data:
        place = self._place(f"{name}/rests")
        kind = form.column.data
        checks.expect(kind != "c16", "a family of places", place)
        rests = self._array(f"{name}/rests", "f8" if kind == "c16" else kind, self._customers)
        if column.dictionary is not None:
            checks.codes(rests, len(column.dictionary), place)
        checks.expect(not form.among, "rests beside among", place)
        return rests

    def events(self, name: str, form: EventsForm) -> Events:
        """A stream; its fields and marks are made when they are first used."""
        offsets = self._offsets(f"{name}/offsets", self._customers, form.rows)
        time = self._array(f"{name}/time", "i8", form.rows) if form.timed else None
        units = unit_offsets = None
        if form.transactions is not None:
            place = self._place(f"{name}/units")
            units = self._offsets(f"{name}/units", form.transactions, form.rows)
            checks.expect(not bool((units[1:] == units[:-1]).any()), "a transaction without rows", place)
            unit_offsets = self._offsets(f"{name}/unit_offsets", self._customers, form.transactions)
            held = np.array_equal(units[unit_offsets], offsets)
            checks.expect(held, "a transaction of two customers", self._place(f"{name}/unit_offsets"))
        makers: Mapping[str, Callable[[], Column]] = {
            each: partial(self.column, f"{name}/{joined('fields', each)}", column, form.rows)
            for each, column in form.fields.items()
        }
        marks: Mapping[str, Callable[[], Column]] = {
            each: partial(self._mark, each, f"{name}/{joined('marks', each)}", column, form)
            for each, column in form.marks.items()
        }
        return Events(offsets, time, Lazy(makers), units, unit_offsets, Lazy(marks))

    def _mark(self, mark: str, name: str, form: ColumnForm, stream: EventsForm) -> Column:
        """What the transactions or rows of a stream are recognised by."""
        allowed = _VERSIONS if mark == VERSION else {"id"}
        checks.expect(
            form.type.kind in allowed, "no mark", self._place(name), form.type.kind, ", ".join(sorted(allowed))
        )
        if mark != UNIT:
            return self.column(name, form, stream.rows)
        checks.expect(stream.transactions is not None, "units of a stream without transactions", self._place(name))
        return self.column(name, form, stream.transactions or 0)

    def keys(self, name: str, form: KeysForm) -> Keys:
        """The customers' keys."""
        place, count = self._place(name), self._customers
        fits = form.count <= count if form.numbered else form.count == count
        checks.expect(fits, "wrong number of keys", place, form.count, count)
        return self._keys(name, form, count)

    def _keys(self, name: str, form: KeysForm, count: int) -> Keys:
        """The keys of *count* dense ids."""
        place = self._place(name)
        if form.strings is not None:
            held = form.strings.count
            checks.expect(held == form.count, "wrong number of keys", place, held, form.count)
            values = self.strings(form.strings)
        else:
            integers = self._array(f"{name}/integers", "i8", form.count)
            values = pa.Array.from_buffers(pa.int64(), form.count, [None, pa.py_buffer(integers)])
        checks.ascending(values, place)
        numbering = self._numbering(name, form.count, count) if form.numbered else None
        return Keys(values, numbering, self._aliases(form, place))

    def _aliases(self, form: KeysForm, place: str) -> Aliases | None:
        """The keys that mean other keys."""
        if form.dropped is None or form.kept is None:
            checks.expect(form.dropped is form.kept, "keys that mean others without these", place)
            return None
        checks.expect(form.dropped.count == form.kept.count, "keys that mean others without these", place)
        dropped = self.strings(form.dropped)
        checks.ascending(dropped, place)
        return Aliases(dropped, self.strings(form.kept))

    def _numbering(self, name: str, keys: int, count: int) -> Numbering:
        ids = self._array(f"{name}/ids", "u4", keys)
        places = self._array(f"{name}/places", "u4", count)
        checks.inverses(ids, places, self._place(f"{name}/ids"))
        return Numbering(ids, places)

    def dimension(self, name: str, form: DimensionForm) -> Dimension:
        """A lookup; its fields are made when they are first used."""
        checks.expect(not form.keys.numbered, "a lookup whose keys are numbered", self._place(name))
        makers: Mapping[str, Callable[[], Column]] = {
            each: partial(self.column, f"{name}/{joined('fields', each)}", column, form.keys.count)
            for each, column in form.fields.items()
        }
        return Dimension(self._keys(f"{name}/keys", form.keys, form.keys.count), Lazy(makers))


def _rest_fits(rest: int | float, column: Column) -> bool:
    """Whether *rest* is a physical value of *column*."""
    if column.data.dtype == np.float64:
        return isinstance(rest, float | int)
    if isinstance(rest, float):
        return False
    low, high = (-1, len(column.dictionary) - 1) if column.dictionary is not None else (MISSING, 2**63 - 1)
    return low <= rest <= high
