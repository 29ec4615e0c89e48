"""Columns, families, events and keys through a file: what comes back is what went in, or is refused."""

from __future__ import annotations

import dataclasses
import pickle
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.errors import CorruptError
from segdex.events.store import Events
from segdex.ingest.grown import settled, without
from segdex.ingest.kept import Dimension
from segdex.ingest.keys import Keys, Numbering
from segdex.schema.types import ValueType
from segdex.store.codec import ColumnForm, Decoder, Encoder, EventsForm, FamilyForm, KeysForm, StringsForm, joined
from segdex.store.container import Identity, Reader, Writer
from segdex.store.os import OperatingSystem
from segdex.values.column import BOOLEANS, MISSING, Column
from segdex.values.family import Family
from segdex.values.lazy import Lazy
from segdex.values.places import places

SYSTEM = OperatingSystem()
CATEGORY = ValueType("category")


def strings(*values: str) -> pa.LargeStringArray:
    return pa.array(values, pa.large_string())


def stored(path: Path, write: Callable[[Encoder], Any], customers: int) -> tuple[Any, Decoder]:
    """What *write* returned, through MessagePack, and a decoder of what it wrote."""
    path.unlink(missing_ok=True)
    file = SYSTEM.create(path)
    writer = Writer(file, Identity(uuid.uuid4(), 1), SYSTEM)
    form = write(Encoder(writer))
    writer.finish()
    SYSTEM.close(file)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(form), type=type(form)) if form is not None else None
    assert again is None or msgspec.msgpack.encode(again) == msgspec.msgpack.encode(form)
    return again, Decoder(Reader(path, SYSTEM), customers)


def same_column(left: Column, right: Column) -> None:
    assert left.type == right.type
    assert left.data.dtype == right.data.dtype
    np.testing.assert_array_equal(left.data.view(np.uint8), right.data.view(np.uint8))  # every bit of a NaN too
    assert (left.dictionary is None) == (right.dictionary is None)
    assert left.dictionary is None or left.dictionary.equals(right.dictionary)
    assert (left.offsets is None) == (right.offsets is None)
    assert left.offsets is None or np.array_equal(left.offsets, right.offsets)


# --- round trips -------------------------------------------------------------------------------------------------

LABELS = st.lists(st.text(max_size=5), unique=True, max_size=6).map(lambda held: sorted(held, key=lambda s: s.encode()))


@st.composite
def columns(draw: st.DrawFn, count: int | None = None) -> Column:
    """Any column but tags."""
    kind = draw(st.sampled_from(["category", "text", "id", "bool", "integer", "date", "time", "scaled", "number"]))
    size = st.just(count) if count is not None else st.integers(0, 30)
    n = draw(size)
    if kind in ("category", "text", "id", "bool"):
        labels = ["false", "true"] if kind == "bool" else draw(LABELS)
        codes = draw(st.lists(st.integers(-1, len(labels) - 1), min_size=n, max_size=n))
        return Column(ValueType(kind), np.array(codes, np.int32), strings(*labels))
    if kind == "number":
        values = draw(st.lists(st.floats(), min_size=n, max_size=n))
        return Column(ValueType("number", role="metric"), np.array(values, np.float64))
    values = draw(st.lists(st.integers(MISSING, 2**63 - 1), min_size=n, max_size=n))
    type_ = ValueType("number", scale=2) if kind == "scaled" else ValueType(kind)
    return Column(type_, np.array(values, np.int64))


@st.composite
def tags(draw: st.DrawFn) -> Column:
    labels = draw(LABELS)
    codes = st.sets(st.integers(0, len(labels) - 1)) if labels else st.just(set())
    items = draw(st.lists(st.one_of(st.just({-1}), codes), max_size=20))
    data = [code for item in items for code in sorted(item)]
    offsets = np.concatenate(([0], np.cumsum([len(item) for item in items]))).astype(np.int64)
    return Column(ValueType("tags"), np.array(data, np.int32), strings(*labels), offsets)


