"""A batch against an index: whom it names, what it says of them, what is kept for a journal."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from segdex.errors import ArgumentError, SourceError
from segdex.ingest.accepted import from_bytes, to_bytes
from segdex.ingest.batch import Batch, read_batch
from segdex.ingest.grown import grown, without
from segdex.ingest.keys import Keys
from segdex.ingest.read import read
from segdex.ingest.versions import kind_of, newer
from segdex.schema.load import load
from segdex.schema.types import ValueType
from segdex.values.column import MISSING, Column
from tests.ingest.arrays import items, pieces
from tests.ingest.test_ingest_read import (
    BRANDS,
    CATALOG,
    ONLY,
    PRODUCTS,
    customers,
    orders,
    sources,
    stored,
    table,
    tickets,
)  # fmt: skip
from tests.oracle import ingest as oracle

EMPTY = {
    "customers": pa.table({"customer_id": ["1"], "country": ["IN"], "tags": [["x"]], "points": [1]}),
    "orders": pa.table({"customer_id": ["2"], "at": [dt.datetime(2026, 1, 1)], "basket": ["u"], "product": [1],
                        "amount": [1.0]}),
    "tickets": pa.table({"who": ["3"], "topic": ["late"]}),
    "products": PRODUCTS,
}  # fmt: skip
LOOKUPS = read(CATALOG, EMPTY).lookups
HELD = Keys(pa.array(["1", "3", "b"], pa.large_string()))
KOLKATA = ZoneInfo("Asia/Kolkata")


def flat(column: Column) -> Any:
    return column.type, items(column)


def described(batch: Batch) -> Any:
    events = {}
    for name, held in batch.events.items():
        parts = [held.offsets, held.time, held.units, held.unit_offsets]
        fields = {field: flat(column) for field, column in held.fields.items()}
        events[name] = [None if part is None else part.tolist() for part in parts], fields
    return (
        batch.keys.type, batch.keys.to_pylist(), batch.ids.tolist(), batch.upserted.tolist(), batch.strangers.tolist(),
        None if batch.versions is None else flat(batch.versions), events,
        {name: flat(column) for name, column in batch.attributes.items()},
    )  # fmt: skip


def again(batch: Batch, catalog: Any, keys: Any = HELD, lookups: Any = LOOKUPS, **options: Any) -> Batch:
    """The batch as it comes out of a journal: read from bytes, it is the same."""
    data = to_bytes(batch.tables)
    found = read_batch(catalog, from_bytes(data), keys, lookups, **options)
    assert described(found) == described(batch)
    assert found.dropped == 0
    assert sum(source.rejected + source.unowned + source.excluded for source in found.report.sources) == 0
    assert to_bytes(found.tables) == data
    return found


@settings(max_examples=120, deadline=None)
@given(st.data(), customers, orders, tickets, st.booleans())
def test_batches_equal_the_naive_reading(
    data: st.DataObject, people: list[Any], bought: list[Any], asked: list[Any], only: bool
) -> None:
    catalog = ONLY if only else CATALOG
    given_tables = sources(data, people, bought, asked)
    del given_tables["products"]
    names = data.draw(st.sets(st.sampled_from(["customers", "orders", "tickets"])))
    columns = data.draw(st.sets(st.sampled_from(["country", "tags", "points"])))
    given_tables["customers"] = given_tables["customers"].select(["customer_id", *sorted(columns)])
    gone = data.draw(st.sets(st.sampled_from(["1", "a", "zz"])))
    found = read_batch(
        catalog, {name: given_tables[name] for name in names}, HELD, LOOKUPS,
        erased=lambda keys: np.array([str(key) in gone for key in keys.to_pylist()], np.bool_),
        inside=lambda ids: ids != 1,
    )  # fmt: skip
    people = [row for row in people if row[0] not in gone] if "customers" in names else []
    rows = [
        oracle.Row(
            key, oracle.time(at, KOLKATA), basket, (product, amount and round(amount * 100), BRANDS.get(product))
        )
        for key, at, basket, product, amount in bought
        if amount is not None and amount > 0 and key is not None and key not in gone
    ] * ("orders" in names)  # fmt: skip
    told = [(who, topic) for who, topic in asked if who is not None and who not in gone] * ("tickets" in names)
    known = {row[0]: row[1:] for row in people}
    text = bool(people or rows or told)
    keys = oracle.keys([list(known), [row.key for row in rows], [who for who, _ in told]], text)
    assert found.keys.to_pylist() == keys
    places = {"1": 0, "3": 1, "b": 2}
    assert found.ids.tolist() == [places.get(key, -1) for key in keys]
    assert found.upserted.tolist() == [key in known for key in keys]
    assert found.strangers.tolist() == [only and key not in known and places.get(key, 1) == 1 for key in keys]
    assert set(found.attributes) == (columns if known else set())
    for at, name in enumerate(["country", "tags", "points"]):
        if name in found.attributes:
            values = [known[key][at] if key in known else None for key in keys]
            expected = [None if each is None else frozenset(each) for each in values] if name == "tags" else values
            assert items(found.attributes[name]) == expected
    assert set(found.events) == names - {"customers"}
    check_events(found, keys, rows, told)
    dropped = sum(source.dropped for source in found.report.sources)
    assert found.dropped == dropped
    for source in found.report.sources:
        parts = ("kept", "rejected", "unowned", "excluded", "strangers", "replaced", "dropped")
        assert source.rows == sum(getattr(source, part) for part in parts)
    again(found, catalog, inside=lambda ids: ids != 1)


def check_events(found: Batch, keys: list[Any], rows: list[oracle.Row], told: list[tuple[Any, Any]]) -> None:
    transactions = oracle.transactions(rows)
    for customer, key in enumerate(keys):
        if "orders" in found.events:
            held = found.events["orders"]
            columns = [items(held.fields[name]) for name in ("product", "amount", "brand")]
            wanted = [sorted(((row.time, *row.fields) for row in each), key=repr) for each in transactions.get(key, [])]
            assert sorted(stored(held, customer, columns), key=repr) == sorted(wanted, key=repr)
        if "tickets" in found.events:
            held = found.events["tickets"]
            topics = stored(held, customer, [items(held.fields["topic"])])
            assert sorted(str(row[0][1]) for row in topics) == sorted(str(topic) for who, topic in told if who == key)


# --- versions ----------------------------------------------------------------------------------------------------

VERSIONED = load({"customers": {"version": "v", "attributes": {"country": "category"}}})
moments = [dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, 0, 0, 0, 1), dt.datetime(1960, 1, 1)]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_the_greatest_version_wins_and_of_these_the_last(data: st.DataObject) -> None:
    kind, pool = data.draw(st.sampled_from([(pa.int64(), [0, -1, 2**53 + 1, 2**53]), (pa.timestamp("us"), moments)]))
    rows = data.draw(
        st.lists(
            st.tuples(st.sampled_from("abc"), st.none() | st.sampled_from("xyz"), st.none() | st.sampled_from(pool))
        )
    )
    given_table = table(
        rows, {"customer_id": pa.string(), "country": pa.string(), "v": kind}, data.draw(pieces(len(rows)))
    )
    best: dict[str, tuple[Any, Any]] = {}
    for key, country, version in rows:
        held = best.get(key)
        if held is None or held[1] is None or (version is not None and version >= held[1]):
            best[key] = (country, version)
    keys = sorted(best)
    built = read(VERSIONED, {"customers": given_table})
    batch = read_batch(VERSIONED, {"customers": given_table}, Keys(pa.array(["a"], pa.large_string())), {})
    versions = [best[key][1] for key in keys]
    if kind != pa.int64():
        versions = [None if each is None else oracle.time(each, dt.UTC) for each in versions]
    assert built.keys.values.to_pylist() == batch.keys.to_pylist() == keys
    assert items(built.attributes["country"]) == [best[key][0] for key in keys]
    assert items(built.hidden["version"]) == items(batch.versions) == versions
    assert items(batch.attributes.get("country", built.attributes["country"])) == [best[key][0] for key in keys]
    again(batch, VERSIONED, Keys(pa.array(["a"], pa.large_string())), {})


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_batches_of_versions_end_as_one_build_does(data: st.DataObject) -> None:
    """Wherever the rows are split: what a batch says goes in where its version is no less than what is kept."""
    rows = data.draw(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.none() | st.integers(0, 2))))
    kinds = {"customer_id": pa.string(), "country": pa.string(), "v": pa.int64()}
    whole = read(VERSIONED, {"customers": table(rows, kinds, [slice(None)])})
    parts = data.draw(pieces(len(rows)))
    first = read(VERSIONED, {"customers": table(rows, kinds, parts[:1])})
    held = {}
    for key, country, version in zip(
        first.keys.values.to_pylist(), items(first.attributes["country"]), first.hidden["version"].data, strict=True
    ):
        held[key] = country, version
    for part in parts[1:]:
        given_table = {"customers": table(rows, kinds, [part])}
        batch = read_batch(VERSIONED, given_table, HELD, {}, versions=kind_of(first.hidden["version"]))
        if not len(batch):
            continue
        kept = [held.get(key, (None, MISSING))[1] for key in batch.keys.to_pylist()]
        old = Column(ValueType("integer"), np.array(kept, np.int64))
        assert batch.versions is not None
        countries = items(batch.attributes["country"])
        for at in np.flatnonzero(newer(old, batch.versions)).tolist():
            held[batch.keys[at].as_py()] = countries[at], batch.versions.data[at]
    assert sorted(held) == whole.keys.values.to_pylist()
    assert [held[key][0] for key in sorted(held)] == items(whole.attributes["country"])
    assert [held[key][1] for key in sorted(held)] == whole.hidden["version"].data.tolist()


def test_what_kept_versions_are() -> None:
    none = np.full(100_000, MISSING, np.int64)
    one = none.copy()
    one[-1] = 0
    assert kind_of(Column(ValueType("integer"), none)) is None
    assert kind_of(Column(ValueType("integer"), one)) == "integer"
    assert kind_of(Column(ValueType("time"), one)) == "time"


@pytest.mark.parametrize(
    ("raws", "expected"),
    [
        (["3", "20", None], "two"),
        (["2026-01-03", "2026-01-20", None], "two"),
        ([3.0, 20.0, math.nan], "two"),
        ([dt.date(2026, 1, 3), dt.date(2026, 1, 20), None], "two"),
        ([None, None, None], "three"),
    ],
)
def test_versions_of_many_types(raws: list[Any], expected: str) -> None:
    rows = pa.table({"customer_id": [1, 1, 1], "country": ["one", "two", "three"], "v": raws})
    assert items(read(VERSIONED, {"customers": rows}).attributes["country"]) == [expected]


def test_versions_of_two_kinds_are_refused() -> None:
    rows = pa.table({"customer_id": [1], "v": [dt.datetime(2026, 1, 1)]})
    with pytest.raises(
        SourceError, match=r"column 'v': versions of two kinds cannot be compared; found times; allowed"
    ):
        read_batch(VERSIONED, {"customers": rows}, HELD, {}, versions="integer")
    rows = pa.table({"customer_id": [1, 2], "v": ["7", "soon"]})
    with pytest.raises(SourceError, match="row 2, column 'v': text that is no number"):
        read_batch(VERSIONED, {"customers": rows}, HELD, {})
    with pytest.raises(SourceError, match="no column 'v'"):
        read_batch(VERSIONED, {"customers": rows.select(["customer_id"])}, HELD, {})


# --- keys of both kinds ------------------------------------------------------------------------------------------


def test_keys_of_both_kinds_are_found() -> None:
    catalog = load({"streams": {"s": {}}})
    whole, text = Keys(pa.array([3, 7], pa.int64())), Keys(pa.array(["07", "7"], pa.large_string()))
    for wanted in ([7, 8], ["7", "8"]):
        rows = {"s": pa.table({"customer_id": wanted})}
        assert read_batch(catalog, rows, whole, {}).ids.tolist() == [1, -1]
        assert read_batch(catalog, rows, text, {}).ids.tolist() == [1, -1]
    batch = read_batch(catalog, {"s": pa.table({"customer_id": [9, 8]})}, text, {})
    keys = grown(text, batch.keys.filter(pa.array(batch.ids < 0)))
    assert keys.take([0, 1, 2, 3]).to_pylist() == ["07", "7", "8", "9"]
    assert read_batch(catalog, {"s": pa.table({"customer_id": [9]})}, without(keys, np.array([3])), {}).ids == [-1]


def test_text_of_a_csv_has_no_type_in_a_journal_either(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text('customer_id,n\n7,1\n8,""\n')
    catalog = load({"streams": {"s": {"fields": {"n": "integer"}}}})
    batch = read_batch(catalog, {"s": tmp_path / "s.csv"}, HELD, {})
    assert batch.keys.to_pylist() == [7, 8]
    assert items(batch.events["s"].fields["n"]) == [1, None]
    again(batch, catalog, lookups={})


def test_a_folder_of_files_of_different_types(tmp_path: Path) -> None:
    catalog = load({"customers": {"attributes": {"n": "integer", "home": HOME}}})
    parquet.write_table(pa.table({"customer_id": [1], "n": [1.0], "lat": [1], "lon": [2]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("n,customer_id,lat,lon\n7,10,,\n")
    third = pa.record_batch(
        {"n": pa.array([3], pa.int8()), "customer_id": pa.array([2], pa.int8()), "lat": [1.5], "lon": [2.5]}
    )
    with pa.ipc.new_file(tmp_path / "c.arrow", third.schema) as out:
        out.write_batch(third)
    batch = read_batch(catalog, {"customers": tmp_path}, HELD, {})
    assert batch.keys.to_pylist() == [1, 2, 10]
    assert items(batch.attributes["n"]) == [1, 3, 7]
    data = to_bytes(batch.tables)
    found = read_batch(catalog, from_bytes(data), HELD, {})
    assert np.array_equal(found.attributes["home"].data, batch.attributes["home"].data, equal_nan=True)
    (tmp_path / "d.csv").write_text("customer_id\n11\n")
    with pytest.raises(SourceError, match=r"d\.csv: no column 'n'"):
        read_batch(catalog, {"customers": tmp_path}, HELD, {})


HOME = {"type": "geo", "latitude": "lat", "longitude": "lon"}


# --- tables of many makers ---------------------------------------------------------------------------------------

PEOPLE = pa.table({"customer_id": ["3", "9"], "country": ["AE", None], "more": [1, 2]})


@pytest.mark.parametrize(
    "made",
    [
        lambda: PEOPLE, lambda: PEOPLE.to_batches()[0], PEOPLE.to_reader, lambda: pl.from_arrow(PEOPLE),
        PEOPLE.to_pandas, lambda: pd.DataFrame(PEOPLE.to_pylist()),
        lambda: duckdb.sql("SELECT '3' AS customer_id, 'AE' AS country UNION ALL SELECT '9', NULL"),
        lambda: PEOPLE.set_column(0, "customer_id", pa.array(["3", "9"]).dictionary_encode()),
        lambda: PEOPLE.set_column(0, "customer_id", pa.array(["3", "9"], pa.string_view())),
        lambda: pa.concat_tables([PEOPLE.slice(0, 1), PEOPLE.slice(1)]),
    ],
)  # fmt: skip
def test_anything_that_is_a_table(made: Any) -> None:
    batch = read_batch(CATALOG, {"customers": made()}, HELD, LOOKUPS)
    assert batch.ids.tolist() == [1, -1]
    assert {name: items(column) for name, column in batch.attributes.items()} == {"country": ["AE", None]}
    again(batch, CATALOG)


def test_tags_of_every_form_are_kept() -> None:
    text = pa.array([["x", None], [], None, ["y"]], pa.list_(pa.string()))
    forms = [
        text, text.cast(pa.large_list(pa.large_string())), text.cast(pa.list_(pa.string_view())),
        pa.array([["1"], ["2"], None, ["3"]], pa.list_(pa.string(), 1)), pa.array([[1], [2, 3], None, []]),
        pa.ListArray.from_arrays([0, 1, 1, 1, 2], pa.array(["x", "y"]).dictionary_encode()),
        pa.array(['["x"]', None, "[]", '["y","x"]']),
    ]  # fmt: skip
    for tags in forms:
        rows = pa.table({"customer_id": ["a", "b", "c", "d"], "tags": tags})
        again(read_batch(CATALOG, {"customers": rows.slice(1)}, HELD, LOOKUPS), CATALOG)


def test_a_dictionary_is_not_written_whole() -> None:
    words = pa.array([f"category {i}" for i in range(1_000_000)])
    rows = pa.table({"customer_id": ["a", "b"], "country": pa.DictionaryArray.from_arrays([999_999, 5], words)})
    batch = read_batch(CATALOG, {"customers": rows}, HELD, LOOKUPS)
    assert items(batch.attributes["country"]) == ["category 999999", "category 5"]
    assert batch.attributes["country"].dictionary.to_pylist() == ["category 5", "category 999999"]
    views = pa.table({"customer_id": ["a"], "country": words.cast(pa.string_view()).slice(7, 1)})
    for each in (batch, read_batch(CATALOG, {"customers": views}, HELD, LOOKUPS)):
        assert len(to_bytes(each.tables)) < 2000
        again(each, CATALOG)


@pytest.mark.compiled  # its kernels are run uncompiled by the batches above, of all shapes but this size
def test_many_categories() -> None:
    many = 1_000_000
    rows = pa.table({"customer_id": np.arange(many), "country": [f"c{i}" for i in range(many)]})
    batch = read_batch(CATALOG, {"customers": rows}, HELD, LOOKUPS)
    assert len(batch) == many
    assert len(batch.attributes["country"].dictionary) == many
    assert read_batch(CATALOG, from_bytes(to_bytes(batch.tables)), HELD, LOOKUPS).keys.equals(batch.keys)


def test_nothing_at_all() -> None:
    for given_tables in ({}, {"customers": PEOPLE.slice(0, 0)}, {"orders": EMPTY["orders"].slice(0, 0)}):
        batch = read_batch(CATALOG, given_tables, HELD, LOOKUPS)
        assert len(batch) == 0
        assert set(batch.events) == set(given_tables) - {"customers"}
        again(batch, CATALOG)


# --- what is wrong -----------------------------------------------------------------------------------------------


def test_bad_rows_are_told_or_skipped() -> None:
    rows = pa.table({"who": ["a", "b", None], "topic": pa.array([b"ok", b"\xff", b"x"])})
    with pytest.raises(SourceError, match="table 'tickets', row 2, column 'topic': text that is not UTF-8"):
        read_batch(CATALOG, {"tickets": rows}, HELD, LOOKUPS)
    batch = read_batch(CATALOG, {"tickets": rows}, HELD, LOOKUPS, on_error="skip")
    assert batch.keys.to_pylist() == ["a"]
    report = batch.report["tickets"]
    assert (report.rows, report.kept, report.rejected, report.unowned) == (3, 1, 1, 1)
    assert batch.report.rejected["row"].to_pylist() == [2]
    assert batch.tables["tickets"].rows == 1
    again(batch, CATALOG)


def test_bad_rows_of_text_keys_make_no_text_of_the_others() -> None:
    catalog = load({"customers": {"attributes": {"n": "integer"}}, "streams": {"s": {}}})
    given_tables = {"customers": pa.table({"customer_id": ["x"], "n": ["bad"]}), "s": pa.table({"customer_id": [7]})}
    batch = read_batch(catalog, given_tables, HELD, {}, on_error="skip")
    assert batch.keys.to_pylist() == [7]
    again(batch, catalog, lookups={})
    given_tables["customers"] = pa.table({"customer_id": ["x"]})
    batch = read_batch(catalog, given_tables, HELD, {}, erased=lambda keys: np.asarray(keys) == "x")
    assert (batch.keys.to_pylist(), batch.dropped, batch.report["customers"].dropped) == ([7], 1, 1)
    again(batch, catalog, lookups={})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([], "a batch; found list; allowed: tables by name"),
        ({"order": PEOPLE}, "such table; found 'order'; allowed: customers, orders, tickets; did you mean 'orders'?"),
        ({"products": PEOPLE}, "found 'products'; allowed: customers, orders, tickets; lookups are read when an index"),
        ({"lookups.products": PEOPLE}, "found 'lookups.products'"),
        ({7: PEOPLE}, "found 7"),
        ({"orders": 7}, "the source 'orders' is no table; found int"),
        ({"orders": None}, "the source 'orders' is no table"),
    ],
)  # fmt: skip
def test_what_is_no_batch(tables: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        read_batch(CATALOG, tables, HELD, LOOKUPS)
    assert message in str(caught.value)


def test_labels_are_loaded() -> None:
    catalog = load({"labels": {"panel": {"label": "x"}}, "streams": {"s": {}}})
    with pytest.raises(
        ArgumentError, match=r"found 'panel'; allowed: customers, s; labels are loaded: load\(name, table"
    ):
        read_batch(catalog, {"panel": PEOPLE}, HELD, {})


def test_other_mistakes() -> None:
    with pytest.raises(SourceError, match="table 'tickets': no column 'who'"):
        read_batch(CATALOG, {"tickets": PEOPLE}, HELD, LOOKUPS)
    with pytest.raises(SourceError, match="table 'customers': no column 'customer_id'"):
        read_batch(CATALOG, {"customers": PEOPLE.drop(["customer_id"])}, HELD, LOOKUPS)
    with pytest.raises(SourceError, match="column 'points': this column cannot be read as"):
        read_batch(CATALOG, {"customers": pa.table({"customer_id": ["a"], "points": [dt.date(2026, 1, 1)]})}, HELD, {})
    with pytest.raises(ArgumentError, match="does not hold the lookup 'products', through which rows of 'orders' come"):
        read_batch(CATALOG, {"orders": EMPTY["orders"]}, HELD, {})
    with pytest.raises(ArgumentError, match="on_error; found 'ignore'"):
        read_batch(CATALOG, {}, HELD, LOOKUPS, on_error="ignore")  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="no such file"):
        read_batch(CATALOG, {"customers": "nowhere.csv"}, HELD, LOOKUPS)
