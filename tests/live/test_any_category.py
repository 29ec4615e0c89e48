"""Rules that hold for any category: what one customer has of it says something of all who have nothing in it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex
from segdex.errors import SchemaError

AS_OF = "2026-06-30T00:00:00Z"
SCHEMA: dict[str, Any] = {
    "customers": {"key": "id"},
    "streams": {
        "orders": {"key": "id", "time": "at", "fields": {"amount": "integer", "department": "category"}},
    },
    "metrics": {"share": {"kind": "share", "stream": "orders", "by": "department", "weight": "amount"}},
    "bands": {"affinity": {"metric": "share", "edges": [0.2, 0.5]}},
    "stages": {"odd": [{"name": "gap", "where": "share[any] = 0"}, {"name": "rest", "where": "everyone"}]},
    "segments": {"narrow": {"where": "affinity[any] = '..0.2'", "tracked": True}},
}
RULES = [
    "share[any] = 0", "count(orders, by = department)[any] = 0", "any c (share[c] = 0)", "not share[any] > 0.5",
    "affinity[any] = '..0.2'", "odd = 'gap'", "segment 'narrow'", "share[any] < 0.5",
    "any c (count(orders, by = department)[c] = 0 and share[c] = 0)",
]  # fmt: skip


def orders(*rows: tuple[str, int, str]) -> pa.Table:
    keys, amounts, departments = zip(*rows, strict=True)
    at = pa.array([dt.datetime(2026, 6, 1, tzinfo=dt.UTC)] * len(rows))
    return pa.table({"id": list(keys), "at": at, "amount": list(amounts), "department": list(departments)})


FIRST = orders(("a", 10, "x"), ("a", 20, "y"), ("b", 5, "x"), ("c", 5, "x"), ("c", 5, "y"))
BATCHES = [
    orders(("b", 10, "x"), ("d", 7, "x")),  # no more than there is, of customers who lack a category of others
    orders(("c", 10, "z")),  # a category that nobody had: everybody else lacks it from now on
    orders(("a", 1, "z"), ("e", 1, "z")),
]


def test_categories_of_others_count_for_those_who_changed(tmp_path: Path) -> None:
    given = FIRST
    customers = pa.table({"id": ["a", "b", "c"]})
    live = segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": customers, "orders": FIRST}, out=tmp_path)
    members = set(live.keys(live.bitmap("segment 'narrow'")).to_pylist())
    for batch in BATCHES:
        changes = live.apply({"orders": batch})
        given = pa.concat_tables([given, batch])
        built = segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": customers, "orders": given})
        reader = segdex.open(tmp_path)
        for rule in RULES:
            expected = sorted(built.keys(built.bitmap(rule)).to_pylist())
            for index in (live, reader):
                assert sorted(index.keys(index.bitmap(rule)).to_pylist()) == expected, rule
                assert index.count(rule) == len(expected), rule
            assert [key for key in "abcde" if live.contains(rule, key)] == expected
            known = built.keys(built.bitmap("everyone")).to_pylist()
            assert [live.why(rule, key).holds for key in known] == [key in expected for key in known], rule
        after = set(live.keys(live.bitmap("segment 'narrow'")).to_pylist())
        assert set(changes.entered["narrow"].to_pylist() if "narrow" in changes.entered else []) == after - members
        assert set(changes.left["narrow"].to_pylist() if "narrow" in changes.left else []) == members - after
        members = after


@pytest.mark.parametrize("part", ["stages", "segments"])
def test_a_model_that_is_fitted_to_all_is_declared_before_rows_come(part: str) -> None:
    """One customer's rows would change what is kept of everybody."""
    rule = "p_alive(orders) > 0.5"
    declared: dict[str, Any] = {
        "stages": {"still": [{"name": "yes", "where": rule}]}, "segments": {"still": {"where": rule, "tracked": True}},
    }  # fmt: skip
    schema = {"customers": {"key": "id"}, "streams": SCHEMA["streams"], part: {"still": declared[part]["still"]}}
    days = [dt.datetime(2025, 6, 1, tzinfo=dt.UTC) + dt.timedelta(days=9 * at * (at % 7) % 380) for at in range(400)]
    rows = pa.table({"id": [f"c{at % 60}" for at in range(400)], "at": days, "amount": [1] * 400,
                     "department": ["x"] * 400})  # fmt: skip
    live = segdex.build(schema, as_of=AS_OF, sources={"customers": pa.table({"id": ["c1"]}), "orders": rows})
    before = live.count("everyone")
    with pytest.raises(SchemaError, match="fits a model to all customers") as caught:
        live.apply({"orders": orders(("new", 1, "x"))})
    assert str(caught.value.place).startswith(f"{part}.still")
    assert (live.count("everyone"), live.generation) == (before, 1)
    alive = {"metrics": {"alive": {"kind": "p_alive", "stream": "orders"}}}
    declared_so = schema | alive | {part: {"still": _renamed(declared[part]["still"])}}
    live.alter(declared_so)
    live.apply({"orders": orders(("new", 1, "x"))})
    assert live.count("everyone") == before + 1