@st.composite
def homes(draw: st.DrawFn) -> Column:
    degree = st.floats(-90, 90) | st.just(float("nan"))
    held = draw(st.lists(st.tuples(degree, degree), max_size=20))
    latitudes, longitudes = (np.array([place[at] for place in held], np.float64) for at in (0, 1))
    return places(ValueType("geo"), latitudes, longitudes)


@settings(max_examples=60, deadline=None)
@given(st.one_of(columns(), tags(), homes()))
def test_any_column(tmp_path_factory, column):
    path = tmp_path_factory.mktemp("codec") / "f"
    form, decoder = stored(path, lambda encoder: encoder.column("a/b", column), 9)
    found = decoder.column("a/b", form, len(column))
    same_column(found, column)
    assert not found.data.flags.writeable


@st.composite
def rests_of(draw: st.DrawFn, column: Column, customers: int) -> Any:
    """No values of customers without a pair, or some that fit the pairs' column."""
    if draw(st.booleans()):
        return None
    known = column.data if len(column.data) else np.zeros(1, column.data.dtype)
    if column.dictionary is not None and not len(column.data):
        known = np.full(1, -1, np.int32)
    picked = draw(st.lists(st.integers(0, len(known) - 1), min_size=customers, max_size=customers))
    return known[picked]


@st.composite
def families(draw: st.DrawFn) -> tuple[Family, int]:
    customers = draw(st.integers(1, 12))
    categories = draw(LABELS)
    among = draw(st.none() | st.lists(st.booleans(), min_size=customers, max_size=customers))
    members = [sorted(draw(st.sets(st.integers(0, customers - 1)))) for _ in categories]
    pairs = sum(map(len, members))
    column = draw(columns(count=pairs))
    rests = {
        "i4": st.integers(-1, 0),
        "i8": st.sampled_from([0, MISSING]),
        "f8": st.sampled_from([0, 0.0, float("nan")]),
    }
    rest = draw(rests[f"{column.data.dtype.kind}{column.data.dtype.itemsize}"])
    if column.dictionary is not None and len(column.dictionary) == 0:
        rest = -1
    family = Family(
        strings(*categories),
        np.concatenate(([0], np.cumsum([len(each) for each in members]))).astype(np.int64),
        np.array([each for held in members for each in held], np.uint32),
        column,
        rest,
        None if among is None else np.array(among, np.bool_),
        draw(rests_of(column, customers)) if among is None else None,
    )
    return family, customers


@settings(max_examples=60, deadline=None)
@given(families())
def test_any_family(tmp_path_factory, drawn):
    family, customers = drawn
    path = tmp_path_factory.mktemp("codec") / "f"
    form, decoder = stored(path, lambda encoder: encoder.family("share", family), customers)
    found = decoder.family("share", form)
    assert found.categories.equals(family.categories)
    np.testing.assert_array_equal(found.offsets, family.offsets)
    np.testing.assert_array_equal(found.customers, family.customers)
    same_column(found.column, family.column)
    assert type(found.rest) is type(family.rest)
    np.testing.assert_equal(found.rest, family.rest)
    assert (found.among is None) == (family.among is None)
    assert (found.rests is None) == (family.rests is None)
    for code in range(-1, len(family.categories)):
        same_column(found.dense(code, customers), family.dense(code, customers))


