"""Small lives, one for each thing that the law has found."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import segdex
from segdex.errors import ArgumentError, ClosedError

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


RANGING = {
    "stages": {"kind": [{"name": "curious", "where": "spend[any] = 0"}, {"name": "rest", "where": "everyone"}]},
    "segments": {
        "open": {"where": "any c (spend[c] = 0 and count(orders, by = shop)[c] < 1)", "tracked": True},
        "curious": {"where": "kind = 'curious'", "tracked": True},
    },
}


def test_a_category_that_is_new_to_the_index_is_one_more_for_everybody() -> None:
    first = orders(("a", 1, "s"), ("b", 1, "s"))
    with segdex.build(SCHEMA | RANGING, as_of=NOW, sources={"customers": people(), "orders": first}) as index:
        assert index.count("segment 'open'") == index.count("kind = 'curious'") == 0
        changes = index.apply({"orders": orders(("a", 1, "t"))})
        for name in ("open", "curious"):
            assert changes.entered[name].to_pylist() == ["b"]
            assert index.keys(index.bitmap(f"segment '{name}'")).to_pylist() == ["b"]
        assert index.count("spend[any] = 0") == index.count("count(orders, by = shop)[any] = 0") == 1
        assert index.segments_of(["a", "b"]) == [(), ("open", "curious")]
        # Who is named by a batch has the categories of all others too.
        changes = index.apply({"orders": orders(("c", 1, "s"))})
        assert changes.entered["open"].to_pylist() == ["c"]
        assert [index.contains("spend[any] = 0", key) for key in "abc"] == [False, True, True]
        assert index.why("spend[any] = 0", "c").reason.categories == ("t",)
        # And one that nobody has any more is none.
        changes = index.erase("a")
        assert sorted(changes.left["open"].to_pylist()) == ["b", "c"]
        assert index.count("spend[any] = 0 or kind = 'curious' or segment 'open'") == 0


def test_a_new_category_that_rules_alone_range_over() -> None:
    first = orders(("a", 1, "s"), ("b", 1, "s"))
    with segdex.build(SCHEMA, as_of=NOW, sources={"customers": people(), "orders": first}) as index:
        index.define("open", "spend[any] = 0")
        queries = [index.prepare(rule) for rule in ("spend[any] = 0", "any c (spend[c] = 0)", "not segment 'open'")]
        assert [query.count() for query in queries] == [0, 0, 2]
        index.apply({"orders": orders(("a", 1, "t"))})
        assert [query.count() for query in queries] == [1, 1, 1]
        assert index.counts([query.rule for query in queries]) == [1, 1, 1]
        assert [index.segments_of(key) for key in "ab"] == [("all",), ("all", "open")]
        assert index.why("spend[any] = 0", "b").holds
        assert index.estimate("spend[any] = 0").value == 1


def test_names_that_customers_are_ordered_by_are_renamed_and_dropped(tmp_path: Path) -> None:
    ordered: dict[str, Any] = SCHEMA | {"customers": SCHEMA["customers"] | {"order": ["orders_ever", "country"]}}
    ordered["metrics"] = {"orders_ever": {"kind": "count", "stream": "orders"}}
    with segdex.build(ordered, as_of=NOW, sources={"customers": people("a"), "orders": orders()}) as index:
        index.rename("orders_ever", "ever")
        index.save(tmp_path / "renamed")
        with segdex.open(tmp_path / "renamed", verify=True) as held:
            assert held.count("ever = 0") == 1
        index.alter(
            {key: held for key, held in ordered.items() if key != "metrics"} | {"customers": SCHEMA["customers"]}
        )
        index.save(tmp_path / "dropped")
        with segdex.open(tmp_path / "dropped", verify=True) as held:
            assert held.count("everyone") == 1


def test_a_stranger_who_became_a_customer_may_be_in_a_loaded_segment() -> None:
    only = SCHEMA | {"customers": SCHEMA["customers"] | {"only": True}}
    with segdex.build(only, as_of=NOW, sources={"customers": people("a"), "orders": orders(("b", 1, "s"))}) as index:
        index.apply({"customers": people("b")})
        index.define("indian", "country = 'IN'", suppression=("post",))
        index.load("vip", ["a", "b"])
        assert index.count("segment 'vip'") == 2
        assert index.count("segment 'vip'", suppression=True) == 0
        index.apply({"customers": pa.table({"id": ["b"], "country": ["AE"]})})
        assert index.count("segment 'vip'", suppression=True) == 1


# --- names that become something else ------------------------------------------------------------------------------

SHOP: dict[str, Any] = {
    "customers": {"key": "id"},
    "streams": {"orders": {"key": "id", "time": "at", "fields": {"amount": "integer"}}},
    "metrics": {
        "spend": {"kind": "sum", "stream": "orders", "field": "amount"}, "x": {"kind": "count", "stream": "orders"},
    },
}  # fmt: skip


def bought(*rows: tuple[str, int]) -> dict[str, pa.Table]:
    keys, amounts = zip(*rows, strict=True)
    return {"orders": pa.table({"id": keys, "at": ["2026-06-01T00:00:00Z"] * len(rows), "amount": amounts})}


FOUR = bought(("a", 1), ("b", 2), ("c", 3), ("d", 4))


def shop(schema: dict[str, Any] = SHOP, **more: Any) -> segdex.Index:
    return segdex.build(schema, as_of="2026-06-30T00:00:00Z", sources=more.pop("sources", FOUR), **more)


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_a_loaded_segment_that_gets_a_rule(tmp_path: Path, tracked: bool, late: bool) -> None:
    with shop(out=tmp_path) as index:
        index.load("vip", ["a"])
        if late:
            index.apply(bought(("e", 9)))
        index.define("vip", "spend > 2", replace=True, tracked=tracked)
        index.apply(bought(("f", 9)))
        assert index.count("segment 'vip'") == 3 + late
        assert index.erase("c").found == 1
        index.save(tmp_path)
        assert index.count("segment 'vip'") == 2 + late


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("part", ["metrics", "bands", "stages"])
def test_a_name_that_becomes_a_segment(part: str, late: bool) -> None:
    declared: dict[str, Any] = {
        "metrics": {}, "bands": {"y": {"metric": "spend", "edges": [2]}},
        "stages": {"y": [{"name": "one", "where": "everyone"}]},
    }  # fmt: skip
    name = "x" if part == "metrics" else "y"
    index = shop({**SHOP, part: declared[part] or SHOP["metrics"]})
    if late:
        index.apply(bought(("e", 9)))
    metrics = {each: held for each, held in SHOP["metrics"].items() if each != name}
    index.alter({**SHOP, "metrics": metrics, "segments": {name: {"where": "spend > 2", "tracked": True}}})
    changes = index.apply(bought(("f", 9)))
    assert changes.entered[name].to_pylist() == ["f"]
    assert index.count(f"segment '{name}'") == 3 + late


def test_a_quantile_band_among_those_of_its_own_metric() -> None:
    schema = {**SHOP, "bands": {"tier": {"metric": "spend", "quantiles": 2, "among": "spend > 1"}}}
    index = shop()
    index.alter(schema)
    assert index.count_by("everyone", "tier") == shop(schema).count_by("everyone", "tier")
    schema["bands"]["tier"] |= {"quantiles": 3, "among": "spend > 0"}
    index.alter(schema)
    assert index.count_by("everyone", "tier").counts == shop(schema).count_by("everyone", "tier").counts


def test_edges_that_are_used_again_are_those_of_the_journal_and_of_the_same_band(tmp_path: Path) -> None:
    quantiles = [{**SHOP, "bands": {"tier": {"metric": "spend", "quantiles": parts}}} for parts in (2, 4)]
    more = bought(("a", 0), ("e", 90), ("f", 91), ("g", 92))
    rows = {"orders": pa.concat_tables([FOUR["orders"], more["orders"]])}
    with shop(out=tmp_path) as index:
        index.alter(quantiles[0])
        index.apply(more)
        expected = index.count_by("everyone", "tier").counts
    for fitted in (tmp_path, segdex.open(tmp_path)):
        assert shop(quantiles[0], sources=rows, fitted=fitted).count_by("everyone", "tier").counts == expected
        anew = shop(quantiles[1], sources=rows, fitted=fitted).count_by("everyone", "tier").counts
        assert anew == shop(quantiles[1], sources=rows).count_by("everyone", "tier").counts


# --- arguments of other types --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda index: index.define("z", "spend > 1", suppression="email"),
        lambda index: index.define("z", "spend > 1", suppression=None),
        lambda index: index.define("z", "spend > 1", suppression=["\ud800"]),
        lambda index: index.define("z", "spend > 1", tracked=1),
        lambda index: index.define("z", "spend > 1", title="\ud800"),
        lambda index: index.define("\ud800", "spend > 1"),
        lambda index: index.rename("spend", "\ud800"),
        lambda index: index.apply(bought(("a", 1)), source="\ud800", offset=1),
        lambda index: index.apply({"orders": np.array([1, 2])}),
        lambda index: index.merge("a", pa.array([{"key": 1}])),
        lambda index: index.merge("a", pa.array([b"\xff"])),
        lambda index: index.readmit(pa.array([{"key": 1}])),
        lambda index: index.erase(pa.table({"one": [1], "two": [2]})),
        lambda _: shop(sources=["orders"]),
        lambda _: shop(offsets=5),
        lambda _: shop(offsets=[("shop", 1)]),
        lambda _: shop(offsets={"\ud800": 1}),
        lambda _: shop(on_error=np.array([1, 2])),
    ],
)
def test_arguments_that_are_none(call: Any) -> None:
    index = shop()
    with pytest.raises(ArgumentError):
        call(index)
    assert (index.generation, index.count("everyone")) == (1, 4)


def test_a_view_that_is_closed_says_so() -> None:
    view = shop().view()
    view.close()
    with pytest.raises(ClosedError, match="this view of the index is closed"):
        view.count("everyone")
