"""Customers who become one, against a build of rows that name the survivor, and against plain meanings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex
from segdex.errors import ArgumentError, LockedError

AS_OF = dt.datetime(2026, 6, 30, tzinfo=dt.UTC)
SCHEMA: dict[str, Any] = {
    "customers": {"key": "key", "attributes": {"country": "category", "tags": "tags", "age": "integer"}},
    "streams": {
        "orders": {
            "key": "key", "time": "at", "unit": "basket", "fields": {"amount": {"type": "number", "scale": 2}},
        },
        "calls": {"key": "key", "id": "id", "version": "version", "deleted": "deleted", "fields": {"n": "integer"}},
    },
    "metrics": {
        "orders_ever": {"kind": "count", "stream": "orders"},
        "spend": {"kind": "sum", "stream": "orders", "field": "amount"},
        "gap": {"kind": "mean_gap", "stream": "orders"},
        "talk": {"kind": "sum", "stream": "calls", "field": "n"},
    },
    "segments": {"buyers": {"where": "orders_ever > 1", "tracked": True}},
}  # fmt: skip
METRICS = ["orders_ever", "spend", "gap", "talk"]


class Row(NamedTuple):
    """An order and a call of one customer."""

    key: Any
    day: int
    basket: str | None
    cents: int
    id: int | None
    version: int
    deleted: bool


def tables(rows: Sequence[Row], keys: pa.DataType) -> dict[str, pa.Table]:
    key = pa.array([str(row.key) if pa.types.is_string(keys) else row.key for row in rows], keys)
    orders = pa.table({
        "key": key, "at": pa.array([AS_OF - dt.timedelta(days=row.day) for row in rows], pa.timestamp("us", "UTC")),
        "basket": pa.array([row.basket for row in rows], pa.string()),
        "amount": pa.array([row.cents / 100 for row in rows], pa.float64()),
    })  # fmt: skip
    calls = pa.table({
        "key": key, "id": pa.array([row.id for row in rows], pa.int64()),
        "version": pa.array([row.version for row in rows], pa.int64()),
        "deleted": pa.array([row.deleted for row in rows], pa.bool_()),
        "n": pa.array([row.cents for row in rows], pa.int64()),
    })  # fmt: skip
    return {"orders": orders, "calls": calls}


def people(keys: Sequence[Any], kind: pa.DataType | None = None) -> pa.Table:
    return pa.table({
        "key": pa.array(list(keys), kind or pa.int64()), "country": pa.array([None] * len(keys), pa.string()),
        "tags": pa.array([None] * len(keys), pa.list_(pa.string())), "age": pa.array([None] * len(keys), pa.int64()),
    })  # fmt: skip


def told(index: segdex.Index) -> dict[str, Any]:
    """Everyone with all that is computed of them, and whom the tracked segment has."""
    rows = index.members("everyone", columns=METRICS).read_all().to_pylist()
    buyers = {str(key) for key in index.members("segment 'buyers'").read_all()["key"].to_pylist()}
    return {str(row["key"]): ([row[name] for name in METRICS], str(row["key"]) in buyers) for row in rows}


KEYS = st.integers(7, 12)
ROWS = st.lists(
    st.builds(
        Row, KEYS, st.integers(0, 3), st.sampled_from([None, "a", "b"]), st.integers(1, 9),
        st.sampled_from([None, 0, 1, 2, 3]),
        st.integers(0, 2), st.booleans(),
    ),
    max_size=5,
)  # fmt: skip
MERGES = st.tuples(KEYS, st.lists(KEYS, min_size=1, max_size=2))
STEPS = st.lists(st.one_of(ROWS, MERGES, MERGES, KEYS, st.sampled_from(["compact", "save", "open"])), max_size=9)


class Model:
    """What is known of rows and keys, in plain Python."""

    def __init__(self, kind: pa.DataType) -> None:
        self.kind = kind
        self.rows: list[Row] = []
        self.came: list[Row] = []  # those of the erased too
        self.calls: list[Row] = []  # without an id, and the greatest of each id so far
        self.people: set[int] = set()
        self.alias: dict[int, int] = {}
        self.erased: set[int] = set()

    def meant(self, key: int) -> int:
        return self.alias.get(key, key)

    def apply(self, rows: Sequence[Row]) -> None:
        self.came += rows
        rows = [row for row in rows if row.key not in self.erased]
        self.rows += rows
        for row in (row._replace(key=self.meant(row.key)) for row in rows):
            held = next((each for each in self.calls if row.id is not None and each.id == row.id), None)
            if held is None or self.greatness(row) > self.greatness(held):
                self.calls = [*(each for each in self.calls if each is not held), row]
        self.people |= {self.meant(row.key) for row in rows}

    def greatness(self, row: Row) -> tuple[Any, ...]:
        return row.version, row.cents, row.deleted, str(row.key) if pa.types.is_string(self.kind) else row.key

    def merge(self, keep: int, drop: Sequence[int]) -> bool:
        keep = self.meant(keep)
        if keep not in self.people or set(drop) & self.erased:
            return False
        gone = {self.meant(key) for key in drop} - {keep}
        self.alias = {key: keep if means in gone else means for key, means in self.alias.items()}
        self.alias |= dict.fromkeys(gone, keep)
        self.people -= gone
        self.calls = [row._replace(key=self.meant(row.key)) for row in self.calls]
        return True

    def erase(self, key: int) -> None:
        group = {key, self.meant(key)} | {each for each, means in self.alias.items() if means == self.meant(key)}
        self.erased |= group if self.meant(key) in self.people else {key}
        if self.meant(key) in self.people:
            self.people -= group
            self.rows = [row for row in self.rows if row.key not in group]
            self.calls = [row for row in self.calls if row.key not in group]
            self.alias = {each: means for each, means in self.alias.items() if each not in group}

    def built(self) -> segdex.Index:
        """An index of the rows as the survivors': of each id only the row that won, for what it won against is gone."""
        return self._build([row._replace(key=self.meant(row.key)) for row in self.rows])

    def built_after(self, index: segdex.Index | Path) -> segdex.Index:
        """An index that takes the place of *index*, of all rows as they came."""
        return self._build(self.came, carry=index)

    def _build(self, rows: Sequence[Row], **more: Any) -> segdex.Index:
        orders, calls = tables(rows, self.kind)["orders"], tables(self.calls, self.kind)["calls"]
        keys = [str(key) if pa.types.is_string(self.kind) else key for key in sorted(self.people)]
        sources = {"orders": orders, "calls": calls, "customers": people(keys, self.kind)}
        return segdex.build(SCHEMA, as_of=AS_OF, sources=sources, **more)