@st.composite
def streams(draw: st.DrawFn) -> tuple[Events, int]:
    transactions = draw(st.lists(st.lists(st.integers(1, 3), max_size=4), max_size=6))  # rows, by customer
    united = draw(st.booleans())
    rows_of = [sum(each) for each in transactions]
    rows = sum(rows_of)
    offsets = np.concatenate(([0], np.cumsum(rows_of))).astype(np.int64)
    units = np.concatenate(([0], np.cumsum([n for each in transactions for n in each]))).astype(np.int64)
    unit_offsets = np.concatenate(([0], np.cumsum([len(each) for each in transactions]))).astype(np.int64)
    time = np.array(draw(st.lists(st.integers(0, 9), min_size=rows, max_size=rows)), np.int64)
    fields = {name: draw(columns(count=rows)) for name in draw(st.sets(st.sampled_from(["a", "a/b", "%", "data"])))}
    unit = draw(columns(count=len(units) - 1).filter(lambda column: column.data.dtype != np.float64))
    kept = united and draw(st.booleans())
    return (
        Events(
            offsets,
            time if draw(st.booleans()) else None,
            fields,
            units if united else None,
            unit_offsets if united else None,
            {"unit": dataclasses.replace(unit, type=ValueType("id", role="field"))} if kept else {},
        ),
        len(transactions),
    )


@settings(max_examples=60, deadline=None)
@given(streams())
def test_any_stream(tmp_path_factory, drawn):
    events, customers = drawn
    path = tmp_path_factory.mktemp("codec") / "f"
    form, decoder = stored(path, lambda encoder: encoder.events("events/orders", events), customers)
    found = decoder.events("events/orders", form)
    for part in ("offsets", "time", "units", "unit_offsets"):
        left, right = getattr(found, part), getattr(events, part)
        assert (left is None) == (right is None)
        assert left is None or np.array_equal(left, right)
    assert list(found.fields) == list(events.fields)
    for name in events.fields:
        same_column(found.fields[name], events.fields[name])
    assert list(found.marks) == list(events.marks)
    for name in events.marks:
        same_column(found.marks[name], events.marks[name])
    assert (found.rows, found.transactions) == (events.rows, events.transactions)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([-5, 0, 2**63 - 1], pa.int64()),
        pa.array([], pa.int64()),
        strings(),
        strings("", "a", "a\0", "é", "\U0001f600"),
        strings("x", "a", "b", "c").slice(1, 2),
        pa.array([9, 1, 2, 3], pa.int64()).slice(1, 2),
        strings("").slice(0, 1),
        strings("a").slice(1),
    ],
)
def test_keys(tmp_path, values):
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.keys("keys", Keys(values)), len(values))
    found = decoder.keys("keys", form).values
    assert found.type == values.type
    assert found.to_pylist() == values.to_pylist()


@pytest.mark.parametrize("values", [strings("a", "b", "c"), pa.array([1, 2, 3], pa.int64())])
def test_keys_in_another_order(tmp_path, values):
    keys = Keys(values, Numbering.of(np.array([2, 0, 1])))
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.keys("keys", keys), 3)
    found = decoder.keys("keys", form)
    assert found.take([0, 1, 2]).to_pylist() == values.take(pa.array([2, 0, 1])).to_pylist()
    assert found.lookup(values).tolist() == [1, 2, 0]
    assert found.numbering is not None
    assert not found.numbering.ids.flags.writeable  # mapped
    assert not found.numbering.places.flags.writeable


@pytest.mark.parametrize("values", [strings("a", "b", "c"), pa.array([1, 2, 3], pa.int64())])
def test_keys_of_an_index_with_erased_customers(tmp_path, values):
    keys = settled(without(Keys(values), np.array([1])))
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.keys("keys", keys), 3)
    found = decoder.keys("keys", form)
    first, _, last = values.to_pylist()
    assert (len(found), found.erased) == (3, 1)
    assert found.take([0, 1, 2]).to_pylist() == [first, None, last]
    assert found.lookup(values).tolist() == [0, -1, 2]


