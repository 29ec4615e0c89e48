"""Streams with ids in batches: what an index says is what a build of all rows says, however they came."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex
from segdex.errors import SourceError
from tests.oracle import ids as oracle
from tests.oracle.ids import Row

AS_OF = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SCHEMA: dict[str, Any] = {
    "customers": {"key": "key"},
    "streams": {
        "s": {
            "key": "key", "time": "at", "id": "id", "version": "version", "deleted": "deleted",
            "where": "n is missing or n < 2", "fields": {"n": "integer", "c": "category"},
        }
    },
    "metrics": {
        "events": {"kind": "rows", "stream": "s"},
        "total": {"kind": "sum", "stream": "s", "field": "n"},
        "best": {"kind": "last_value", "stream": "s", "field": "c"},
    },
    "segments": {"some": {"where": "events > 0", "tracked": True}},
}  # fmt: skip
SCHEMAS = {"rows": SCHEMA, "units": {**SCHEMA, "streams": {"s": {**SCHEMA["streams"]["s"], "unit": "c"}}}}


def counts(row: Row) -> bool:
    return row.fields[0] is None or row.fields[0] < 2


def table(held: Sequence[Row], text: bool = False) -> pa.Table:
    ids = [None if row.id is None else str(row.id) if text else row.id for row in held]
    return pa.table({
        "key": pa.array([row.key for row in held], pa.int64()),
        "at": pa.array([row.at for row in held], pa.timestamp("s", "UTC")),
        "id": pa.array(ids, pa.string() if text else pa.int64()),
        "version": pa.array([row.version for row in held], pa.int64()),
        "deleted": pa.array([row.deleted for row in held], pa.bool_()),
        "n": pa.array([row.fields[0] for row in held], pa.int64()),
        "c": pa.array([row.fields[1] for row in held], pa.string()),
    })  # fmt: skip


def told(index: segdex.Index) -> list[dict[str, Any]]:
    """Everyone with all that is computed of them, and whom the tracked segment has."""
    columns = ["events", "total", "best"]
    rows = index.members("everyone", columns=columns).read_all().to_pylist()
    some = set(index.members("segment 'some'").read_all()["key"].to_pylist())
    return sorted(({**row, "some": row["key"] in some} for row in rows), key=lambda row: row["key"])


def expected(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The same in plain Python."""
    found = []
    events = oracle.events(rows, counts)
    for key in sorted({row.key for row in rows if counts(row)}):
        theirs = [row for row in events if row.key == key]
        known = [(row.at, row.fields[1]) for row in theirs if row.fields[1] is not None]
        found.append({
            "key": key, "events": len(theirs), "total": sum(row.fields[0] or 0 for row in theirs),
            "best": max(known)[1] if known else None, "some": bool(theirs),
        })  # fmt: skip
    return found


def members_by(changes: Sequence[segdex.Changes], begun: set[int]) -> set[int]:
    """The tracked segment by the feed."""
    held = set(begun)
    for each in changes:
        entered, left = (
            set(side["some"].to_pylist()) if "some" in side else set() for side in (each.entered, each.left)
        )
        assert not entered & held
        assert left <= held
        held = held - left | entered
    return held


ROWS = st.lists(
    st.builds(
        Row, st.integers(0, 5), st.integers(0, 2), st.none() | st.integers(0, 4), st.none() | st.integers(-1, 2),
        st.none() | st.booleans(), st.tuples(st.none() | st.integers(0, 2), st.none() | st.sampled_from("ab")),
    ),
    max_size=6,
)  # fmt: skip
STEPS = st.lists(
    st.one_of(ROWS, ROWS, ROWS, st.sampled_from(["compact", "save", "open", "advance"])), min_size=1, max_size=7
)


@pytest.mark.parametrize("schema", SCHEMAS)
@settings(max_examples=40, deadline=None)
@given(ROWS, STEPS, st.lists(st.booleans(), min_size=7, max_size=7))
def test_however_rows_come(
    tmp_path_factory: pytest.TempPathFactory, schema: str, first: list[Row], steps: list[Any], texts: list[bool]
) -> None:
    folder = tmp_path_factory.mktemp("ids") / "index"
    whole, clock = list(first), AS_OF
    index = segdex.build(SCHEMAS[schema], as_of=clock, sources={"s": table(first)}, out=folder)
    moved, begun = [], {row["key"] for row in expected(first) if row["some"]}
    for step, text in zip(steps, texts, strict=False):
        match step:
            case "compact":
                index.compact()
            case "save":
                index.save(folder)
            case "open":
                index.close()
                index = segdex.open(folder, read_only=False)
            case "advance":
                clock += dt.timedelta(days=1)
                moved.append(index.advance(clock))
            case rows:
                moved.append(index.apply({"s": table(rows, text)}))
                whole += rows
        assert told(index) == expected(whole)
    assert members_by(moved, begun) == {row["key"] for row in expected(whole) if row["some"]}
    built = segdex.build(SCHEMAS[schema], as_of=clock, sources={"s": table(whole, any(texts))})
    assert told(index) == told(built)
    reader = segdex.open(folder)
    assert told(reader) == told(built)
    index.close()


