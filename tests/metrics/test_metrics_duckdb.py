"""Kinds of metrics against SQL that was written without a look at how segdex computes them."""

from __future__ import annotations

import datetime as dt
import math
import random
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from segdex.metrics import select
from segdex.metrics.compute import Source, compute
from segdex.schema.load import load
from segdex.values import clock
from segdex.values.column import Column
from tests.metrics.worlds import AS_OF, CATALOG, DEPARTMENTS, FIELDS, ORDER, ZONE, events, plain
from tests.oracle.metrics import Row

CUSTOMERS = 250
ROWS = 2_500

# kept: rows up to the clock; tx: transactions of kept rows; both lack window and having, which each case adds.
KEPT = "select * from rows where t <= as_of() and ({where})"
TX = """
select customer, coalesce(unit, 'row ' || id) as u, min(t) as t, count(*) as n, sum(amount) as amount,
       sum(quantity) as quantity, sum(score) as score
from kept group by 1, 2
"""
PICK = """
select kept.* from kept join inside on kept.customer = inside.customer and coalesce(kept.unit, 'row ' || id) = inside.u
"""
DAYS = "(epoch_us({}) - epoch_us({})) / 86.4e9"
LOCAL = "timezone('America/New_York', t)"
DUE = "due - date '2026-03-08'"
MONTH = "t > as_of() - interval 1 month"
RANK = "coalesce(list_position(['low', 'mid', 'high'], level), 0)"

# kind and keys of the metric; window; where; having; what is selected by customer (from: inside, picked, both or kept)
CASES: list[tuple[dict[str, Any], str, str, str, str]] = [
    ({"kind": "count"}, "true", "true", "true", "count(*) from inside"),
    ({"kind": "count", "window": "90d"}, "t > as_of() - interval 2160 hour", "true", "true", "count(*) from inside"),
    ({"kind": "count", "window": "1mo", "having": "amount >= 50"}, MONTH, "true", "amount >= 50",
     "count(*) from inside"),
    ({"kind": "rows", "window": {"from": "6mo", "to": "1mo"}, "where": "department = 'toys' and amount > 20"},
     "t > as_of() - interval 6 month and t <= as_of() - interval 1 month", "department = 'toys' and amount > 20",
     "true", "sum(n) from inside"),
    ({"kind": "sum", "field": "amount", "window": "1y"}, "t > as_of() - interval 1 year", "true", "true",
     "coalesce(sum(amount), 0) from inside"),
    ({"kind": "sum", "field": "score", "window": {"calendar": "30d", "today": False}},
     f"{LOCAL}::date between date '2026-02-06' and date '2026-03-07'", "true", "true",
     "coalesce(sum(score), 0) from inside"),
    ({"kind": "sum", "field": "quantity", "where": "department != 'toys'", "having": "quantity > 3"}, "true",
     "department <> 'toys'", "quantity > 3", "coalesce(sum(quantity), 0) from inside"),
    ({"kind": "sum", "field": "rating", "window": {"this": "mo"}},
     f"{LOCAL} >= timestamp '2026-03-01'", "true", "true", "coalesce(sum(rating), 0) from picked"),
    ({"kind": "mean", "field": "amount", "window": {"previous": "mo"}},
     f"{LOCAL} >= timestamp '2026-02-01' and {LOCAL} < timestamp '2026-03-01'",
     "true", "true", "avg(amount::double) from inside"),
    ({"kind": "mean", "field": "rating"}, "true", "true", "true", "avg(rating) from picked"),
    ({"kind": "median", "field": "amount"}, "true", "true", "true", "median(amount::double) from inside"),
    ({"kind": "median", "field": "score", "where": "gift = true"}, "true", "gift", "true", "median(score) from inside"),
    ({"kind": "min", "field": "amount"}, "true", "true", "true", "min(amount) from inside"),
    ({"kind": "max", "field": "score", "window": {"previous": "w"}},
     f"{LOCAL}::date between date '2026-02-23' and date '2026-03-01'", "true", "true",
     "max(score) from inside"),
    ({"kind": "max", "field": "quantity", "having": "amount is missing"}, "true", "true", "amount is null",
     "max(quantity) from inside"),
    ({"kind": "distinct", "field": "product", "window": "1y"}, "t > as_of() - interval 1 year", "true", "true",
     "count(distinct product) from picked"),
    ({"kind": "distinct", "field": "score"}, "true", "true", "true", "count(distinct score) from picked"),
    ({"kind": "first", "window": "1y"}, "t > as_of() - interval 1 year", "true", "true",
     "epoch_us(min(t)) from inside"),
    ({"kind": "last", "where": "department = 'garden'"}, "true", "department = 'garden'", "true",
     "epoch_us(max(t)) from inside"),
    ({"kind": "first_value", "field": "level"}, "true", "true", "true",
     f"max((-epoch_us(t), {RANK}, level)) filter (level is not null) from picked"),
    ({"kind": "last_value", "field": "note", "window": {"to": "30d"}}, "t <= as_of() - interval 720 hour", "true",
     "true", "max((epoch_us(t), 0, note)) filter (note is not null) from picked"),
    ({"kind": "days_since"}, "true", "true", "true", f"{DAYS.format('as_of()', 'max(t)')} from inside"),
    ({"kind": "days_since", "from": "first"}, "true", "true", "true",
     f"{DAYS.format('as_of()', 'min(t)')} from inside"),
    ({"kind": "mean_gap"}, "true", "true", "true",
     f"case when count(*) > 1 then {DAYS.format('max(t)', 'min(t)')} / (count(*) - 1) end from inside"),
    ({"kind": "days_until", "field": "due"}, "true", "true", "true",
     f"coalesce(min({DUE}) filter (due >= date '2026-03-08'), max({DUE})) from picked"),
    ({"kind": "share", "where": "department = 'toys'"}, "true", "true", "true",
     "sum((department is not null and department = 'toys')::int) / nullif(count(*), 0) from kept"),
    ({"kind": "share", "weight": "amount", "where": "gift = true"}, "true", "true", "true",
     "coalesce(sum(amount) filter (gift), 0)::double / nullif(sum(amount), 0)::double from kept"),
]  # fmt: skip

