"""Whoever does a journal again, many batches at once, numbers customers as the writer did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex

SCHEMA: dict[str, Any] = {
    "customers": {"key": "id", "attributes": {"country": "category"}},
    "streams": {"visits": {"key": "who", "fields": {"page": "category"}}},
    "metrics": {"visits_ever": {"kind": "rows", "stream": "visits"}},
    "segments": {"indians": {"where": "country = 'IN'", "tracked": True}},
}
NUMBERS = st.lists(st.integers(0, 30), max_size=3)
TEXTS = st.lists(st.sampled_from(["7", "10", "b", "a", "é"]), max_size=3)
KEYS = (("whole", NUMBERS), ("whole", NUMBERS), ("text", TEXTS), ("csv", NUMBERS))
BATCHES = st.lists(st.one_of(*[st.tuples(st.just(kind), keys, keys) for kind, keys in KEYS]), max_size=6)


def tables(kind: str, customers: list[Any], visitors: list[Any], folder: Path) -> dict[str, Any]:
    kinds = pa.string() if kind == "text" else pa.int64()
    countries = pa.array(["IN"] * len(customers), pa.string())
    visits: Any = pa.table({"who": pa.array(visitors, kinds), "page": pa.array(["p"] * len(visitors), pa.string())})
    if kind == "csv":
        visits = folder / "visits.csv"
        visits.write_text("".join(f"{line}\n" for line in ["who,page", *(f"{each},p" for each in visitors)]))
    return {"customers": pa.table({"id": pa.array(customers, kinds), "country": countries}), "visits": visits}


@settings(max_examples=40, deadline=None)
@given(BATCHES)
def test_dense_ids_are_those_of_the_writer(tmp_path_factory: pytest.TempPathFactory, batches: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("together")
    first = pa.table({"id": pa.array([5], pa.int64()), "country": ["IN"]})
    sources = tables("whole", [], [], folder) | {"customers": first}
    with segdex.build(SCHEMA, as_of="2026-06-30T00:00:00Z", sources=sources, out=folder / "index") as writer:
        for number, batch in enumerate(batches):
            writer.apply(tables(*batch, folder), source="ab"[number % 2], offset=number)
        loaded = [*batches[0][1], *batches[-1][2]] if batches else []
        writer.load("chosen", [str(key) for key in loaded])
        with segdex.open(folder / "index") as reader:
            everyone = writer.bitmap("everyone")
            assert reader.bitmap("everyone") == everyone
            assert reader.keys(everyone).equals(writer.keys(everyone))
            assert reader.bitmap("segment 'chosen'") == writer.bitmap("segment 'chosen'")
            assert reader.bitmap("visits_ever > 1") == writer.bitmap("visits_ever > 1")
            assert [(each.entered, each.left) for each in reader.changes(1)] == [
                (each.entered, each.left) for each in writer.changes(1)
            ]
            assert (reader.generation, reader.offsets) == (writer.generation, writer.offsets)