@pytest.mark.parametrize("keys", [strings("a", "b"), pa.array([1, 2], pa.int64())])
def test_a_lookup(tmp_path, keys):
    columns = {
        "x/y": Column(CATEGORY, np.array([1, -1], np.int32), strings("u", "v")),
        "tags": Column(
            ValueType("tags"), np.array([0, 1, -1], np.int32), strings("s", "t"), np.array([0, 2, 3], np.int64)
        ),
    }
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.dimension("d", Dimension(Keys(keys), columns)), 7)
    found = decoder.dimension("d", form)
    assert found.keys.values.to_pylist() == keys.to_pylist()
    assert not any("fields" in name for name in decoder._reader._verified)
    for name, column in columns.items():
        same_column(found.columns[name], column)
    short = msgspec.structs.replace(form.fields["x/y"], length=1)
    cut = decoder.dimension("d", msgspec.structs.replace(form, fields={"x/y": short}))
    with pytest.raises(CorruptError, match="wrong number of values"):
        cut.columns["x/y"]
    with pytest.raises(CorruptError, match="whose keys are numbered"):
        decoder.dimension("d", msgspec.structs.replace(form, keys=msgspec.structs.replace(form.keys, numbered=True)))


def test_shared_strings_are_written_once_and_shared_again(tmp_path):
    labels = strings("a", "b")
    one = Column(CATEGORY, np.array([0, 1], np.int32), labels)
    two = Column(CATEGORY, np.array([1], np.int32), labels)
    forms, decoder = stored(
        tmp_path / "f",
        lambda encoder: EventsForm(0, {"one": encoder.column("one", one), "two": encoder.column("two", two)}),
        0,
    )
    assert sum(name.endswith("/bytes") for name in decoder._reader.sections) == 1
    found = [decoder.column(name, forms.fields[name], n) for name, n in (("one", 2), ("two", 1))]
    assert found[0].dictionary is found[1].dictionary
    assert found[1].dictionary.to_pylist() == ["a", "b"]


def test_strings_are_views_into_the_file(tmp_path):
    column = Column(CATEGORY, np.zeros(1000, np.int32), strings("abc" * 1000))
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.column("c", column), 0)
    before = pa.total_allocated_bytes()
    found = decoder.column("c", form, 1000)
    assert pa.total_allocated_bytes() == before
    mapped = np.frombuffer(decoder._reader.section("c/strings/bytes"), np.uint8)
    assert found.dictionary.buffers()[2].address == mapped.ctypes.data
    assert np.shares_memory(found.data, decoder._reader.array("c/data", "i4"))


def test_labels_of_bands_and_stages_keep_their_own_order(tmp_path):
    column = Column(ValueType("category", role="band"), np.array([0, 1], np.int32), strings("hot", "cold"))
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.column("c", column), 0)
    same_column(decoder.column("c", form, 2), column)


def test_names_of_sections_do_not_collide():
    assert joined("a/b", "c") != joined("a", "b/c") != joined("a", "b", "c")
    assert joined("a%2F", "b") != joined("a/", "b")


# --- what does not fit -------------------------------------------------------------------------------------------


def column_of(data: Any, dictionary: pa.LargeStringArray | None = None, offsets: Any = None, **type_: Any) -> Column:
    return Column(
        ValueType(**({"kind": "category"} | type_)),
        np.array(data),
        dictionary,
        None if offsets is None else np.array(offsets, np.int64),
    )