def moved(before: set[str], changes: segdex.Changes) -> set[str]:
    """The tracked segment after *changes*."""
    entered, left = (
        {str(key) for key in side["buyers"].to_pylist()} if "buyers" in side else set()
        for side in (changes.entered, changes.left)
    )
    assert not entered & before
    assert left <= before
    return before - left | entered


@settings(max_examples=60, deadline=None)
@given(ROWS, STEPS, st.sampled_from([pa.int64(), pa.string()]))
def test_against_a_build(
    tmp_path_factory: pytest.TempPathFactory, first: list[Row], steps: list[Any], kind: pa.DataType
) -> None:
    folder = tmp_path_factory.mktemp("merge") / "index"
    model = Model(kind)
    model.apply(first)
    index = segdex.build(SCHEMA, as_of=AS_OF, sources={**tables(first, kind), "customers": people([])}, out=folder)
    buyers = {key for key, (_, buys) in told(index).items() if buys}
    for step in steps:
        match step:
            case "compact":
                index.compact()
            case "save":
                index.save(folder)
            case "open":
                index.close()
                index = segdex.open(folder, read_only=False)
            case int():
                model.erase(step)
                index.erase([step])
                buyers &= {str(key) for key in model.people}
            case (keep, drop):
                before = index.generation
                if not model.merge(keep, drop):
                    with pytest.raises(ArgumentError):
                        index.merge(keep, drop)
                    assert index.generation == before
                    continue
                changes = index.merge(keep, drop)
                assert index.generation in (before, before + 1)
                buyers = moved(buyers, changes)
                assert index.contains("everyone", [keep, *drop]) == [True] * (1 + len(drop))
            case rows:
                model.apply(rows)
                buyers = moved(buyers, index.apply(tables(rows, kind)))
        assert buyers == {key for key, (_, buys) in told(index).items() if buys}
    assert set(told(index)) == {str(key) for key in model.people}
    built = model.built()
    assert told(index) == told(built)
    after = model.built_after(index if len(steps) % 2 else folder)
    assert told(after) == told(built)
    for key, means in model.alias.items():
        assert after.ids([key]) == after.ids([means])
        assert len(after.ids([key])) == 1
    rejoined = [Row(key, 0, None, 7, None, 0, False) for key in sorted(model.erased)]
    assert after.apply(tables(rejoined, kind)).dropped == 2 * len(rejoined)
    with segdex.open(folder) as reader:
        assert told(reader) == told(built)
        for key, means in model.alias.items():
            assert reader.ids([key]) == index.ids([key]) == index.ids([means])
            assert reader.contains("orders_ever > 0", key) == built.contains("orders_ever > 0", means)
    index.close()


