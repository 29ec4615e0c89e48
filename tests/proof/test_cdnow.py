# ruff: noqa: E501  (a rule and its SQL read best as one line of a table)
"""CDNOW (Fader and Hardie): 69,659 purchases of 23,570 customers, 1997-01 to 1998-06, by rules and by SQL.

The file is columns of text under a line of names. Keys are strings with leading zeros, money is decimal, times are dates.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import segdex
from tests.proof.data import file
from tests.proof.harness import Case, database, same

pytestmark = pytest.mark.compiled  # too many rows for plain Python

AS_OF = dt.datetime(1998, 7, 1, tzinfo=dt.UTC)
SCHEMA: dict[str, Any] = {
    "customers": {"key": "customer"},
    "streams": {
        "purchases": {
            "key": "customer",
            "time": "at",
            "fields": {"cds": "integer", "dollars": {"type": "number", "scale": 2}},
        },
    },
    "metrics": {
        "purchases_ever": {"kind": "count", "stream": "purchases"},
        "spent": {"kind": "sum", "stream": "purchases", "field": "dollars"},
        "gap": {"kind": "mean_gap", "stream": "purchases"},
        "since": {"kind": "days_since", "stream": "purchases"},
        "calibration": {"kind": "count", "stream": "purchases", "window": {"from": "1997-01-01", "to": "1997-10-01"}},
        "holdout": {"kind": "count", "stream": "purchases", "window": {"from": "1997-10-01", "to": "1998-07-01"}},
        "before": {"kind": "sum", "stream": "purchases", "field": "dollars", "window": {"from": "12mo", "to": "6mo"}},
        "after": {"kind": "sum", "stream": "purchases", "field": "dollars", "window": "6mo"},
        "price": {"kind": "formula", "formula": "spent / sum_of_cds"},
        "sum_of_cds": {"kind": "sum", "stream": "purchases", "field": "cds"},
    },
    "bands": {
        "tenths": {"metric": "spent", "quantiles": 10, "among": "spent > 0"},
        "recency": {"metric": "since", "edges": [30, 90, 365]},
    },
    "stages": {
        "life": [
            {"name": "once", "where": "purchases_ever = 1"},
            {"name": "active", "where": "since <= 180"},
            {"name": "asleep", "where": "everyone"},
        ]
    },
    "segments": {
        "kept": {"where": "calibration >= 2 and holdout >= 1"},
        "lost": {"where": "calibration >= 2 and not segment 'kept'"},
    },
}
VIEWS = """
create view bought as select customer k, "at" ts, cds, (dollars * 100)::bigint cents from purchases;
create view ranked as
    select k, v, rank() over (order by v) - 1 below, count(*) over () n
    from (select k, sum(cents) v from bought group by k having sum(cents) > 0);