I4 = np.int32
AB = strings("a", "b")
BAD_COLUMNS = {
    "code too high": (column_of(np.array([0, 2], I4), AB), "code is out of range; found 0 to 2; allowed: -1 to 1"),
    "code too low": (column_of(np.array([-2, 0], I4), AB), "code is out of range"),
    "code without strings": (column_of(np.array([0, -1], I4), strings()), "code is out of range"),
    "unordered strings": (column_of(np.array([0, 0], I4), strings("b", "a")), "out of order or there twice"),
    "strings twice": (column_of(np.array([0, 0], I4), strings("a", "a")), "out of order or there twice"),
    "labels twice": (column_of(np.array([0, 0], I4), strings("b", "a", "b"), role="stage"), "label is there twice"),
    "booleans": (column_of(np.array([0, 0], I4), AB, kind="bool"), "booleans have other labels"),
    "no strings": (column_of(np.array([0, 0], I4)), "do not go together"),
    "strings of integers": (column_of([0, 0], AB, kind="integer"), "do not go together"),
    "integer as float": (column_of([0.5, 0], kind="integer"), "a integer in another form; found f8; allowed: i8"),
    "number as integer": (column_of([1, 2], kind="number"), "a number in another form"),
    "scaled as float": (column_of([1.0, 2], kind="number", scale=2), "a number in another form"),
    "category as integer": (column_of([1, 2], AB), "a category in another form"),
    "category with offsets": (column_of(np.array([0, 1], I4), AB, [0, 1, 2]), "tags and their offsets"),
    "tags without offsets": (column_of(np.array([0, 1], I4), AB, kind="tags"), "tags and their offsets"),
    "tags unordered": (column_of(np.array([1, 0], I4), AB, [0, 0, 2], kind="tags"), "tags of an item are out of order"),
    "tag twice": (column_of(np.array([1, 1], I4), AB, [0, 2, 2], kind="tags"), "tags of an item are out of order"),
    "missing and tagged": (column_of(np.array([-1, 1], I4), AB, [0, 2, 2], kind="tags"), "missing and has tags"),
    "offsets start": (column_of(np.array([0, 1], I4), AB, [1, 1, 2], kind="tags"), "do not start at 0"),
    "offsets end": (column_of(np.array([0, 1], I4), AB, [0, 1, 3], kind="tags"), "do not end at the last"),
    "offsets fall": (column_of(np.array([0, 1, 0], I4), AB, [0, 4, 3], kind="tags"), "offsets fall"),
    "offsets negative": (column_of(np.array([0, 1], I4), AB, [0, -1, 2], kind="tags"), "offsets fall"),
    "wrong length": (column_of(np.array([0], I4), AB), "wrong number of values; found 1; allowed: 2"),
    "place as float": (column_of([1.0, 2.0], kind="geo"), "a geo in another form; found f8; allowed: c16"),
    "half a place": (column_of([1 + 2j, complex(1, np.nan)], kind="geo"), "one of latitude and longitude"),
    "latitude": (column_of([1 + 2j, 90.5 + 0j], kind="geo"), "a place is not on the Earth"),
    "longitude": (column_of([1 + 2j, complex(0, -np.inf)], kind="geo"), "a place is not on the Earth"),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_columns_that_do_not_fit(tmp_path, case):
    column, message = BAD_COLUMNS[case]
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.column("bad", column), 9)
    with pytest.raises(CorruptError, match=message) as caught:
        decoder.column("bad", form, 2)
    assert str(tmp_path / "f") in str(caught.value)


GOOD_FAMILY = Family(
    AB,
    np.array([0, 2, 3], np.int64),
    np.array([0, 2, 1], np.uint32),
    column_of([1, 2, 3], kind="integer"),
    0,
    np.array([True, False, True]),
)
BAD_FAMILIES = {
    "customer": ({"customers": np.array([0, 3, 1], np.uint32)}, "dense id is out of range; found 3; allowed: 0 to 2"),
    "order": ({"customers": np.array([2, 0, 1], np.uint32)}, "out of order"),
    "twice": ({"customers": np.array([2, 2, 1], np.uint32)}, "out of order"),
    "pairs": ({"customers": np.array([0, 2], np.uint32)}, "wrong number of items; found 2; allowed: 3"),
    "offsets": ({"offsets": np.array([0, 2, 4], np.int64)}, "do not end"),
    "categories": ({"categories": strings("a")}, "wrong number of items"),
    "unordered": ({"categories": strings("b", "a")}, "out of order or there twice"),
    "among": ({"among": np.array([True, False])}, "wrong number of items; found 2; allowed: 3"),
    "truths": ({"among": np.array([1, 2, 0], np.uint8).view(np.bool_)}, "neither 0 nor 1"),
    "rests": ({"among": None, "rests": np.array([1, 2])}, "wrong number of items; found 2; allowed: 3"),
    "two rests": ({"rests": np.array([1, 2, 3])}, "rests beside among"),
    "coded rests": (
        {"column": column_of(np.array([0, 1, 1], I4), AB), "rest": -1, "among": None, "rests": np.array([0, 2, 0], I4)},
        "a code is out of range",
    ),
    "rest": ({"rest": 0.5}, "the rest does not fit"),
    "large rest": ({"rest": 2**63}, "the rest does not fit"),
    "coded rest": ({"column": column_of(np.array([0, 1, 1], I4), AB), "rest": 2}, "the rest does not fit"),
    "tags": (
        {"column": column_of(np.array([0, 1, 1], I4), AB, [0, 1, 2, 3], kind="tags"), "rest": -1},
        "a family of tags",
    ),
}


