"""Rows of one id are one event: read together, or in any number of batches."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex
from segdex.errors import SourceError
from segdex.events.fold import folded
from segdex.events.ids import Kept, decided
from segdex.events.store import ID, VERSION, Events
from segdex.events.update import gathered
from segdex.ingest.marks import Identified
from segdex.ingest.read import Tables, read
from segdex.schema.load import load
from segdex.schema.types import ValueType
from segdex.store import generations
from segdex.values.column import MISSING, Column
from tests.ingest.arrays import items
from tests.oracle import ids as oracle
from tests.oracle.ids import Row

CUSTOMERS = 5
FIELDS = {"n": "integer", "c": "category"}
SCHEMA: dict[str, Any] = {
    "customers": {"key": "key"},
    "streams": {
        "s": {
            "key": "key", "time": "at", "id": "id", "version": "version", "deleted": "deleted",
            "where": "n is missing or n < 2", "fields": FIELDS,
        }
    },
}  # fmt: skip
WITH_UNITS = {**SCHEMA, "streams": {"s": {**SCHEMA["streams"]["s"], "unit": "c"}}}
TIMES = [dt.datetime(2026, 1, day, tzinfo=dt.UTC) for day in (1, 2)]
VERSIONS: dict[str, list[Any]] = {
    "integers": [-1, 0, 2, 2**53, 2**53 + 1], "numbers": [0.5, -1.5, 2.0, float("inf")], "times": TIMES, "none": [],
}  # fmt: skip
TYPES = {"integers": pa.int64(), "numbers": pa.float64(), "times": pa.timestamp("us", "UTC"), "none": pa.null()}


def counts(row: Row) -> bool:
    return row.fields[0] is None or row.fields[0] < 2


def rows(ids: Sequence[Any], versions: str, most: int = 16) -> st.SearchStrategy[list[Row]]:
    return st.lists(
        st.builds(
            Row, st.integers(0, CUSTOMERS - 2), st.integers(0, 2), st.none() | st.sampled_from(list(ids)),
            st.sampled_from([None, *VERSIONS[versions]]), st.none() | st.booleans(),
            st.tuples(st.none() | st.integers(0, 2), st.none() | st.sampled_from("ab")),
        ),
        max_size=most,
    )  # fmt: skip


def table(held: Sequence[Row], versions: str) -> pa.Table:
    ids = [row.id for row in held]
    text = any(isinstance(each, str) for each in ids)
    return pa.table({
        "key": pa.array([row.key for row in held], pa.int64()),
        "at": pa.array([row.at for row in held], pa.timestamp("us", "UTC")),
        "id": pa.array([_text(each) if text else each for each in ids], pa.string() if text else pa.int64()),
        "version": pa.array([row.version for row in held], TYPES[versions]),
        "deleted": pa.array([row.deleted for row in held], pa.bool_()),
        "n": pa.array([row.fields[0] for row in held], pa.int64()),
        "c": pa.array([row.fields[1] for row in held], pa.string()),
    })  # fmt: skip


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def was_read(held: Sequence[Row], versions: str, schema: dict[str, Any] = SCHEMA) -> Tables:
    return read(load(schema), {"customers": pa.table({"key": range(CUSTOMERS)}), "s": table(held, versions)})


def told(events: Events) -> list[Any]:
    """Every row as values, in one order."""
    owners = np.repeat(np.arange(events.customers), np.diff(events.offsets)).tolist()
    ids = [None if each is None else str(each) for each in items(events.marks[ID])]
    assert events.time is not None
    parts = owners, events.time.tolist(), ids, items(events.marks[VERSION]), *map(items, events.fields.values())
    return sorted(zip(*parts, strict=True), key=repr)


def expected(held: Sequence[Row]) -> list[Any]:
    def version(value: Any) -> Any:
        if isinstance(value, dt.datetime):
            return int(value.timestamp()) * 10**6
        return value

    return sorted(
        ((row.key, row.at, None if row.id is None else str(row.id), version(row.version), *row.fields) for row in held),
        key=repr,
    )


def as_versions(found: list[Any]) -> list[Any]:
    """Whole floats as the integers that they are."""
    return [
        (*row[:3], int(row[3]) if isinstance(row[3], float) and row[3].is_integer() else row[3], *row[4:])
        for row in found
    ]


IDS = st.sampled_from([(7, 10, 3), ("7", "a", "é"), (2**62, -(2**62), 0)])


@pytest.mark.parametrize("versions", VERSIONS)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_reading(versions: str, data: st.DataObject) -> None:
    held = data.draw(rows(data.draw(IDS), versions))
    found = was_read(held, versions)
    assert sorted(as_versions(told(found.events["s"])), key=repr) == sorted(
        as_versions(expected(oracle.events(held, counts))), key=repr
    )
    won = [row for row in oracle.winners(held) if row.id is not None and (row.deleted or not counts(row))]
    assert sorted(as_versions(told(found.graves["s"])), key=repr) == sorted(as_versions(expected(won)), key=repr)
    report = found.report["s"]
    assert report.rows == len(held) == report.kept + report.replaced + report.excluded
    assert report.kept == found.events["s"].rows


def kept(tables: Tables) -> Kept:
    return Kept(tables.events["s"], tables.graves["s"])


@pytest.mark.parametrize("schema", [SCHEMA, WITH_UNITS], ids=["rows", "units"])
@pytest.mark.parametrize("versions", VERSIONS)
@settings(max_examples=80, deadline=None)
@given(st.data())
def test_batches(schema: dict[str, Any], versions: str, data: st.DataObject) -> None:
    """However rows are split, and in whatever order the batches come."""
    one, other = data.draw(st.tuples(IDS, IDS))
    batches = data.draw(st.tuples(*[rows(ids, versions) for ids in (one, other, one)]))
    whole = [row for batch in batches for row in batch]
    together = kept(was_read(whole, versions, schema))
    nothing, *parts = [kept(was_read(batch, versions, schema)) for batch in ([], *batches)]
    for order in (parts, reversed(parts)):
        found = nothing
        for part in order:
            found = decided(found, part, list(FIELDS))
        for split, joined in zip((found.events, found.graves), (together.events, together.graves), strict=True):
            assert as_versions(told(split)) == as_versions(told(joined))
            assert np.array_equal(split.offsets, joined.offsets)
            if split.units is not None:
                assert np.array_equal(np.diff(split.unit_offsets), np.diff(joined.unit_offsets))


def test_a_correction_may_move_an_event() -> None:
    found = was_read([Row(0, 1, 7, 1, None, (0, "a")), Row(2, 1, 7, 2, None, (1, "b"))], "integers")
    assert told(found.events["s"]) == [(2, 1, "7", 2, 1, "b")]
    found = was_read([Row(0, 1, 7, 1, None, (0, "a")), Row(2, 1, 7, 2, None, (5, "b"))], "integers")
    assert (told(found.events["s"]), told(found.graves["s"])) == ([], [(2, 1, "7", 2, 5, "b")])


def test_a_customer_of_a_replaced_row_stays_one() -> None:
    streams = {"s": table([Row(0, 1, 7, 1, None, (0, "a")), Row(2, 1, 7, 2, True, (1, "b"))], "integers")}
    assert read(load(SCHEMA), streams).keys.values.to_pylist() == [0, 2]


def test_without_versions_and_without_removal() -> None:
    schema = {"streams": {"s": {"id": "id", "fields": FIELDS}}}
    rows_ = pa.table({"customer_id": [1, 1, 2], "id": [5, 5, 5], "n": [3, 4, None], "c": ["b", "a", "z"]})
    found = read(load(schema), {"s": rows_})
    assert items(found.events["s"].fields["n"]) == [4]
    assert list(found.events["s"].marks) == [ID]
    assert (found.report["s"].kept, found.report["s"].replaced) == (1, 2)


def test_folded_and_gathered_keep_marks() -> None:
    base = was_read([Row(at, 1, at, 3, None, (0, "a")) for at in range(4)], "integers").events["s"]
    other = was_read([Row(0, 2, 9, 0.5, None, (1, "c"))], "numbers").events["s"]
    found = folded(base, other, np.array([2, 5]), np.array([0, 0]), 6)
    assert told(found) == [
        (0, 1, "0", 3.0, 0, "a"), (1, 1, "1", 3.0, 0, "a"), (2, 2, "9", 0.5, 1, "c"), (3, 1, "3", 3.0, 0, "a"),
        (5, 2, "9", 0.5, 1, "c"),
    ]  # fmt: skip
    assert told(gathered([(base, np.array([3])), (other, np.array([0]))])) == [
        (0, 1, "3", 3.0, 0, "a"),
        (1, 2, "9", 0.5, 1, "c"),
    ]


def test_versions_of_two_kinds() -> None:
    numbers = kept(was_read([Row(0, 1, 7, 1, None, (0, "a"))], "integers"))
    times = kept(was_read([Row(0, 1, 7, TIMES[0], None, (0, "a"))], "times"))
    nothing = kept(was_read([Row(0, 1, 8, None, None, (0, "a"))], "none"))
    with pytest.raises(SourceError, match="versions are times in some rows and numbers in others"):
        decided(numbers, times, list(FIELDS))
    found = decided(nothing, times, list(FIELDS)).events.marks[VERSION]
    assert (found.type.kind, found.data.tolist()) == ("time", [MISSING, int(TIMES[0].timestamp()) * 10**6])


@pytest.mark.parametrize("values", [pa.array(["1", "2"]), pa.array([True, False])], ids=["text", "truth values"])
def test_versions_that_are_none(values: pa.Array) -> None:
    rows_ = table([Row(0, 1, 7, 1, None, (0, "a"))] * 2, "integers").set_column(3, "version", values)
    with pytest.raises(SourceError, match=r"column 'version'.*version"):
        read(load(SCHEMA), {"s": rows_})


@pytest.mark.parametrize(
    ("cells", "kind", "data"),
    [
        (["2", "10"], "integer", [2, 10]),
        (["2", "10.5"], "number", [2.0, 10.5]),
        (["2026-01-02T00:00:00Z", "2026-01-01"], "time", [1767312000000000, 1767225600000000]),
    ],
)
def test_versions_of_a_csv_file(cells: list[str], kind: str, data: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(
        "key,at,id,version,deleted,n,c\n" + "".join(f"1,2026-01-01,{at},{cell},,,\n" for at, cell in enumerate(cells))
    )
    found = read(load({**SCHEMA, "customers": {"key": "key"}}), {"s": path}).events["s"].marks[VERSION]
    assert (found.type.kind, sorted(found.data.tolist())) == (kind, sorted(data))


@pytest.mark.parametrize("ids", [[7, None, 3, 10], ["b", None, "7", "é"]])
def test_rows_are_found_by_their_ids(ids: list[Any]) -> None:
    events = was_read([Row(at % 3, 1, each, 1, None, (0, "a")) for at, each in enumerate(ids)], "integers").events["s"]
    found = Identified(events)
    wanted = Column(ValueType("id"), np.array([7, 4, MISSING, 10], np.int64))
    held = [None if each is None else str(each) for each in items(events.marks[ID])]
    assert found.rows(wanted).tolist() == [
        held.index(each) if each in held else -1 for each in ("7", "4", "none", "10")
    ]
    text = Column(ValueType("id"), np.array([0, -1, 1], np.int32), pa.array(["7", "é"], pa.large_string()))
    assert found.rows(text).tolist() == [held.index(each) if each in held else -1 for each in ("7", "none", "é")]
    owners = [ids.index(each) % 3 if each in ids else -1 for each in (7, 4, "none", 10)]
    if 7 in ids:
        assert found.customers(wanted).tolist() == owners
    nobody = Identified(was_read([], "integers").events["s"])
    assert nobody.rows(wanted).tolist() == nobody.customers(wanted).tolist() == [-1] * 4


def test_an_index_keeps_ids_and_graves(tmp_path: Path) -> None:
    random_ = random.Random(2)
    held = [
        Row(random_.randrange(4), random_.randrange(5), random_.choice("abcdefgh"), random_.randrange(3),
            random_.random() < 0.3, (random_.randrange(4), "a"))
        for _ in range(60)
    ]  # fmt: skip
    schema = {
        **WITH_UNITS,
        "metrics": {"events": {"kind": "count", "stream": "s"}, "total": {"kind": "sum", "stream": "s", "field": "n"}},
    }
    sources = {"customers": pa.table({"key": range(CUSTOMERS)}), "s": table(held, "integers")}
    with segdex.build(schema, as_of="2026-01-01T00:00:00Z", sources=sources, out=tmp_path / "index") as built:
        won = oracle.events(held, counts)
        for key in range(CUSTOMERS):
            assert built.count(f"total = {sum(row.fields[0] for row in won if row.key == key)}") > 0
        assert built.customer(0)
    generation = generations.load(tmp_path / "index")
    whole = was_read(held, "integers", WITH_UNITS)
    assert told(generation.events["s"]) == told(whole.events["s"])
    assert told(generation.graves["s"]) == told(whole.graves["s"])
    assert list(generations.verify(tmp_path / "index")) == []