# --- one by one -----------------------------------------------------------------------------------------------------


def index_of(folder: Path | None = None) -> segdex.Index:
    """Ann, Bob and Cid: Bob is known best."""
    customers = pa.table({
        "key": ["ann", "bob", "cid"], "country": ["IN", "US", None], "tags": [None, ["x"], ["y"]],
        "age": pa.array([None, 40, 50], pa.int64()),
    })  # fmt: skip
    rows = [Row("ann", 1, "u", 100, 1, 1, False), Row("bob", 3, "u", 200, 2, 1, False)]
    sources = {**tables(rows, pa.string()), "customers": customers}
    index = segdex.build(SCHEMA, as_of=AS_OF, sources=sources, out=folder)
    index.load("vips", ["bob"])
    index.load("group", pa.table({"key": ["bob", "cid"], "label": ["g", "h"], "score": [0.5, 0.25]}))
    return index


def row_of(index: segdex.Index, key: str = "ann") -> dict[str, Any]:
    columns = ["country", "tags", "age", "group", "group_score", "spend", "orders_ever"]
    rows = index.members("everyone", columns=columns).read_all().to_pylist()
    return next({name: row[name] for name in columns} for row in rows if row["key"] == key)


def test_the_survivor_has_what_any_of_them_had() -> None:
    index = index_of()
    changes = index.merge("ann", ["cid", "bob"])
    assert (changes.found, changes.generation, index.generation) == (2, 4, 4)
    assert index.keys(index.bitmap("everyone")).to_pylist() == ["ann"]
    assert row_of(index) == {
        "country": "IN", "tags": ["y"], "age": 50, "group": "h", "group_score": 0.25, "spend": 3.0, "orders_ever": 1,
    }  # fmt: skip
    assert index.contains("segment 'vips'", ["ann", "bob", "cid"]) == [True] * 3
    assert index.segments_of("cid") == index.segments_of("ann")
    assert index.customer("bob") is not None
    assert index.why("spend > 2", "bob").holds
    assert len(index.ids(["ann", "bob", "cid"])) == 1


def test_later_rows_of_a_dropped_key_are_the_survivors() -> None:
    index = index_of()
    index.merge("ann", "bob")
    customers = pa.table({"key": ["bob", "dan"], "country": ["AE", "FR"]})
    changes = index.apply({"customers": customers, **tables([Row("bob", 2, "w", 5, 2, 2, True)], pa.string())})
    assert row_of(index) == {
        "country": "AE", "tags": ["x"], "age": 40, "group": "g", "group_score": 0.5, "spend": Decimal("3.05"),
        "orders_ever": 2,
    }  # fmt: skip
    assert (index.count("talk = 100"), index.count("everyone")) == (1, 3)
    assert changes.entered["buyers"].to_pylist() == ["ann"]
    index.load("vips", ["bob", "cid"])
    assert index.keys(index.bitmap("segment 'vips'")).to_pylist() == ["ann", "cid"]


