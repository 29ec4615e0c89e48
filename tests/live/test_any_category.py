"""Rules that hold for any category: what one customer has of it says something of all who have nothing in it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

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