def row(key: int, id_: int | None = 7, version: int | None = None, deleted: bool | None = None, n: int = 1) -> Row:
    return Row(key, 0, id_, version, deleted, (n, "a"))


def totals(index: segdex.Index) -> dict[int, int]:
    return {each["key"]: each["total"] for each in told(index)}


def built(*rows: Row, folder: Path | None = None) -> segdex.Index:
    return segdex.build(SCHEMA, as_of=AS_OF, sources={"s": table(rows)}, out=folder)


def test_an_event_goes_to_another_customer_and_its_former_one_is_told_to_have_left() -> None:
    index = built(row(1, version=1), row(2, 8))
    changes = index.apply({"s": table([row(2, version=2), row(3, version=0)])})
    assert totals(index) == {1: 0, 2: 2, 3: 0}
    assert (changes.entered, changes.left["some"].to_pylist()) == ({}, [1])
    index.apply({"s": table([row(1, version=3)])})
    assert totals(index) == {1: 1, 2: 1, 3: 0}


def test_a_row_that_was_left_out_holds_its_own_even_where_nobody_knows_its_customer() -> None:
    index = built(row(9, version=2, n=5))
    assert totals(index) == {}
    index.apply({"s": table([row(1, version=1)])})
    assert totals(index) == {1: 0}
    index.apply({"s": table([row(8, version=3, n=5)])})  # nor is it known now
    assert totals(index) == {1: 0}
    index.apply({"s": table([row(8, 6), row(9, 6)])})
    assert totals(index) == {1: 0, 8: 0, 9: 1}
    assert totals(index) == totals(
        built(row(9, version=2, n=5), row(1, version=1), row(8, version=3, n=5), row(8, 6), row(9, 6))
    )


def test_rows_of_erased_customers_hold_nothing(tmp_path: Path) -> None:
    index = built(row(1, version=5), row(2, 8, version=9, deleted=True), row(3, 9), folder=tmp_path / "index")
    index.erase([1, 2])
    index.apply({"s": table([row(3, 7, version=1), row(3, 8, version=1), row(1, 9, version=3), row(2, 5)])})
    assert totals(index) == {3: 3}
    index.readmit([1])
    index.apply({"s": table([row(1, 9, version=2)])})
    assert totals(index) == {1: 1, 3: 2}
    index.close()
    with segdex.open(tmp_path / "index") as reader:
        assert totals(reader) == {1: 1, 3: 2}


def test_rows_of_erased_customers_hold_nothing_in_memory() -> None:
    index = built(row(1, version=5), row(3, 9))
    index.apply({"s": table([row(2, 8, version=9, deleted=True), row(4, 9, version=1)])})
    index.erase([1, 2, 4])
    index.apply({"s": table([row(3, 7, version=1), row(3, 8, version=1), row(3, 9, version=0)])})
    assert totals(index) == {3: 3}
    index.merge(3, 6)
    index.apply({"s": table([row(6, 5), row(5, 7, version=2)])})
    assert totals(index) == {3: 3, 5: 1}
    index.apply({"s": table([row(6, 7, version=3)])})
    assert totals(index) == {3: 4, 5: 0}


def test_ties_end_with_the_greatest_key_and_not_with_the_last_row() -> None:
    for keys in ((1, 20, 3), (20, 3, 1), (3, 1, 20)):
        index = built(row(keys[0]))
        for key in keys[1:]:
            index.apply({"s": table([row(key)])})
        assert totals(index) == {1: 0, 3: 0, 20: 1}


@pytest.mark.parametrize("first", [True, False])
def test_versions_are_of_one_kind_in_the_whole_index(first: bool) -> None:
    numbers = table([row(1, version=1)])
    times = table([row(2, 8)]).set_column(3, "version", pa.array([AS_OF], pa.timestamp("us", "UTC")))
    nothing = table([row(3, 9)])
    index = segdex.build(SCHEMA, as_of=AS_OF, sources={"s": nothing})
    index.apply({"s": numbers if first else times})
    with pytest.raises(
        SourceError, match=r"versions are (times|numbers) in the batch and (times|numbers) in the index"
    ):
        index.apply({"s": times if first else numbers})
    index.apply({"s": nothing})
    assert totals(index) == ({1: 1, 3: 1} if first else {2: 1, 3: 1})
    index.compact()
    index.apply({"s": table([row(3, 7, version=0)]) if first else times})
    assert totals(index) == ({1: 1, 3: 1} if first else {2: 1, 3: 1})