def test_the_good_family_is_good(tmp_path):
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.family("x", GOOD_FAMILY), 3)
    assert decoder.family("x", form).dense(0, 3).data.tolist() == [1, MISSING, 2]


@pytest.mark.parametrize("case", BAD_FAMILIES)
def test_families_that_do_not_fit(tmp_path, case):
    changes, message = BAD_FAMILIES[case]
    family = dataclasses.replace(GOOD_FAMILY, **changes)
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.family("x", family), 3)
    with pytest.raises(CorruptError, match=message):
        decoder.family("x", form)


GOOD_EVENTS = Events(
    np.array([0, 3, 3, 5], np.int64),
    np.arange(5),
    {"amount": column_of([1, 2, 3, 4, 5], kind="integer")},
    np.array([0, 1, 3, 5], np.int64),
    np.array([0, 2, 2, 3], np.int64),
)
BAD_EVENTS = {
    "customers": ({"offsets": np.array([0, 3, 5], np.int64)}, "wrong number of items; found 3; allowed: 4"),
    "falling": ({"offsets": np.array([0, 6, 3, 5], np.int64)}, "offsets fall"),
    "time": ({"time": np.arange(4)}, "wrong number of items; found 4; allowed: 5"),
    "empty transaction": ({"units": np.array([0, 3, 3, 5], np.int64)}, "transaction without rows"),
    "beyond": ({"units": np.array([0, 1, 3, 6], np.int64)}, "do not end"),
    "two customers": ({"units": np.array([0, 1, 4, 5], np.int64)}, "transaction of two customers"),
    "unit offsets": ({"unit_offsets": np.array([0, 2, 2, 4], np.int64)}, "do not end"),
    "unit customers": ({"unit_offsets": np.array([0, 2, 3], np.int64)}, "wrong number of items"),
}


@pytest.mark.parametrize("case", BAD_EVENTS)
def test_streams_that_do_not_fit(tmp_path, case):
    changes, message = BAD_EVENTS[case]
    events = dataclasses.replace(GOOD_EVENTS, **changes)
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.events("x", events), 3)
    with pytest.raises(CorruptError, match=message):
        decoder.events("x", form)


def test_a_field_of_another_length_is_refused_when_it_is_used(tmp_path):
    events = dataclasses.replace(GOOD_EVENTS, fields={"amount": column_of([1], kind="integer")})
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.events("x", events), 3)
    found = decoder.events("x", form)
    with pytest.raises(CorruptError, match="wrong number of values; found 1; allowed: 5"):
        found.fields["amount"]


BAD_MARKS = {
    "another length": (column_of([1, 2], kind="id"), {}, "wrong number of values; found 2; allowed: 3"),
    "no identifier": (column_of([1, 2, 3], kind="integer"), {}, "no mark; found integer; allowed: id"),
    "no transactions": (column_of([1] * 5, kind="id"), {"units": None, "unit_offsets": None}, "without transactions"),
}