FAMILIES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "count"}, "select count(distinct coalesce(unit, 'row ' || id)) from {c}"),
    ({"kind": "sum", "field": "amount"}, "select coalesce(sum(amount), 0) from {c}"),
    ({"kind": "mean", "field": "amount"},
     "select avg(a) from (select sum(amount)::double a from {c} group by coalesce(unit, 'row ' || id))"),
    ({"kind": "last"}, "select epoch_us(max(s)) from (select min(t) s from {c} group by coalesce(unit, 'row ' || id))"),
    ({"kind": "distinct", "field": "product"}, "select count(distinct product) from {c}"),
    ({"kind": "share", "weight": "amount"},
     "select coalesce((select sum(amount) from {c}), 0)::double / nullif(sum(amount), 0) from {all}"),
    ({"kind": "share", "count": "transactions"},
     "select (select count(distinct coalesce(unit, 'row ' || id)) from {c})"
     " / nullif(count(distinct coalesce(unit, 'row ' || id)), 0) from {all}"),
]  # fmt: skip


def generated() -> list[Row]:
    """Some thousand rows, some in the future, a fifth of the values unknown."""
    generator = random.Random(3)

    def row() -> Row:
        days = generator.choice([20, 60, 500])
        back = dt.timedelta(microseconds=generator.randrange(-2 * 86_400_000_000, days * 86_400_000_000))
        values: dict[str, Any] = {
            "amount": Decimal(generator.randrange(-500, 10_000)) / 100, "quantity": generator.randrange(-1, 6),
            "score": generator.choice([0.0, -0.0, generator.random(), -generator.random()]),
            "rating": generator.randrange(1, 6) / 2, "stars": generator.randrange(5),
            "department": generator.choice(DEPARTMENTS), "level": generator.choice([*ORDER, "other"]),
            "product": f"p{generator.randrange(9)}", "note": generator.choice(["", "x", "é", "y"]),
            "gift": generator.random() < 0.5, "due": (AS_OF + back).date(), "renews": AS_OF + back,
        }  # fmt: skip
        fields = {name: None if generator.random() < 0.2 else values[name] for name in FIELDS}
        return Row(
            generator.randrange(CUSTOMERS - 5), AS_OF - back, generator.choice(["a", "b", "c", "d", None, None]), fields
        )

    return [row() for _ in range(ROWS)]


@pytest.fixture(scope="module")
def data() -> list[Row]:
    return generated()


@pytest.fixture(scope="module")
def database(data: list[Row]) -> duckdb.DuckDBPyConnection:
    columns: dict[str, Any] = {name: [row.fields[name] for row in data] for name in FIELDS}
    table = pa.table(columns | {
        "id": range(len(data)), "customer": [row.customer for row in data], "unit": [row.unit for row in data],
        "t": pa.array([row.time for row in data], pa.timestamp("us", "UTC")),
    })  # fmt: skip
    connection = duckdb.connect()
    connection.execute(f"set timezone = '{ZONE.key}'")
    connection.register("arrow_rows", table)
    connection.execute("create table rows as select * from arrow_rows")
    connection.execute(f"create macro as_of() as timestamptz '{AS_OF.isoformat()}'")
    return connection