def _renamed(declared: Any) -> Any:
    if isinstance(declared, list):
        return [_renamed(each) for each in declared]
    return declared | {"where": "alive > 0.5"}


# --- categories that nobody has any more ---------------------------------------------------------------------------

CORRECTED: dict[str, Any] = SCHEMA | {
    "streams": {
        "orders": {
            **SCHEMA["streams"]["orders"], "id": "line", "version": "version", "deleted": "deleted",
        },
        "visits": {"key": "id", "time": "at", "fields": {"department": "category"}},
    },
    "metrics": SCHEMA["metrics"] | {
        "both": {"kind": "score", "by": "department", "terms": [
            {"stream": "orders", "points": 1}, {"stream": "visits", "points": 1},
        ]},
        "half": {"kind": "formula", "formula": "share / 2"},
    },
}  # fmt: skip
LOST = [
    *RULES, "both[any] = 0", "half[any] = 0", "any c (both[c] = 0 and share[c] = 0)", "not half[any] = 0",
    "any c (any d (share[c] = 0 and both[d] = 0))",
]  # fmt: skip
LINE = st.tuples(st.integers(0, 4), st.sampled_from("abcd"), st.sampled_from("xyz"), st.integers(1, 3), st.booleans())


def lines(rows: list[Any], first: int) -> pa.Table:
    line, keys, departments, amounts, deleted = zip(*rows, strict=True) if rows else ([],) * 5
    return pa.table({
        "line": pa.array(line, pa.int64()), "id": pa.array(keys, pa.string()),
        "at": pa.array([dt.datetime(2026, 6, 1, tzinfo=dt.UTC)] * len(rows), pa.timestamp("us", "UTC")),
        "amount": pa.array(amounts, pa.int64()), "department": pa.array(departments, pa.string()),
        "version": pa.array(range(first, first + len(rows)), pa.int64()), "deleted": pa.array(deleted, pa.bool_()),
    })  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    batches=st.lists(st.lists(LINE, max_size=3), min_size=1, max_size=5),
    seen=st.sampled_from([[], ["y"]]),
    kept=st.booleans(),
)
def test_categories_whose_last_row_was_taken_away(batches: list[list[Any]], seen: list[str], kept: bool) -> None:
    schema = CORRECTED if kept else CORRECTED | {"stages": {}, "segments": {}}
    customers, visits = pa.table({"id": [*"abcd"]}), pa.table({
        "id": ["a"] * len(seen), "at": pa.array([dt.datetime(2026, 6, 2, tzinfo=dt.UTC)] * len(seen),
        pa.timestamp("us", "UTC")), "department": pa.array(seen, pa.string()),
    })  # fmt: skip
    given_rows = lines([(0, "a", "x", 1, False), (1, "b", "y", 2, False), (2, "c", "x", 1, False)], 0)
    sources = {"customers": customers, "visits": visits}
    live = segdex.build(schema, as_of=AS_OF, sources={**sources, "orders": given_rows})
    rules = [rule for rule in LOST if kept or ("odd" not in rule and "narrow" not in rule)]
    queries = [live.prepare(rule) for rule in rules]
    for number, rows in enumerate(batches, 1):
        batch = lines(rows, 10 * number)
        live.apply({"orders": batch})
        given_rows = pa.concat_tables([given_rows, batch])
        built = segdex.build(schema, as_of=AS_OF, sources={**sources, "orders": given_rows})
        for rule, query in zip(rules, queries, strict=True):
            expected = sorted(built.keys(built.bitmap(rule)).to_pylist())
            assert sorted(live.keys(live.bitmap(rule)).to_pylist()) == expected, rule
            assert query.count() == live.count(rule) == len(expected), rule
            assert live.contains(rule, [*"abcd"]) == [key in expected for key in "abcd"], rule
            assert [live.why(rule, key).holds for key in "abcd"] == [key in expected for key in "abcd"], rule
            estimate = live.estimate(rule)
            assert estimate.low <= len(expected) <= estimate.high, rule