@pytest.mark.parametrize("case", BAD_MARKS)
def test_marks_that_do_not_fit(tmp_path, case):
    column, changes, message = BAD_MARKS[case]
    events = dataclasses.replace(GOOD_EVENTS, marks={"unit": column}, **changes)
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.events("x", events), 3)
    found = decoder.events("x", form)
    with pytest.raises(CorruptError, match=message):
        assert found.unit is not None


@pytest.mark.parametrize(
    ("values", "count", "message"),
    [
        (pa.array([1, 1], pa.int64()), 2, "out of order or there twice"),
        (pa.array([2, 1], pa.int64()), 2, "out of order or there twice"),
        (strings("b", "a"), 2, "out of order or there twice"),
        (strings("a", "b"), 3, "wrong number of keys; found 2; allowed: 3"),
    ],
)
def test_keys_that_do_not_fit(tmp_path, values, count, message):
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.keys("keys", Keys(values)), count)
    with pytest.raises(CorruptError, match=message) as caught:
        decoder.keys("keys", form)
    assert "'b'" not in str(caught.value)


def permutation(*values: int, dtype: Any = np.uint32) -> np.ndarray:
    return np.array(values, dtype)


@pytest.mark.parametrize(
    ("ids", "places", "message"),
    [
        (permutation(0, 0, 2), permutation(0, 1, 2), "there twice"),
        (permutation(0, 0, 2), permutation(1, 1, 2), "there twice"),
        (permutation(1, 2, 0), permutation(1, 2, 0), "not where its place says"),
        (permutation(0, 1, 2), permutation(0, 1, 3), "not where its place says"),
        (permutation(0, 1, 2), permutation(0, 1, 2**32 - 1), "not where its place says"),
        (permutation(0, 1, 3), permutation(0, 1, 2), "out of range; found 3; allowed: 0 to 2"),
        (permutation(0, 1, 2**32 - 1), permutation(0, 1, 2), "out of range"),
        (permutation(0, 1), permutation(0, 1, 2), "wrong number of items"),
        (permutation(0, 1, 2), permutation(0, 1, 2, 2**32 - 1, 2**32 - 1), "wrong number of items"),
        (permutation(0, 1, 2), permutation(0, 1, 2, 3), "wrong number of items"),
        (permutation(0, 1, 2, dtype=np.int32), permutation(0, 1, 2), "wrong kind"),
    ],
)
def test_numberings_that_are_none(tmp_path, ids, places, message):
    keys = Keys(strings("a", "b", "c"), Numbering(ids, places))
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.keys("keys", keys), 3)
    with pytest.raises(CorruptError, match=message) as caught:
        decoder.keys("keys", form)
    assert "keys/" in str(caught.value)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (permutation(0, 1, 2, 0), "dense ids without a key; found 0; allowed: 1"),
        (permutation(0, 1, 2**32 - 1, 2), "not where its place says"),
    ],
)
def test_a_dense_id_without_a_key_says_so(tmp_path, places, message):
    keys = Keys(strings("a", "b", "c"), Numbering(permutation(0, 1, 2), places))
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.keys("keys", keys), 4)
    with pytest.raises(CorruptError, match=message):
        decoder.keys("keys", form)


def test_a_numbering_that_is_missing(tmp_path):
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.keys("keys", Keys(strings("a"))), 1)
    with pytest.raises(CorruptError, match="section is missing"):
        decoder.keys("keys", msgspec.structs.replace(form, numbered=True))


