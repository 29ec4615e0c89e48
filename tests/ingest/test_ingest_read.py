"""All tables together: who the customers are, what is left out and why, whatever the order and split of rows."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from segdex.errors import ArgumentError, SchemaError, SourceError
from segdex.events.store import Events
from segdex.ingest import report
from segdex.ingest.read import Tables, read
from segdex.schema.load import load
from segdex.schema.types import ValueType
from tests.ingest.arrays import items, pieces
from tests.oracle import ingest as oracle

ZONE = ZoneInfo("America/New_York")
SCHEMA: dict[str, Any] = {
    "timezone": "America/New_York",
    "customers": {"attributes": {"country": "category", "tags": "tags", "points": "integer"}},
    "lookups": {"products": {"key": "product", "fields": {"brand": {"type": "category", "column": "maker"}}}},
    "streams": {
        "orders": {
            "time": {"column": "at", "zone": "Asia/Kolkata"},
            "unit": "basket",
            "where": "amount > 0",
            "fields": {
                "product": "id",
                "amount": {"type": "number", "scale": 2},
                "brand": {"type": "category", "lookup": "products.brand", "on": "product"},
            },
        },
        "tickets": {"key": "who", "fields": {"topic": "text"}},
    },
}
CATALOG = load(SCHEMA)
ONLY = load({**SCHEMA, "customers": {**SCHEMA["customers"], "only": True}})

keys = st.sampled_from(["1", "2", "3", "10", "a"])
customers = st.lists(
    st.tuples(
        keys,
        st.none() | st.sampled_from(["IN", "AE"]),
        st.none() | st.lists(st.sampled_from("xyz")),
        st.none() | st.integers(0, 3),
    ),
    max_size=6,
)
moments = st.sampled_from([dt.datetime(2026, 3, 8, 2, 30), dt.datetime(2026, 1, 1), dt.datetime(2030, 1, 1)])
amounts = st.sampled_from([None, -1.0, 0.0, 0.01, 19.99])
orders = st.lists(
    st.tuples(st.none() | keys, moments, st.none() | st.sampled_from("uvw"), st.none() | st.integers(1, 4), amounts),
    max_size=12,
)
tickets = st.lists(st.tuples(st.none() | keys, st.none() | st.sampled_from(["late", "lost"])), max_size=6)
PRODUCTS = pa.table({"product": ["1", "2", "3"], "maker": ["acme", None, "zeta"]})
BRANDS = {1: "acme", 3: "zeta"}


def table(rows: list[tuple[Any, ...]], columns: dict[str, pa.DataType], parts: list[slice]) -> pa.Table:
    schema = pa.schema(list(columns.items()))
    batches = []
    for part in parts:
        arrays = [pa.array([row[at] for row in rows[part]], kind) for at, kind in enumerate(schema.types)]
        batches.append(pa.record_batch(arrays, schema=schema))
    return pa.Table.from_batches(batches, schema)


def sources(data: st.DataObject, people: list[Any], bought: list[Any], asked: list[Any]) -> dict[str, pa.Table]:
    text, number = pa.string(), pa.int64()
    return {
        "customers": table(
            people,
            {"customer_id": text, "country": text, "tags": pa.list_(text), "points": number},
            data.draw(pieces(len(people))),
        ),
        "orders": table(
            bought,
            {"customer_id": text, "at": pa.timestamp("ms"), "basket": text, "product": number, "amount": pa.float64()},
            data.draw(pieces(len(bought))),
        ),
        "tickets": table(asked, {"who": text, "topic": text}, data.draw(pieces(len(asked)))),
        "products": PRODUCTS,
    }


def stored(events: Events, customer: int, columns: list[list[Any]]) -> list[list[tuple[Any, ...]]]:
    """The transactions of one customer, each a sorted list of rows."""
    times = [None] * events.rows if events.time is None else events.time.tolist()
    rows = list(zip(times, *columns, strict=True))
    if events.units is None or events.unit_offsets is None:
        return [[row] for row in rows[events.offsets[customer] : events.offsets[customer + 1]]]
    spans = range(events.unit_offsets[customer], events.unit_offsets[customer + 1])
    return [sorted(rows[events.units[span] : events.units[span + 1]], key=repr) for span in spans]


@settings(max_examples=120, deadline=None)
@given(st.data(), customers, orders, tickets, st.booleans())
def test_tables_equal_the_naive_reading(
    data: st.DataObject, people: list[Any], bought: list[Any], asked: list[Any], only: bool
) -> None:
    found = read(ONLY if only else CATALOG, sources(data, people, bought, asked))
    kolkata = ZoneInfo("Asia/Kolkata")
    rows = [
        oracle.Row(
            key, oracle.time(at, kolkata), basket, (product, amount and round(amount * 100), BRANDS.get(product))
        )
        for key, at, basket, product, amount in bought
        if amount is not None and amount > 0
    ]
    known = {row[0]: row[1:] for row in people}
    seen = set(known) | {row.key for row in rows} | {who for who, _ in asked}
    universe = set(known) if only else seen
    expected = oracle.keys([list(seen)], text=True)
    assert found.keys.values.to_pylist() == expected
    inside = [key in universe for key in expected]
    assert (found.universe is None and all(inside)) or found.universe.tolist() == inside
    nothing = (None, None, None)
    assert items(found.attributes["country"]) == [known.get(key, nothing)[0] for key in expected]
    tags = [known.get(key, nothing)[1] for key in expected]
    assert items(found.attributes["tags"]) == [None if each is None else frozenset(each) for each in tags]
    assert items(found.attributes["points"]) == [known.get(key, nothing)[2] for key in expected]
    transactions = oracle.transactions(rows)
    columns = [items(found.events["orders"].fields[name]) for name in ("product", "amount", "brand")]
    topics = [items(found.events["tickets"].fields["topic"])]
    for customer, key in enumerate(expected):
        wanted = [[(row.time, *row.fields) for row in each] for each in transactions.get(key, [])]
        got = stored(found.events["orders"], customer, columns)
        assert sorted(got, key=repr) == sorted((sorted(each, key=repr) for each in wanted), key=repr)
        told = [topic for who, topic in asked if who == key]
        assert sorted(str(row[0][1]) for row in stored(found.events["tickets"], customer, topics)) == sorted(
            map(str, told)
        )
    counts = found.report["orders"]
    assert counts.rows == len(bought)
    assert counts.unowned == sum(row[0] is None for row in bought)
    assert counts.excluded == sum(row[0] is not None and not (row[4] or 0) > 0 for row in bought)
    assert counts.kept == sum(row.key in universe for row in rows if row.key is not None)
    assert counts.kept + counts.strangers == found.events["orders"].rows
    assert counts.rows == counts.kept + counts.unowned + counts.excluded + counts.strangers
    assert found.report["customers"].replaced == len(people) - len(known)
    assert len(found.report.rejected) == 0


@settings(max_examples=40, deadline=None)
@given(st.data(), orders, tickets)
def test_the_order_and_the_split_of_rows_change_nothing(
    data: st.DataObject, bought: list[Any], asked: list[Any]
) -> None:
    first = read(CATALOG, sources(data, [("1", "IN", None, 1)], bought, asked))
    mixed = data.draw(st.permutations(bought)), data.draw(st.permutations(asked))
    second = read(CATALOG, sources(data, [("1", "IN", None, 1)], *mixed))
    assert described(first) == described(second)


def described(tables: Tables) -> Any:
    streams = {}
    for name, events in tables.events.items():
        columns = [items(column) for column in events.fields.values()]
        streams[name] = [sorted(stored(events, customer, columns), key=repr) for customer in range(len(tables.keys))]
    attributes = {name: items(column) for name, column in tables.attributes.items()}
    return tables.keys.values.to_pylist(), attributes, streams, tables.report.to_arrow().to_pylist()


# --- physical types that differ from file to file ----------------------------------------------------------------


def test_files_of_one_pattern_may_differ_in_their_types(tmp_path: Path) -> None:
    utc = dt.datetime(2026, 1, 1, 5, tzinfo=dt.UTC)
    parts = [
        {"customer_id": pa.array([1, 2], pa.int32()), "at": pa.array([utc, utc]), "n": pa.array([1.0, math.nan])},
        {
            "customer_id": pa.array([2, None], pa.uint64()),
            "at": pa.array([dt.date(2026, 1, 1)] * 2),
            "n": pa.array([3, 4]),
        },
        {
            "customer_id": pa.array([3.0, math.nan]),
            "at": pa.array([dt.datetime(2026, 1, 1)] * 2),
            "n": pa.array(["5", "6"]),
        },
    ]
    for place, columns in enumerate(parts):
        parquet.write_table(pa.table(columns), tmp_path / f"{place}.parquet")
    (tmp_path / "4.csv").write_text("n,customer_id,at\n7,10,2026-01-01\n")
    catalog = load({"timezone": "America/New_York", "streams": {"s": {"time": "at", "fields": {"n": "integer"}}}})
    found = read(catalog, {"s": tmp_path})
    assert found.keys.values.to_pylist() == [1, 2, 3, 10]
    assert set(found.events["s"].time.tolist()) == {oracle.time(utc, ZONE)}
    assert sorted(items(found.events["s"].fields["n"]), key=str) == [1, 3, 5, 7, None]
    assert (found.report["s"].rows, found.report["s"].unowned) == (7, 2)


def test_a_key_with_leading_zeros_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("customer_id\n007\n7\n")
    found = read(load({"customers": {"source": "customers.csv"}}), {"customers": tmp_path / "customers.csv"})
    assert found.keys.values.to_pylist() == ["007", "7"]


@pytest.mark.parametrize("unit", [
    pa.array([1, 1, None, 2]), pa.array([1.0, 1.0, math.nan, 2.0]),
    pa.array(["x", "x", None, "y"]).dictionary_encode(), pa.array([True, True, None, False]),
    pa.array([dt.date(2026, 1, 1), dt.date(2026, 1, 1), None, dt.date(2026, 1, 2)]),
], ids=lambda unit: str(unit.type))  # fmt: skip
def test_units_of_any_type(unit: pa.Array) -> None:
    found = read(load({"streams": {"s": {"unit": "u"}}}), {"s": pa.table({"customer_id": [1] * 4, "u": unit})})
    assert sorted(np.diff(found.events["s"].units).tolist()) == [1, 1, 2]


def test_lookups_are_reached_by_text_and_numbers_alike() -> None:
    schema = {
        "lookups": {"p": {"key": "id", "fields": {"price": {"type": "number", "scale": 2}, "new": "bool"}}},
        "streams": {"s": {"fields": {
            "by_text": "category", "by_number": "integer",
            "price": {"type": "number", "lookup": "p.price", "on": "by_text"},
            "new": {"type": "bool", "lookup": "p.new", "on": "by_number"},
        }}},
    }  # fmt: skip
    rows = pa.table({"customer_id": [1, 2, 3, 4], "by_text": ["7", "07", None, "8"], "by_number": [8, 7, 9, None]})
    products = pa.table({"id": [8, 7], "price": [1.5, 2.25], "new": [True, False]})
    found = read(load(schema), {"s": rows, "p": products}).events["s"].fields
    assert found["price"].type == ValueType("number", scale=2, role="field")
    assert items(found["price"]) == [225, None, None, 150]
    assert items(found["new"]) == [True, False, None, None]


def test_a_dictionary_has_only_what_the_rows_have() -> None:
    catalog = load({"streams": {"s": {"where": "n > 0", "fields": {"n": "integer", "c": "category"}}}})
    rows = pa.table({"customer_id": [1, 2, None], "n": [1, 0, 1], "c": ["kept", "excluded", "unowned"]})
    assert read(catalog, {"s": rows}).events["s"].fields["c"].dictionary.to_pylist() == ["kept"]


def test_customers_known_only_from_rows_that_do_not_count_are_no_customers() -> None:
    catalog = load({"streams": {"s": {"where": "n > 0", "fields": {"n": "integer"}}}})
    rows = pa.table({"customer_id": [1, 2, 3], "n": ["1", "0", "x"]})
    assert read(catalog, {"s": rows}, on_error="skip").keys.values.to_pylist() == [1]


# --- bad rows ----------------------------------------------------------------------------------------------------

BAD = {
    "customer_id": ["secret-1", None, "secret-2", "secret-3", "secret-4"],
    "at": ["2026-01-01", "broken", None, "2026-01-01", "x"],
    "amount": ["1.00", "x", "1", "1.005", "y"],
}
LOG = load({"streams": {"log": {"time": "at", "fields": {"amount": {"type": "number", "scale": 2}}}}})


def test_a_bad_row_raises_by_name_of_file_row_and_column(tmp_path: Path) -> None:
    parquet.write_table(pa.table(BAD), tmp_path / "log.parquet", row_group_size=1)
    with pytest.raises(SourceError) as caught:
        read(LOG, {"log": tmp_path / "log.parquet"})
    assert str(caught.value) == (
        f"{(tmp_path / 'log.parquet').as_posix()}, row 3, column 'at': a value is missing that every row must have"
    )
    with pytest.raises(SourceError, match=r"^table 'log', row 1, column 'amount': more than 2 decimals$") as caught:
        read(LOG, {"log": pa.table(BAD).slice(3, 1)})
    assert "secret" not in str(caught.value)


def test_bad_rows_are_skipped_listed_and_counted() -> None:
    found = read(LOG, {"log": pa.table(BAD)}, on_error="skip")
    counts = found.report["log"]
    assert (counts.rows, counts.kept, counts.unowned, counts.rejected) == (5, 1, 1, 3)
    assert found.keys.values.to_pylist() == ["secret-1"]
    assert found.report.rejected.to_pylist() == [
        {"source": "log", "file": "table 'log'", "row": row, "column": column, "reason": reason}
        for row, column, reason in [
            (3, "at", "a value is missing that every row must have"),
            (4, "amount", "more than 2 decimals"),
            (5, "at", "text that is no ISO 8601 time"),
        ]
    ]


def test_the_list_of_bad_rows_is_bounded_and_their_count_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_LISTED", 2)
    rows = pa.table({"customer_id": ["a"] * 5, "at": ["x"] * 5, "amount": ["1"] * 5})
    found = read(LOG, {"log": rows}, on_error="skip").report
    assert (found["log"].rejected, found.rejected["row"].to_pylist()) == (5, [1, 2])


def test_lines_of_a_csv_that_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("customer_id,at,amount\na,2026-01-01,1\nsecret-b\nc,2026-01-01,x\nd,1,2,3\n")
    with pytest.raises(SourceError, match=r"log\.csv, row 2: 1 fields where the header has 3") as caught:
        read(LOG, {"log": tmp_path / "log.csv"})
    assert "secret" not in str(caught.value)
    found = read(LOG, {"log": tmp_path / "log.csv"}, on_error="skip").report
    assert (found["log"].rows, found["log"].kept, found["log"].rejected) == (4, 1, 3)
    assert sorted(found.rejected["row"].to_pylist()) == [2, 3, 4]


def test_a_customer_without_a_key_is_a_bad_row() -> None:
    rows = pa.table({"customer_id": [1.0, math.nan, None, 2.5]})
    with pytest.raises(SourceError, match="row 2, column 'customer_id': a value is missing"):
        read(load({"customers": {}}), {"customers": rows})
    found = read(load({"customers": {}}), {"customers": rows}, on_error="skip")
    assert found.keys.values.to_pylist() == [1]
    assert found.report.rejected["reason"].to_pylist()[-1] == "not a whole number"


def test_two_rows_of_a_lookup_with_one_key() -> None:
    rows = pa.table(
        {"customer_id": [1], "at": [dt.datetime(2026, 1, 1)], "basket": ["u"], "product": [1], "amount": [1.0]}
    )
    people = pa.table({"customer_id": [1], "country": ["IN"], "tags": [["x"]], "points": [1]})
    given = {"customers": people, "orders": rows, "tickets": pa.table({"who": [1], "topic": ["x"]})}
    twice = pa.table({"product": ["2", "1", "3", "2"], "maker": ["a", "b", "c", "d"]})
    with pytest.raises(SourceError, match=r"table 'lookups\.products', row 4, column 'product': two rows") as caught:
        read(CATALOG, {**given, "products": twice})
    assert caught.value.found == "the key of table 'lookups.products', row 1"


def test_a_column_of_an_impossible_type_is_placed() -> None:
    rows = pa.table({"customer_id": ["a"], "at": [1], "amount": [1.0]})
    with pytest.raises(
        SourceError, match="table 'log', column 'at': this column cannot be read as a time; found a column of int64"
    ):
        read(LOG, {"log": rows})


def test_what_counts_cannot_depend_on_the_clock() -> None:
    catalog = load({"streams": {"s": {"where": "d < today", "fields": {"d": "date"}}}})
    with pytest.raises(SchemaError, match="cannot depend on the clock"):
        read(catalog, {"s": pa.table({"customer_id": [1], "d": [dt.date(2026, 1, 1)]})})


def test_on_error_is_one_of_two() -> None:
    with pytest.raises(ArgumentError, match="on_error; found 'ignore'"):
        read(load({}), {}, on_error="ignore")  # type: ignore[arg-type]


def test_progress_tells_the_rows() -> None:
    told: list[tuple[str, int, int]] = []
    rows = pa.table({"customer_id": ["a"], "at": [dt.datetime(2026, 1, 1)], "amount": [1.0]})
    read(LOG, {"log": rows}, progress=lambda *each: told.append(each))
    assert told == [("reading log", 1, 0)]


def test_nothing_declared_is_an_empty_universe() -> None:
    found = read(load({}), {})
    assert (len(found.keys), found.attributes, found.events, found.report.sources) == (0, {}, {}, ())


@pytest.mark.parametrize("odd", [pa.timestamp("us", "Nowhere/Zone"), pa.month_day_nano_interval()])
def test_a_type_that_arrow_cannot_convert_is_named(odd: pa.DataType) -> None:
    rows = pa.table({"customer_id": [1], "u": pa.nulls(1, odd)})
    rows = rows.set_column(1, "u", pa.array([0], pa.int64()).cast(odd)) if pa.types.is_timestamp(odd) else rows
    with pytest.raises(SourceError, match="table 's', column 'u': this column cannot be converted; found a column of"):
        read(load({"streams": {"s": {"unit": "u"}}}), {"s": rows})
