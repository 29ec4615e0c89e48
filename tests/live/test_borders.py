"""Chunk borders: in the dense ids, which new customers cross, and in the slots of those who have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import segdex

AS_OF = "2026-06-30T00:00:00Z"
SCHEMA: dict[str, Any] = {
    "customers": {"key": "id", "attributes": {"country": "category"}},
    "streams": {"orders": {"key": "id", "fields": {"amount": "integer", "department": "category"}}},
    "metrics": {
        "spend": {"kind": "sum", "stream": "orders", "field": "amount"},
        "share": {"kind": "share", "stream": "orders", "by": "department", "weight": "amount"},
    },
    "bands": {
        "level": {"metric": "spend", "edges": [1, 5, 9]},
        "affinity": {"metric": "share", "edges": [0.2, 0.5]},
    },
    "segments": {"buyers": {"where": "spend > 4", "tracked": True}},
}
RULES = [
    "everyone", "spend > 4", "not spend > 4", "level = '5..9'", "segment 'buyers'", "share['x'] > 0.4", "country = 'B'",
    "affinity['x'] = '0.5..' and not country = 'A'", "country is missing or spend between 2 and 6",
    "sum(orders.amount) > 7",
]  # fmt: skip


def people(first: int, count: int) -> pa.Table:
    keys = np.arange(first, first + count)
    return pa.table({"id": keys, "country": np.array(["A", "B", "C"])[keys % 3]})


def orders(keys: np.ndarray[Any, Any]) -> pa.Table:
    return pa.table({"id": keys, "amount": keys % 10 + 1, "department": np.array(["x", "y"])[keys // 7 % 2]})


@pytest.mark.parametrize("count", [65_535, 65_536, 65_537])
@pytest.mark.parametrize("touched", [40, 65_540])
@pytest.mark.compiled
def test_what_crosses_a_border(count: int, touched: int, tmp_path: Path) -> None:
    first, rng = orders(np.arange(0, count, 3)), np.random.default_rng(count)
    live = segdex.build(
        SCHEMA, as_of=AS_OF, sources={"customers": people(0, count), "orders": first}, out=tmp_path / "index"
    )
    # Those at the border, some of all, and new ones up to and over it; then some of them once more.
    border = np.arange(65_530, 65_545)
    batches = [np.union1d(border, rng.choice(count, touched - 15, replace=False)), border[::2]]
    given, was = [first], set(live.keys(live.bitmap("spend > 4")).to_pylist())
    for keys in batches:
        changes = live.apply({"orders": orders(keys)})
        given.append(orders(keys))
        now = set(live.keys(live.bitmap("spend > 4")).to_pylist())
        assert set(changes.entered.get("buyers", pa.array([])).to_pylist()) == now - was
        assert set(changes.left.get("buyers", pa.array([])).to_pylist()) == was - now
        was = now
    built = segdex.build(
        SCHEMA, as_of=AS_OF, sources={"customers": people(0, count), "orders": pa.concat_tables(given)}
    )
    live_again = segdex.open(tmp_path / "index")
    for rule in RULES:
        expected = sorted(built.keys(built.bitmap(rule)).to_pylist())
        for index in (live, live_again):
            assert index.count(rule) == len(expected), rule
            assert sorted(index.keys(index.bitmap(rule)).to_pylist()) == expected, rule
            assert sorted(index.members(rule).read_all()["id"].to_pylist()) == expected, rule
    asked = [0, 65_535, 65_536, 65_544]
    assert live.contains("spend > 4", asked) == built.contains("spend > 4", asked)
    assert live.customer(asked) == built.customer(asked)