def test_merges_that_follow_one_another_go_round_in_circles_or_say_nothing_new() -> None:
    index = index_of()
    index.merge("bob", "cid")
    index.merge("ann", "bob")
    generation = index.generation
    for keep, drop in (("ann", "cid"), ("cid", "ann"), ("bob", "bob"), ("ann", ["ann", "bob"])):
        changes = index.merge(keep, drop)
        assert (changes.found, changes.generation, index.generation) == (0, generation, generation)
    assert index.keys(index.bitmap("everyone")).to_pylist() == ["ann"]
    index.compact()
    assert index.contains("age = 40 and spend = 3", ["ann", "bob", "cid"]) == [True] * 3


def test_a_key_that_is_not_known_yet_may_be_dropped() -> None:
    index = index_of()
    changes = index.merge("ann", ["visitor", "nobody"])
    assert (changes.found, index.count("everyone"), index.generation) == (0, 3, 4)
    index.load("vips", ["visitor"])
    assert index.contains("segment 'vips'", "ann")
    index.apply(tables([Row("visitor", 0, None, 100, None, 0, False)], pa.string()))
    assert (index.count("everyone"), index.contains("orders_ever = 2", "ann")) == (3, True)


def test_merging_is_told_to_whoever_follows(tmp_path: Path) -> None:
    index = index_of(tmp_path / "index")
    index.apply(tables([Row("bob", 0, "v", 1, None, 0, False)], pa.string()))
    before = index.generation
    changes = index.merge("ann", "bob")
    assert (changes.entered["buyers"].to_pylist(), changes.left["buyers"].to_pylist()) == (["ann"], ["bob"])
    with segdex.open(tmp_path / "index") as reader:
        (found,) = reader.changes(before)
        assert (found.entered, found.left) == (changes.entered, changes.left)
        assert reader.contains("everyone", "bob")
        with pytest.raises(LockedError):
            reader.merge("ann", "cid")
    index.compact()
    assert [each.left for each in index.changes(before)] == [changes.left]


@pytest.mark.parametrize("key", ["ann", "bob"])
def test_whoever_is_erased_loses_all_their_keys(tmp_path: Path, key: str) -> None:
    folder = tmp_path / "index"
    index = index_of(folder)
    index.merge("ann", ["bob", "ghost"])
    index.save(folder)
    assert index.erase(key).found == 1
    index.close()
    for file in folder.rglob("*"):
        if file.is_file():
            assert not [each for each in (b"ann", b"bob", b"ghost") if each in file.read_bytes()], file
    index = segdex.open(folder, read_only=False)
    rows = [Row(each, 0, None, 1, None, 0, False) for each in ("ann", "bob", "ghost", "cid")]
    assert index.apply(tables(rows, pa.string())).dropped == 6
    assert index.keys(index.bitmap("everyone")).to_pylist() == ["cid"]
    with pytest.raises(ArgumentError, match="erased"):
        index.merge("cid", "ghost")
    index.readmit(["bob"])
    index.apply(tables(rows, pa.string()))
    assert sorted(index.keys(index.bitmap("everyone")).to_pylist()) == ["bob", "cid"]
    index.close()


@pytest.mark.parametrize(
    ("keep", "drop", "match"),
    [
        ("zoe", "ann", "nobody has the key"), (["ann"], "bob", "keep"), (None, "bob", "keep"), ("ann", None, "keys"),
        ("ann", [None], "null"), ("ann", [1.5], "keys"),
    ],
)  # fmt: skip
def test_what_cannot_be_merged(keep: Any, drop: Any, match: str) -> None:
    index = index_of()
    with pytest.raises(ArgumentError, match=match):
        index.merge(keep, drop)
    assert (index.count("everyone"), index.generation) == (3, 3)
