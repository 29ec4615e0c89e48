"""Conversion of every physical type, in slices, chunks and dictionaries, against one value at a time."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.errors import SourceError
from segdex.ingest.columns import gatherer, pick
from segdex.schema.types import ValueType
from segdex.values.column import MISSING
from tests.ingest.arrays import disguised, items, pieces
from tests.oracle import ingest as oracle

ZONE = ZoneInfo("America/New_York")
BIG = 2**63 - 1

INTEGER, CENTS, FINE, REAL = (
    ValueType("integer"),
    ValueType("number", scale=2),
    ValueType("number", scale=6),
    ValueType("number"),
)
BOOL, DATE, TIME, ID = ValueType("bool"), ValueType("date"), ValueType("time"), ValueType("id")
TEXT, FOLDED, TAGS = ValueType("text"), ValueType("category", fold=True), ValueType("tags")

wholes = st.sampled_from(
    [0, 1, -1, 7, 100, -128, 127, 2**31 - 1, -(2**31), BIG, -BIG, 2**53 + 1, BIG // 100, BIG // 100 + 1]
)
small = st.integers(-128, 127)
floats = st.sampled_from([
    0.0, -0.0, 1.0, 19.99, -19.99, 0.1 + 0.2, 1.0000005, 1.00001, 0.005, 2.5, 1e6, 1e15, 1e17, 1e300, -1e300, 2.0**53,
    2.0**63, -(2.0**63), math.inf, -math.inf, math.nan, 123456789.01, 90071992547409.93,
])  # fmt: skip
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4)
moments = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))
changing = st.sampled_from([  # clocks go forward, then back; the doubled hour
    dt.datetime(2026, 3, 8, 1, 59, 59, 999999), dt.datetime(2026, 3, 8, 2), dt.datetime(2026, 3, 8, 2, 30),
    dt.datetime(2026, 3, 8, 3), dt.datetime(2026, 11, 1, 0, 59, 59), dt.datetime(2026, 11, 1, 1),
    dt.datetime(2026, 11, 1, 1, 59, 59, 999999), dt.datetime(2026, 11, 1, 2),
    dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
])  # fmt: skip
naive = st.one_of(changing, moments)
aware = naive.map(lambda each: each.replace(tzinfo=dt.UTC))
words = st.sampled_from(["", " ", "a", "A", "Ünï", "ÜNÏ", "07", "7", "x" * 40, "true", "\u20ac", "\U0001f600"])

NUMBER_TEXTS = st.sampled_from([
    "", " ", "0", "-0", "+7", "7", " 7 ", "007", "7.0", "7.10", "7.125", ".5", "5.", "-.5", "1e3", "1E-2", "1.5e1",
    "12e-1", "9223372036854775807", "-9223372036854775807", "9223372036854775808", "92233720368547758.07",
    "92233720368547758.08", "x", "7,5", "1_000", "--7", ".", "-", "0x10", "1e400", "1e-400",
    "19.990000000000002", "-0.30000000000000004", "7.120001", "7.1200011",
])  # fmt: skip
TIME_TEXTS = st.sampled_from([
    "2026-03-08", "2026-03-08T02:30:00", "2026-03-08 02:30", "2026-11-01 01:30:00.123456", "2026-01-31T12:00:00Z",
    "2026-01-31T12:00:00.5+05:30", "2026-01-31 12:00:00-0800", "2026-01-31T12:00:00+00", "2024-02-29",
    "1969-12-31T23:59:59.999999Z",
])  # fmt: skip
BOOL_TEXTS = st.sampled_from(["true", "FALSE", " T", "f", "Yes", "no", "Y", "n", "0", "1", "", "2", "on", "maybe"])

CASES: dict[str, tuple[ValueType, pa.DataType, st.SearchStrategy[Any]]] = {
    "integer from int64": (INTEGER, pa.int64(), wholes),
    "integer from int8": (INTEGER, pa.int8(), small),
    "integer from uint64": (INTEGER, pa.uint64(), st.sampled_from([0, 1, BIG, BIG + 1, 2**64 - 1])),
    "integer from floats": (INTEGER, pa.float64(), floats),
    "integer from decimals": (INTEGER, pa.decimal128(38, 4), decimals),
    "integer from text": (INTEGER, pa.string(), NUMBER_TEXTS),
    "cents from int64": (CENTS, pa.int64(), wholes),
    "cents from int8": (CENTS, pa.int8(), small),
    "cents from floats": (CENTS, pa.float64(), floats),
    "cents from decimals": (CENTS, pa.decimal128(18, 4), decimals),
    "cents from wide decimals": (CENTS, pa.decimal256(60, 20), decimals),
    "cents from the widest decimals": (CENTS, pa.decimal256(76, 20), decimals),
    "cents from text": (CENTS, pa.large_string(), NUMBER_TEXTS),
    "fine from floats": (FINE, pa.float64(), floats),
    "fine from decimals": (FINE, pa.decimal128(38, 4), decimals),
    "number from int64": (REAL, pa.int64(), wholes),
    "number from floats": (REAL, pa.float64(), floats),
    "number from decimals": (REAL, pa.decimal128(38, 4), decimals),
    "number from text": (REAL, pa.string_view(), st.sampled_from(["", "7", "7.5", " 1e3", "+2", "x", "1_0", "0.1"])),
    "bool": (BOOL, pa.bool_(), st.booleans()),
    "bool from integers": (BOOL, pa.int16(), st.sampled_from([0, 1, 2, -1])),
    "bool from floats": (BOOL, pa.float32(), st.sampled_from([0.0, 1.0, 0.5, math.nan])),
    "bool from text": (BOOL, pa.string(), BOOL_TEXTS),
    "date": (DATE, pa.date32(), st.dates()),
    "date from date64": (DATE, pa.date64(), st.dates()),
    "date from naive times": (DATE, pa.timestamp("us"), naive),
    "date from times": (DATE, pa.timestamp("us", "UTC"), aware),
    "date from text": (DATE, pa.string(), TIME_TEXTS),
    "time from naive times": (TIME, pa.timestamp("us"), naive),
    "time from times": (TIME, pa.timestamp("us", "Asia/Kolkata"), aware),
    "time from seconds": (TIME, pa.timestamp("s"), naive.map(lambda each: each.replace(microsecond=0))),
    "time from nanoseconds": (TIME, pa.timestamp("ns", "UTC"), aware),
    "time from dates": (TIME, pa.date32(), st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))),
    "time from text": (TIME, pa.string(), TIME_TEXTS),
    "text": (TEXT, pa.string(), words),
    "text from string views": (TEXT, pa.string_view(), words),
    "text from integers": (TEXT, pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "text from floats": (TEXT, pa.float64(), floats),
    "text from decimals": (TEXT, pa.decimal128(38, 4), decimals),
    "text from booleans": (TEXT, pa.bool_(), st.booleans()),
    "folded": (FOLDED, pa.large_string(), words),
    "id of text": (ID, pa.string(), words),
    "tags": (TAGS, pa.list_(pa.string()), st.lists(st.none() | words, max_size=4)),
    "tags of integers": (TAGS, pa.large_list(pa.int8()), st.lists(st.none() | small, max_size=4)),
    "tags in lists of two": (TAGS, pa.list_(pa.string(), 2), st.lists(st.none() | words, min_size=2, max_size=2)),
    "tags in views": (TAGS, pa.list_view(pa.string()), st.lists(st.none() | words, max_size=4)),
    "tags in large views": (TAGS, pa.large_list_view(pa.string()), st.lists(st.none() | words, max_size=4)),
}  # fmt: skip


def expected(kind: ValueType, raw: Any) -> Any:
    found = oracle.value(kind, ZONE, raw)
    return (found - dt.date(1970, 1, 1)).days if isinstance(found, dt.date) else found


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_columns_equal_one_value_at_a_time(case: str, data: st.DataObject) -> None:
    kind, physical, values = CASES[case]
    raws = data.draw(st.lists(st.none() | values, max_size=12))
    column, bad = gatherer(kind, ZONE), set()
    for piece in data.draw(pieces(len(raws))):
        array = data.draw(disguised(pa.array(raws[piece], physical)))
        bad |= {piece.start + row for problem in column.add(array, untyped=False) for row in problem.rows.tolist()}
    finished = column.finish()
    found = items(finished)
    assert len(found) == len(raws)
    for row, raw in enumerate(raws):
        try:
            wanted = expected(kind, raw)
        except oracle.BadError:
            assert row in bad, raw
            assert found[row] is None
        else:
            assert row not in bad, raw
            assert found[row] == wanted, raw
    order = data.draw(st.lists(st.integers(-1, len(raws) - 1), max_size=8)) if raws else []
    picked = pick(finished, np.array(order, np.int64))
    assert items(picked) == [None if row < 0 else found[row] for row in order]
    if picked.dictionary is not None and kind.kind != "bool":
        assert set(picked.data.tolist()) - {-1} == set(range(len(picked.dictionary)))


Problems = list[tuple[list[int], str]]


def convert(
    kind: ValueType, array: pa.Array, untyped: bool = False, zone: dt.tzinfo = ZONE
) -> tuple[list[Any], Problems]:
    column = gatherer(kind, zone)
    problems = [(problem.rows.tolist(), problem.reason) for problem in column.add(array, untyped)]
    return items(column.finish()), problems


@pytest.mark.parametrize("kind", [INTEGER, CENTS, REAL, BOOL, DATE, TIME, TEXT, ID, TAGS], ids=lambda kind: kind.kind)
def test_a_column_of_nulls_is_missing_everywhere(kind: ValueType) -> None:
    assert convert(kind, pa.nulls(2)) == ([None, None], [])


def test_a_column_without_rows() -> None:
    for kind in (INTEGER, REAL, BOOL, DATE, TIME, TEXT, ID, TAGS):
        assert len(gatherer(kind, ZONE).finish()) == 0


def test_float32_money_is_the_step_that_it_is_the_nearest_float_to() -> None:
    assert convert(CENTS, pa.array([19.99, 1234.56, 99999.99], pa.float32())) == ([1999, 123456, 9999999], [])


def test_nanoseconds_are_floored() -> None:
    array = pa.array([-1, 0, 999, 1000, 1999], pa.int64()).cast(pa.timestamp("ns", "UTC"))
    assert convert(TIME, array)[0] == [-1, 0, 0, 1, 1]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_times_beyond_the_calendar_are_bad(unit: str) -> None:
    per = {"s": 1, "ms": 1000, "us": 10**6}[unit]
    first, last = -62135596800 * per, 253402300800 * per - 1
    array = pa.array([first - 1, first, last, last + 1, 2**63 - 1, -(2**63)], pa.int64()).cast(
        pa.timestamp(unit, "UTC")
    )
    found, problems = convert(TIME, array)
    assert [each is not None for each in found] == [False, True, True, False, False, False]
    assert problems == [([0, 3, 4, 5], "outside the years 1 to 9999")]
    assert convert(DATE, array, zone=dt.UTC)[1] == [([0, 3, 4, 5], "outside the years 1 to 9999")]
    assert convert(DATE, array)[0] == [None, None, 2932896, None, None, None]  # in New York it is still the year 0


def test_dates_beyond_the_calendar_are_bad() -> None:
    array = pa.array([-719163, -719162, 2932896, 2932897], pa.int32()).cast(pa.date32())
    assert convert(DATE, array) == ([None, -719162, 2932896, None], [([0, 3], "outside the years 1 to 9999")])


@pytest.mark.parametrize(
    "text",
    ["2026-02-29", "2026-13-01", "2026-1-1", "0000-01-01", "2026-01-01T24:00", "2026-01-01T12:60",
     "2026-01-01T12:00:60",
     "2026-01-01T12", "2026-01-01T12:00:00.", "2026-01-01T12:00:00.1234567890", "2026-01-01T12:00:00 Z", "01/02/2026",
     "2026-01-01x12:00", "2026-01-01T12:00:00+25", "2026-01-01T12:00:00+05:99", "2026-01-01T12:00:00Zx",
     "today", "20260101"],
)  # fmt: skip
def test_text_that_is_no_time(text: str) -> None:
    found, problems = convert(TIME, pa.array(["2026-01-01", text]))
    assert (found[1], problems) == (None, [([1], "text that is no ISO 8601 time")])
    assert convert(DATE, pa.array([text]))[1] == [([0], "text that is no ISO 8601 date")]


def test_digits_beyond_microseconds_are_cut() -> None:
    assert convert(TIME, pa.array(["1970-01-01T00:00:00.123456789Z", "1969-12-31T23:59:59.999999999Z"]))[0] == [
        123456,
        -1,
    ]


def test_text_that_is_not_utf8_is_bad() -> None:
    binary = pa.array([b"fine", b"\xff", None, b"\xc3\xbc"], pa.binary())
    assert convert(TEXT, binary) == (["fine", None, None, "ü"], [([1], "text that is not UTF-8")])
    claimed = pa.Array.from_buffers(pa.string(), 4, binary.buffers())
    assert convert(TEXT, claimed.slice(1))[1] == [([0], "text that is not UTF-8")]


def test_infinity_is_a_number_but_no_amount() -> None:
    array = pa.array([math.inf, -math.inf])
    assert convert(REAL, array) == ([math.inf, -math.inf], [])
    assert convert(CENTS, array)[1] == [([0, 1], "an infinite number")]


def test_the_lowest_integer_stands_for_missing_and_is_refused() -> None:
    assert convert(INTEGER, pa.array([MISSING])) == ([None], [([0], "a number beyond 64 bits")])
    assert convert(INTEGER, pa.array([str(MISSING)])) == ([None], [([0], "a number beyond 64 bits")])


def test_ids_of_integers_stay_integers_and_follow_text_where_there_is_any() -> None:
    column = gatherer(ID, ZONE)
    column.add(pa.array([7, None, 2]), untyped=False)
    column.add(pa.array(["10", "7", None]), untyped=True)
    assert items(column.finish()) == [7, None, 2, 10, 7, None]
    column = gatherer(ID, ZONE)
    column.add(pa.array([7.0, math.nan]), untyped=False)
    column.add(pa.array(["07", "7"]), untyped=True)
    column.add(pa.nulls(1), untyped=False)
    assert items(column.finish()) == ["7", None, "07", "7", None]
    column = gatherer(ID, ZONE)
    column.add(pa.array([7]), untyped=False)
    column.add(pa.array(["7"]), untyped=False)
    assert items(column.finish()) == ["7", "7"]


def test_tags_from_json_text() -> None:
    texts = ['["b", "a", "b", null]', "[]", "", None, "vip", '["a"', '{"a": 1}', "[1]", "[" * 100_000]
    found, problems = convert(TAGS, pa.array(texts), untyped=True)
    assert found == [frozenset("ab"), frozenset(), *[None] * 7]
    assert problems == [([4, 5, 6, 7, 8], "text that is no JSON list of strings")]


def test_nothing_behind_a_null_list_is_read() -> None:
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 3]), pa.array(["a", "b", "c"]), mask=pa.array([True, False]))
    assert convert(TAGS, lists) == ([None, frozenset("c")], [])


@pytest.mark.parametrize(
    ("kind", "array", "found"),
    [
        (INTEGER, pa.array([True]), "bool"),
        (CENTS, pa.array([dt.date(2026, 1, 1)]), "date32"),
        (REAL, pa.array([True]), "bool"),
        (BOOL, pa.array([dt.date(2026, 1, 1)]), "date32"),
        (DATE, pa.array([20260101]), "int64"),
        (TIME, pa.array([1.5]), "double"),
        (TIME, pa.array([dt.time(12)]), "time64"),
        (TEXT, pa.array([dt.date(2026, 1, 1)]), "date32"),
        (TEXT, pa.array([["a"]]), "list"),
        (ID, pa.array([True]), "bool"),
        (TAGS, pa.array([1]), "int64"),
        (TAGS, pa.array([[[1]]]), "list"),
    ],
    ids=str,
)  # fmt: skip
def test_types_that_can_never_be_meant(kind: ValueType, array: pa.Array, found: str) -> None:
    with pytest.raises(SourceError, match="cannot be read as") as caught:
        gatherer(kind, ZONE).add(array, untyped=False)
    assert found in str(caught.value.found)
    assert caught.value.allowed


def test_integers_as_times_are_refused_with_a_reason() -> None:
    with pytest.raises(SourceError, match="does not say its unit"):
        gatherer(TIME, ZONE).add(pa.array([1_700_000_000]), untyped=False)


class Marked(pa.ExtensionType):
    """A type of somebody's own, as Arrow wraps it around plain storage."""

    def __init__(self) -> None:
        super().__init__(pa.string(), "segdex.test.marked")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, _storage: pa.DataType, _data: bytes) -> Marked:
        return cls()