@pytest.fixture(params=[300, select.MOST_ROWS], ids=["blocks", "whole"])
def made(data: list[Row], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(select, "MOST_ROWS", request.param)
    held = {"orders": events("orders", data, CUSTOMERS, random.Random(1))}
    return Source(CATALOG, clock.to_microseconds(AS_OF), CUSTOMERS, {}, held, pytest.fail)


def metric(keys: dict[str, Any]) -> Any:
    streams = {"orders": {"fields": FIELDS, "time": "at", "unit": "basket"}}
    declared = {"timezone": ZONE.key, "streams": streams, "metrics": {"m": {"stream": "orders"} | keys}}
    return load(declared).schema.metrics["m"]


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, tuple):  # a row of time, rank and value: the value is what counts
        expected = expected[2]
    if found is None or expected is None:
        return found is expected
    if isinstance(found, dt.datetime):
        return clock.to_microseconds(found) == expected
    if isinstance(found, float):
        return math.isclose(found, float(expected), rel_tol=1e-12, abs_tol=1e-12)
    return found == expected


@pytest.mark.parametrize(("keys", "window", "where", "having", "selected"), CASES, ids=lambda part: str(part)[:60])
def test_a_kind_equals_sql(
    keys: dict[str, Any], window: str, where: str, having: str, selected: str,
    made: Source, database: duckdb.DuckDBPyConnection,
) -> None:  # fmt: skip
    column = compute(metric(keys), made)
    assert isinstance(column, Column)
    expression, _, origin = selected.rpartition(" from ")
    rows = database.execute(
        f"with kept as ({KEPT.format(where=where)}), tx as ({TX}), inside as (from tx where ({window}) and ({having})),"
        f" picked as ({PICK}) select customer, {expression} from {origin} group by customer"
    ).fetchall()
    expected = dict(rows)
    zero = 0 if keys["kind"] in ("count", "rows", "sum", "distinct") else None
    different = [
        (customer, plain(column, customer), expected.get(customer, zero))
        for customer in range(CUSTOMERS)
        if not same(plain(column, customer), expected.get(customer, zero))
    ]
    assert different == []
    assert len(expected) > CUSTOMERS // 10, "the case selects too little to mean anything"


@pytest.mark.parametrize(("keys", "sql"), FAMILIES, ids=lambda part: str(part)[:60])
def test_a_family_equals_sql(keys: dict[str, Any], sql: str, made: Source, database: duckdb.DuckDBPyConnection) -> None:
    family = compute(metric(keys | {"by": "department"}), made)
    assert not isinstance(family, Column)
    for category in [*DEPARTMENTS, "never"]:
        column = family.dense(family.code(category), CUSTOMERS)
        for customer in range(0, CUSTOMERS, 7):
            everything = f"(from rows where t <= as_of() and customer = {customer})"
            of_category = f"(from {everything} where department = '{category}')"
            ((expected,),) = database.execute(sql.format(c=of_category, all=everything)).fetchall()
            assert same(plain(column, customer), expected), (category, customer)


def test_a_ratio_by_category_equals_sql(data: list[Row], database: duckdb.DuckDBPyConnection) -> None:
    held = {name: events(name, data, CUSTOMERS, random.Random(2)) for name in ("orders", "visits")}
    made = Source(CATALOG, clock.to_microseconds(AS_OF), CUSTOMERS, {}, held, pytest.fail)
    streams = {"orders": {"fields": FIELDS, "time": "at", "unit": "basket"}, "visits": {"fields": FIELDS, "time": "at"}}
    declared = {
        "kind": "ratio", "by": "department", "window": "1y",
        "numerator": {"stream": "visits", "where": "gift = true"}, "denominator": {"stream": "orders"},
    }  # fmt: skip
    ratio = load({"timezone": ZONE.key, "streams": streams, "metrics": {"m": declared}}).schema.metrics["m"]
    family = compute(ratio, made)
    assert not isinstance(family, Column)
    expected = {
        (customer, category): above / below
        for customer, category, above, below in database.execute("""
            with tx as (
                select customer, department, coalesce(unit, 'row ' || id) u, min(t) t from rows
                where t <= as_of() and department is not null group by all
            ), denominator as (
                select customer, department, count(*) n from tx where t > as_of() - interval 1 year group by all
            ), numerator as (
                select customer, department, count(*) n from rows
                where t <= as_of() and t > as_of() - interval 1 year and gift group by all
            )
            select customer, department, coalesce(numerator.n, 0), denominator.n
            from denominator left join numerator using (customer, department)
        """).fetchall()
    }
    assert len(expected) > CUSTOMERS
    for category in DEPARTMENTS:
        column = family.dense(family.code(category), CUSTOMERS)
        for customer in range(CUSTOMERS):
            assert same(plain(column, customer), expected.get((customer, category))), (customer, category)