create view edges as select i, min(v) edge from ranked, range(1, 10) r(i) where below * 10 >= i * n group by i;
"""
CASES = [
    Case("count", "purchases_ever > 7", "select k from bought group by k having count(*) > 7"),
    Case("sum", "spent between 100 and 250", "select k from bought group by k having sum(cents) between 10000 and 25000"),
    Case("nothing spent", "spent = 0", "select k from bought group by k having sum(cents) = 0"),
    Case("mean", "mean(purchases.dollars) >= 50", "select k from bought group by k having sum(cents) >= 5000 * count(*)"),
    Case("median", "median(purchases.dollars) < 12.5", "select k from bought group by k having median(cents) < 1250"),
    Case("min and max", "max(purchases.dollars) > 4 * min(purchases.dollars)", "select k from bought group by k having max(cents) > 4 * min(cents)"),
    Case("bought in calibration and after", "segment 'kept'", "select k from bought group by k having count(*) filter (ts < '1997-10-01') >= 2 and count(*) filter (ts >= '1997-10-01') >= 1"),
    Case("bought in calibration, not after", "segment 'lost'", "select k from bought group by k having count(*) filter (ts < '1997-10-01') >= 2 and count(*) filter (ts >= '1997-10-01') = 0"),
    Case("gap about a month", "gap between 25 and 35", "select k from bought group by k having count(*) > 1 and epoch(max(ts) - min(ts)) / (count(*) - 1) / 86400 between 25 and 35"),
    Case("no gap on one day", "gap = 0", "select k from bought group by k having count(*) > 1 and max(ts) = min(ts)"),
    Case("one purchase has no gap", "gap is missing", "select k from bought group by k having count(*) = 1"),
    Case("since, at the edge", "since <= 90", "select k from bought group by k having max(ts) >= '1998-04-02'"),
    Case("a window ends where it is open", "did(purchases, 90d)", "select distinct k from bought where ts > '1998-04-02'"),
    Case("last on a day", "last(purchases) = 1998-04-02", "select k from bought group by k having max(ts) = '1998-04-02'"),
    Case("first in a month", "first(purchases) between 1997-02-01 and 1997-02-28", "select k from bought group by k having min(ts) between '1997-02-01' and '1997-02-28'"),
    Case("months", "after > before", "select k from bought group by k having coalesce(sum(cents) filter (ts > '1998-01-01'), 0) > coalesce(sum(cents) filter (ts > '1997-07-01' and ts <= '1998-01-01'), 0)"),
    Case("previous month", "count(purchases, previous mo) >= 2", "select k from bought where ts >= '1998-06-01' and ts < '1998-07-01' group by k having count(*) >= 2"),
    Case("this month is empty", "not did(purchases, this mo) and did(purchases, previous w)", "select distinct k from bought where ts >= '1998-06-22' and ts < '1998-06-29'"),
    Case("price of a disc", "price >= 20", "select k from bought group by k having sum(cds) > 0 and sum(cents) / 100 / sum(cds) >= 20"),
    Case("many discs at once", "count(purchases, where cds >= 10) >= 2", "select k from bought where cds >= 10 group by k having count(*) >= 2"),
    Case("number of different sizes", "distinct(purchases.cds) >= 6", "select k from bought group by k having count(distinct cds) >= 6"),
    Case("the last size", "last_value(purchases.cds) > 2 * first_value(purchases.cds)", "select k from bought group by k having arg_max(cds, (ts, cds)) > 2 * first(cds order by ts, cds desc)"),
    Case("the highest tenth", "tenths = '10'", "select k from bought group by k having sum(cents) >= (select edge from edges where i = 9)"),
    Case("the lower half", "tenths <= '5'", "select k from bought group by k having sum(cents) < (select edge from edges where i = 5)"),
    Case("recency without labels", "recency = '90..365'", "select k from bought group by k having max(ts) <= '1998-04-02' and max(ts) > '1997-07-01'"),
    Case("stages", "life = 'asleep'", "select k from bought group by k having count(*) > 1 and max(ts) < '1998-01-02'"),
]  # fmt: skip


def purchases() -> pa.Table:
    """The file as a table: customer, at, cds, dollars."""
    rows = [line.split() for line in file("cdnow/CDNOW_master.txt").read_text().splitlines()[1:]]
    return pa.table(
        {
            "customer": [row[0] for row in rows],
            "at": pa.array([dt.datetime.strptime(row[1], "%Y%m%d") for row in rows], pa.timestamp("s")),
            "cds": [int(row[2]) for row in rows],
            "dollars": pa.array([Decimal(row[3]) for row in rows], pa.decimal128(9, 2)),
        }
    )


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return purchases()


@pytest.fixture(scope="module")
def tables(table: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    with database(purchases=table) as connection:
        connection.execute(VIEWS)
        yield connection


@pytest.fixture(scope="module")
def index(table: pa.Table) -> Iterator[segdex.Index]:
    with segdex.build(SCHEMA, as_of=AS_OF, sources={"purchases": table}) as built:
        yield built


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cdnow(case: Case, index: segdex.Index, tables: duckdb.DuckDBPyConnection) -> None:
    same(index, tables, case)


def test_the_universe_is_every_customer(index: segdex.Index) -> None:
    assert index.count("everyone") == 23_570