def test_encodings_and_types_of_others_are_read_through() -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["7", None]))
    wrapped = pa.ExtensionArray.from_storage(Marked(), pa.array(["7", "7", None]))
    views = pa.DictionaryArray.from_arrays(pa.array([0, 0, None]), pa.array(["7"], pa.string_view()))
    for array in (runs, wrapped, views):
        assert convert(TEXT, array) == convert(ID, array) == (["7", "7", None], [])
        assert convert(INTEGER, array) == ([7, 7, None], [])


def test_a_bad_entry_of_a_dictionary_is_bad_in_every_row_that_has_it() -> None:
    array = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0]), pa.array([1.5, 2.0]))
    assert convert(TEXT, array) == ([None, "2", None, None], [([0, 3], "not a whole number")])


def test_narrow_decimals_are_read_as_wide_ones() -> None:
    values, expected = [Decimal("7.00"), None, Decimal("-0.50")], {TEXT: ["7", None, "-0.5"], CENTS: [700, None, -50]}
    for kind, wanted in expected.items():
        for narrow in (pa.decimal32(6, 2), pa.decimal64(12, 2)):
            column = gatherer(kind, ZONE)
            assert column.add(pa.array(values, narrow), untyped=False) == []
            assert items(column.finish()) == wanted


def test_views_of_lists_may_lie_in_any_order() -> None:
    values = pa.array(["a", "b", "c"])
    for view, integer in ((pa.ListViewArray, pa.int32()), (pa.LargeListViewArray, pa.int64())):
        offsets, sizes = pa.array([2, 0, 1, 0], integer), pa.array([1, 2, 2, 0], integer)
        array = view.from_arrays(offsets, sizes, values, mask=pa.array([False, False, True, False]))
        for part in (array, array.slice(1)):
            column = gatherer(TAGS, ZONE)
            assert column.add(part, untyped=False) == []
            assert items(column.finish()) == [{"c"}, {"a", "b"}, None, set()][-len(part) :]


def test_a_bad_element_makes_the_whole_list_bad() -> None:
    assert convert(TAGS, pa.array([[1.0, 2.5], [3.0]])) == ([None, frozenset("3")], [([0], "not a whole number")])


def test_nan_as_text_is_missing() -> None:
    assert convert(CENTS, pa.array(["NaN", "-nan", "1"])) == ([None, None, 100], [])
    assert convert(REAL, pa.array(["NaN", "inf", ""])) == ([None, math.inf, None], [])
