"""Small lives, one for each thing that the law has found."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import segdex

NOW = dt.datetime(2026, 6, 30, 12, tzinfo=dt.UTC)
SCHEMA: dict[str, Any] = {
    "customers": {"key": "id", "attributes": {"country": "category"}},
    "streams": {"orders": {"key": "id", "time": "at", "fields": {"amount": "integer", "shop": "category"}}},
    "metrics": {"spend": {"kind": "sum", "stream": "orders", "field": "amount", "by": "shop"}},
    "segments": {"all": {"where": "everyone", "tracked": True}},
}


def orders(*rows: tuple[Any, int, str]) -> pa.Table:
    """Rows of today."""
    keys, amounts, shops = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "id": pa.array(keys, pa.int64() if all(isinstance(key, int) for key in keys) else pa.string()),
            "at": pa.array([NOW] * len(keys), pa.timestamp("us", "UTC")),
            "amount": pa.array(amounts, pa.int64()),
            "shop": pa.array(shops, pa.string()),
        }
    )


def people(*keys: Any) -> pa.Table:
    return pa.table({"id": list(keys), "country": ["IN"] * len(keys)})


def built(*keys: Any, out: Path | None = None, **more: Any) -> segdex.Index:
    return segdex.build(SCHEMA, as_of=NOW, sources={"customers": people(*keys), "orders": orders()} | more, out=out)


def test_who_was_erased_is_taken_from_the_buckets_of_the_base() -> None:
    with built("a", "b", "c") as index:
        before = {number: index.count(f"bucket('s', 4) = {number}") for number in range(4)}
        gone = next(number for number in range(4) if index.contains(f"bucket('s', 4) = {number}", "b"))
        index.erase("b")
        for number in range(4):
            assert index.count(f"bucket('s', 4) = {number}") == before[number] - (number == gone)
            assert index.bitmap(f"bucket('s', 4) = {number}") <= index.bitmap("everyone")


@pytest.mark.parametrize(
    "batches",
    [
        [("z", "y"), ("b", "a", "y"), ("x", "c")],
        [(101, 9), (100, 8)],
        [(101, 9), ("9x", "10"), (100, 8, 11)],
    ],
)
def test_batches_of_a_journal_give_the_dense_ids_that_the_writer_gave(tmp_path: Path, batches: Any) -> None:
    with built(1, 2, out=tmp_path / "index") as index:
        for batch in batches:
            index.apply({"orders": orders(*((key, 1, "s") for key in batch))})
        index.load("first", index.ids([str(batches[0][0])]))
        with segdex.open(tmp_path / "index") as reader:
            everyone = index.bitmap("everyone")
            assert reader.bitmap("everyone") == everyone
            assert reader.keys(everyone) == index.keys(everyone)
            first = reader.keys(reader.bitmap("segment 'first'")).to_pylist()
            assert list(map(str, first)) == [str(batches[0][0])]
            told = [[each.entered[name].to_pylist() for name in each.entered] for each in index.changes(1)]
            assert [[each.entered[name].to_pylist() for name in each.entered] for each in reader.changes(1)] == told