@pytest.mark.parametrize(
    ("offsets", "data", "message"),
    [
        ([0, 1, 2], b"a\xff", "not UTF-8"),
        ([0, 1, 2], "é".encode(), "not UTF-8"),  # cut through a character
        ([0, 3, 2], b"ab", "offsets fall"),
        ([0, 1, 3], b"ab", "do not end"),
        ([0, 2**62, 2], b"ab", "offsets fall"),
        ([0, 2], b"ab", "wrong number of items"),
    ],
)
def test_strings_that_do_not_fit(tmp_path, offsets, data, message):
    def write(encoder: Encoder) -> None:
        encoder._writer.add_array("s/offsets", np.array(offsets))
        encoder._writer.add_bytes("s/bytes", data)

    _, decoder = stored(tmp_path / "f", write, 0)
    with pytest.raises(CorruptError, match=message):
        decoder.strings(StringsForm("s", 2))


def test_forms_that_lie(tmp_path):
    """Every claim of a form is held against the sections."""
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.column("c", column_of(np.array([0, 1], I4), AB)), 2)
    replace = msgspec.structs.replace
    lies = [
        replace(form, data="i8"),
        replace(form, data="f8"),
        replace(form, length=2**62),
        replace(form, length=0),
        replace(form, dictionary=None),
        replace(form, dictionary=StringsForm("absent", 2)),
        replace(form, dictionary=StringsForm("c/strings", 3)),
        replace(form, items=2),
        replace(form, type=ValueType("integer")),
    ]
    for lie in lies:
        with pytest.raises(CorruptError):
            decoder.column("c", lie, lie.length)
    decoder.column("c", form, 2)
    with pytest.raises(CorruptError, match="two counts of the same strings"):
        decoder.column("c", replace(form, dictionary=StringsForm("c/strings", 3)), 2)
    with pytest.raises(CorruptError, match="wrong number of keys"):
        decoder.keys("c", KeysForm(2, StringsForm("c/strings", 1)))


def test_forms_say_what_they_are():
    column = ColumnForm(CATEGORY, "i4", 0)
    family = FamilyForm(StringsForm("a", 0), column, 0)
    decoder = msgspec.msgpack.Decoder(ColumnForm | FamilyForm)
    assert decoder.decode(msgspec.msgpack.encode(column)) == column
    assert decoder.decode(msgspec.msgpack.encode(family)) == family


# --- lazy mappings -----------------------------------------------------------------------------------------------


def test_lazy_values_are_made_once_and_only_when_asked_for():
    made: list[str] = []

    def make(name: str) -> Callable[[], str]:
        return lambda: made.append(name) or name.upper()

    lazy = Lazy({name: make(name) for name in "abc"})
    assert list(lazy) == ["a", "b", "c"]
    assert len(lazy) == 3
    assert "a" in lazy
    assert "z" not in lazy
    assert made == []
    assert (lazy["b"], lazy["b"], lazy.get("z")) == ("B", "B", None)
    assert made == ["b"]
    with pytest.raises(KeyError):
        lazy["z"]
    assert dict(lazy) == {"a": "A", "b": "B", "c": "C"}
    assert made == ["b", "a", "c"]
    assert pickle.loads(pickle.dumps(lazy)) == {"a": "A", "b": "B", "c": "C"}


def test_a_lazy_value_that_fails_is_tried_again():
    outcomes = iter([CorruptError("x"), CorruptError("x")])

    def fail() -> int:
        raise next(outcomes)

    lazy = Lazy({"a": fail})
    for _ in range(2):
        with pytest.raises(CorruptError):
            lazy["a"]


def test_lazy_values_are_made_once_by_many_threads():
    made: list[int] = []
    barrier = threading.Barrier(4)
    lazy = Lazy({"a": lambda: made.append(1) or object()})
    found: list[object] = []

    def ask() -> None:
        barrier.wait()
        found.append(lazy["a"])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert len(set(map(id, found))) == 1


def test_booleans(tmp_path):
    column = Column(ValueType("bool"), np.array([0, 1, -1], np.int32), BOOLEANS)
    form, decoder = stored(tmp_path / "f", lambda encoder: encoder.column("c", column), 0)
    same_column(decoder.column("c", form, 3), column)
