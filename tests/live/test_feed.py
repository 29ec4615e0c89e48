"""How far the feed of changes reaches back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

import segdex
from segdex.live import feed
from segdex.live.feed import ENTRY_BYTES, Feed
from segdex.live.records import Entry

SCHEMA = {
    "customers": {"key": "id"},
    "streams": {"orders": {"key": "id", "time": "at"}},
    "segments": {"new": {"where": "count(orders, 7d) >= 1", "tracked": True}},
}


def entry(generation: int, members: int) -> Entry:
    return Entry(generation, 0, {"a": bytes(8 * members)}, {"b": bytes(8)})


def test_the_oldest_go_and_the_last_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_BYTES", 2 * (ENTRY_BYTES + 16))
    held = Feed(3)
    for generation in (4, 5, 6):
        held = held.with_entry(entry(generation, 1))
    assert (held.since, [each.generation for each in held.entries]) == (4, [5, 6])
    assert [each.generation for each in held.after(4)] == [5, 6]
    with pytest.raises(segdex.LimitError, match="does not reach back"):
        held.after(3)
    large = held.with_entry(entry(7, 10**4))
    assert (large.since, [each.generation for each in large.entries]) == (6, [7])
    assert large.with_entries([]) == large == Feed.of(large.since, large.entries)
    at_once = Feed(3).with_entries([entry(generation, 1) for generation in (4, 5, 6)])
    assert at_once == held


def test_writer_reader_and_whoever_opens_reach_back_as_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_BYTES", 3 * (ENTRY_BYTES + 8))
    sources = {"customers": pa.table({"id": ["a"]}), "orders": pa.table({"id": ["a"], "at": ["2026-01-01T00:00:00Z"]})}
    with segdex.build(SCHEMA, as_of="2026-06-30T00:00:00Z", sources=sources, out=tmp_path / "index") as writer:
        reader = segdex.open(tmp_path / "index")
        for day in range(1, 6):
            writer.apply({"orders": pa.table({"id": [f"k{day}"], "at": [f"2026-06-2{day}T00:00:00Z"]})})
        reader.refresh()
        with segdex.open(tmp_path / "index") as opened:
            for index in (writer, reader, opened):
                assert [each.entered["new"].to_pylist() for each in index.changes(4)] == [["k4"], ["k5"]]
                assert [each.generation for each in index.changes(3)] == [4, 5, 6]
                with pytest.raises(segdex.LimitError, match="does not reach back"):
                    index.changes(2)
        writer.save(tmp_path / "index")
        reader.refresh()
        assert [each.generation for each in reader.changes(3)] == [4, 5, 6]
        reader.close()


def test_a_reader_tells_of_changes_while_it_follows(tmp_path: Path) -> None:
    sources = {"customers": pa.table({"id": ["a"]}), "orders": pa.table({"id": ["a"], "at": ["2026-01-01T00:00:00Z"]})}
    with segdex.build(SCHEMA, as_of="2026-06-30T00:00:00Z", sources=sources, out=tmp_path / "index") as writer:
        writer.apply({"orders": sources["orders"]}, source="shop", offset=7)
        with segdex.open(tmp_path / "index") as reader, ThreadPoolExecutor(1) as other, reader._changing:
            asked = other.submit(lambda: (dict(reader.offsets), [each.generation for each in reader.changes(1)]))
            assert asked.result(60) == ({"shop": 7}, [2])
