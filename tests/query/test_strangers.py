"""With ``only = true`` rows of who is no customer are kept, and change no answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyroaring import BitMap

import segdex
from segdex.errors import ArgumentError
from segdex.store import generations

AS_OF = "2026-06-30T00:00:00Z"
SCHEMA: dict[str, Any] = {
    "customers": {"key": "id", "only": True, "attributes": {"letter": "category", "tags": "tags", "points": "number"}},
    "streams": {"orders": {"key": "id", "time": "at", "fields": {"amount": "number", "kind": "category"}}},
    "metrics": {
        "orders_ever": {"kind": "count", "stream": "orders"},
        "spend": {"kind": "sum", "stream": "orders", "field": "amount"},
        "since": {"kind": "days_since", "stream": "orders"},
        "latest": {"kind": "last_value", "stream": "orders", "field": "kind"},
        "share": {"kind": "share", "stream": "orders", "by": "kind"},
        "alive": {"kind": "p_alive", "stream": "orders"},
    },
    "bands": {
        "fifths": {"metric": "spend", "quantiles": 5},
        "some": {"metric": "spend", "quantiles": 3, "among": "spend > 20"},
        "level": {"metric": "since", "edges": [100, 200]},
        "affinity": {"metric": "share", "edges": [0.2, 0.5]},
    },
    "stages": {"stage": [{"name": "a", "where": "spend > 50"}, {"name": "b", "where": "not since < 100"}]},
    "labels": {"panel": {"key": "id", "label": "cluster"}},
    "segments": {"good": {"where": "spend > 30 and not letter = 'a'"}},
}
RULES = [
    "everyone", "not letter = 'a'", "letter is missing", "orders_ever = 0", "not orders_ever > 2", "spend > 42",
    "spend is known", "not since < 200", "latest = 'x' or latest = 'y'", "latest is known", "fifths = '5'",
    "some = '3' or not some = '1'", "level = '100..200'", "not level = '..100'", "stage = 'b'", "stage is missing",
    "affinity['x'] = '0.5..'", "affinity['y'] is known", "not affinity['x'] = '..0.2'", "affinity[any] = '0.2..0.5'",
    "share['x'] > 0.5", "share[any] > 0.9", "alive > 0.5", "not alive > 0.9", "tags has any ('s')", "panel = 'p'",
    "count(orders, 90d, where kind = 'x') >= 1", "not count(orders, 90d) >= 1", "segment 'good'",
    "bucket('s', 10) < 5", "letter = 'a' and spend > 10 and not latest = 'x' and since < 300 and points > 3",
]  # fmt: skip


def tables(seed: int, customers: int, others: int) -> dict[str, pa.Table]:
    rng = np.random.default_rng(seed)
    keys = rng.permutation(customers + others)
    mine = np.sort(keys[:customers])
    people = {
        "id": mine,
        "letter": pa.array([None if each == 0 else "abc"[each % 3] for each in rng.integers(0, 9, customers)]),
        "tags": pa.array([["s"] if each else None for each in rng.integers(0, 2, customers)], pa.list_(pa.string())),
        "points": rng.integers(0, 9, customers) / 2,
    }
    rows = 4 * (customers + others)
    bought = {
        "id": rng.integers(0, customers + others, rows),
        "at": (np.datetime64("2025-01-01") + rng.integers(0, 540, rows)).astype("datetime64[us]"),
        "amount": rng.integers(0, 4000, rows) / 100,
        "kind": rng.choice(list("xyz"), rows),
    }
    panel = {"id": np.arange(customers + others), "cluster": rng.choice(["p", "q"], customers + others)}
    return {"customers": pa.table(people), "orders": pa.table(bought), "panel": pa.table(panel)}


def answers(index: segdex.Index) -> dict[str, Any]:
    columns = ["spend", "letter", "stage", "fifths", "share['x']", "panel"]
    found: dict[str, Any] = {
        rule: index.members(rule, columns=columns, suppression=False).read_all().sort_by("id").to_pylist()
        for rule in RULES
    }
    assert index.counts(RULES) == [len(found[rule]) for rule in RULES]
    for rule in RULES:
        estimate = index.estimate(rule)
        assert estimate.low <= len(found[rule]) <= estimate.high
    for name in ("fifths", "stage", "letter", "panel", "tags", "latest"):
        found[f"by {name}"] = dict(index.count_by("not letter = 'b'", name).counts)
    for name in ("points", "since", "orders_ever"):
        found[f"of {name}"] = index.aggregate("everyone", name)
    found["fitted"] = index._running().generation.fitted
    return found


@pytest.mark.parametrize(
    ("seed", "customers", "others"),
    # The last has several chunks, which is about who is numbered where and not about kernels.
    [(1, 40, 60), (2, 300, 20), (3, 5, 2), pytest.param(4, 2000, 70_000, marks=pytest.mark.compiled)],
)
def test_strangers_change_no_answer(seed: int, customers: int, others: int, tmp_path: Path) -> None:
    given = tables(seed, customers, others)
    mine = pa.array(given["customers"]["id"])
    known = {name: table.filter(pc.is_in(table["id"], mine)) for name, table in given.items()}
    whole = segdex.build(SCHEMA, as_of=AS_OF, sources=given)
    assert answers(whole) == answers(segdex.build(SCHEMA, as_of=AS_OF, sources=known))
    assert len(whole) == customers
    assert whole._running().generation.count > customers
    assert whole._running().generation.events["orders"].rows == given["orders"].num_rows
    whole.save(tmp_path)
    with segdex.open(tmp_path) as opened:
        assert answers(opened) == answers(whole)
        assert list(generations.verify(tmp_path)) == []


def test_strangers_are_unknown_by_key() -> None:
    given = tables(1, 40, 60)
    index = segdex.build(SCHEMA, as_of=AS_OF, sources=given)
    mine = given["customers"]["id"].to_pylist()
    strange = next(key for key in given["orders"]["id"].to_pylist() if key not in mine)
    assert index.contains("everyone", strange) is False
    assert index.contains("everyone", [mine[0], strange]) == [True, False]
    assert index.contains("everyone", list(range(100))) == [key in mine for key in range(100)]
    assert index.ids([strange, mine[0]]) == index.ids(mine[0])
    assert index.segments_of(strange) == ()
    for ask in (index.customer, lambda key: index.why("everyone", key)):
        with pytest.raises(ArgumentError, match="no customer has this key"):
            ask(strange)
        with pytest.raises(ArgumentError, match="no customer has this key"):
            ask([mine[0], strange])
    assert index.load("held", [strange, mine[0], -1]).unknown == 2
    assert index.count("segment 'held'") == 1
    assert index.load("named", {"u": [strange, mine[0]]}).unknown == 1
    assert index.load("rows", pa.table({"key": [strange, mine[0]], "label": ["u", "v"]})).unknown == 1
    assert index.count("named is known") == index.count("rows is known") == 1
    everyone = BitMap(range(index._running().generation.count))
    index.load("all", everyone)
    assert index.count("segment 'all'") == len(index) == 40
    with pytest.raises(ArgumentError, match="the set holds a dense id that no customer has"):
        index.keys(everyone)
    assert index.report["orders"].strangers > 0
    assert index.report["labels.panel"].strangers == 60
