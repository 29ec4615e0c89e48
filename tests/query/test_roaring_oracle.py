"""Random rules over some chunks of customers against plain Roaring algebra over values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import segdex
from segdex.rules import nodes as n
from tests.oracle import roaring_rules
from tests.query.test_rules_oracle import AS_OF, CATEGORIES, RULES, SCHEMA

COUNT = 2 * 65_536 + 5


def customers(rng: np.random.Generator) -> pa.Table:
    def some(values: list[object], missing: float, kind: pa.DataType) -> pa.Array:
        picked = rng.integers(0, len(values), COUNT)
        return pa.array([values[i] for i in picked], kind, mask=rng.random(COUNT) < missing)

    columns = {
        "country": some(["IN", "AE", "XX"], 0.1, pa.string()),
        "income": some(["low", "mid", "high", "odd"], 0.3, pa.string()),
        "tags": some([["vip"], ["beta", "vip"], [], ["x"]], 0.2, pa.list_(pa.string())),
        "consent": some([True, False], 0.2, pa.bool_()),
        "account": some(["A1", "B1", "C1"], 0.1, pa.string()),
        "points": pa.array(rng.integers(-20, 30, COUNT), pa.int64(), mask=rng.random(COUNT) < 0.1),
        "spend": pa.array(rng.integers(-500, 30_000, COUNT) / 100, pa.float64(), mask=rng.random(COUNT) < 0.2),
    }
    # In an order that leaves whole chunks empty or full of some labels.
    order = pa.array(np.argsort(np.asarray(columns["points"].fill_null(0)), kind="stable"))
    return pa.table({"id": np.arange(COUNT)} | {name: column.take(order) for name, column in columns.items()})


def orders(rng: np.random.Generator) -> pa.Table:
    rows = 60_000
    return pa.table(
        {
            "id": rng.integers(0, COUNT, rows),
            "at": pa.array([AS_OF - dt.timedelta(days=1)] * rows, pa.timestamp("us", "UTC")),
            "department": pa.array(rng.choice([*CATEGORIES, None], rows).tolist(), pa.string()),
            "amount": pa.array(rng.integers(-3, 9, rows), pa.int64(), mask=rng.random(rows) < 0.1),
        }
    )


@pytest.fixture(scope="module")
def index() -> Iterator[segdex.Index]:
    rng = np.random.default_rng(12)
    with segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": customers(rng), "orders": orders(rng)}) as made:
        yield made


@pytest.mark.slow
@settings(max_examples=250, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # fmt: skip
@given(rule=RULES)
def test_random_rules_over_chunks(index: segdex.Index, rule: n.Rule) -> None:
    query = index.prepare(rule)
    expected = roaring_rules.members(query.bound, index._running().base)
    # Asked again, a rule has its ranges made sets.
    assert [query.count() for _ in range(3)] == [len(expected)] * 3, str(rule)
    assert query.bitmap() == expected, str(rule)
    found = index.estimate(rule)
    assert found.low <= len(expected) <= found.high, str(rule)
    assert index.contains(rule, [0, 65_535, 65_536, COUNT - 1]) == [
        at in expected for at in (0, 65_535, 65_536, COUNT - 1)
    ]


@pytest.mark.compiled  # about plans; formulas over several chunks are run uncompiled in `tests/query/test_engine.py`
@pytest.mark.parametrize(
    ("rule", "rewritten", "tables"),
    [
        ("country in ('IN', 'AE') and not country = 'AE'", "country = 'IN'", 1),
        ("country = 'IN' and country = 'AE'", "nobody", 1),
        ("country = 'IN' or country = 'AE' or country = 'XX'", "country is known", 1),
        ("not (country = 'IN' or not consent = true)", "not country = 'IN' and consent = 'true'", 1),
        ("consent = true and (consent = true or points > 7)", "consent = 'true'", 1),
        ("consent = true and points > 7 or consent = true and points < -7",
         "consent = 'true' and (points from 8 to 9223372036854775807 or points from -9223372036854775807 to -8)", 1),
        ("points >= 0 and points < 10 and consent = true", "level = 'some' and consent = 'true'", 1),
        ("points >= 10 or level = 'none'", "level in ('many', 'none')", 1),
        ("everyone and not everyone", "nobody", 1),
        ("country is missing or country = 'IN'", "not country in ('AE', 'XX')", 1),
        ("tags has any ('vip', 'beta') and consent = true and country = 'IN' and income = 'low' and points > 3 "
         "and spend > 100 and account = 'A1'", None, 2),
    ],
)  # fmt: skip
def test_plans_are_what_they_should_be_and_hold_for_the_same(
    index: segdex.Index, rule: str, rewritten: str | None, tables: int
) -> None:
    found = index.explain(rule)
    assert rewritten is None or found.rewritten == rewritten
    assert found.tables == tables
    query = index.prepare(rule)
    assert query.bitmap() == roaring_rules.members(query.bound, index._running().base)
    assert query.count() == found.count == len(query.bitmap())
