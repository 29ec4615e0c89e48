# ruff: noqa: E501  (a rule and its SQL read best as one line of a table)
"""Hillstrom's e-mail test: 64,000 customers, attributes only, read from a CSV file, by rules and by SQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import segdex
from tests.proof.data import file
from tests.proof.harness import Case, same

pytestmark = pytest.mark.compiled  # too many rows for plain Python

SCHEMA = """
[customers]
source = "hillstrom.csv"
key = "customer"

[customers.attributes]
recency         = "integer"
history_segment = { type = "category", order = ["1) $0 - $100", "2) $100 - $200", "3) $200 - $350", "4) $350 - $500", "5) $500 - $750", "6) $750 - $1,000", "7) $1,000 +"] }
history         = { type = "number", scale = 2 }
mens            = "integer"
womens          = "integer"
area            = { type = "category", column = "zip_code", fold = "lower" }
newbie          = "bool"
channel         = "category"
mailed          = { type = "category", column = "segment" }
visit           = "integer"
conversion      = "bool"
spend           = { type = "number", scale = 2 }

[bands]
age_of_order = { metric = "recency", edges = [3, 6, 9], labels = ["fresh", "recent", "old", "stale"] }
value        = { metric = "history", quantiles = 4 }

[[stages.response]]
name = "bought"
where = "conversion = true"
[[stages.response]]
name = "came"
where = "visit = 1"
[[stages.response]]
name = "silent"
where = "everyone"

[segments]
held_out = { where = "mailed = 'No E-Mail'" }
mailed_buyers = { where = "response = 'bought' and not segment 'held_out'" }
"""
VIEWS = """
create view edges as
    select i, min(history) edge
    from (select history, rank() over (order by history) - 1 below, count(*) over () n from customers), range(1, 4) r(i)
    where below * 4 >= i * n group by i;
"""
CASES = [
    Case("integer", "recency <= 2", "select customer from customers where recency <= 2"),
    Case("money", "history between 100.5 and 200.25", "select customer from customers where history between 100.5 and 200.25"),
    Case("ordered category with a comma", "history_segment >= '6) $750 - $1,000'", "select customer from customers where history_segment[1] in ('6', '7')"),
    Case("category and order", "history_segment = '1) $0 - $100' and channel != 'Web'", "select customer from customers where history_segment[1] = '1' and channel <> 'Web'"),
    Case("folded", "area = 'surburban'", "select customer from customers where zip_code = 'Surburban'"),
    Case("folded in a list", "area not in ('rural', 'urban')", "select customer from customers where zip_code = 'Surburban'"),
    Case("bool from 0 and 1", "newbie = true and conversion = true", "select customer from customers where newbie = 1 and conversion = 1"),
    Case("arithmetic", "mens + womens = 2", "select customer from customers where mens + womens = 2"),
    Case("two attributes", "spend > history", "select customer from customers where spend > history"),
    Case("exact cents", "spend = 29.99", "select customer from customers where spend = 29.99"),
    Case("a ratio of attributes", "spend / history >= 0.5 and recency > 6", "select customer from customers where spend::double / history::double >= 0.5 and recency > 6"),
    Case("a band", "age_of_order = 'recent'", "select customer from customers where recency >= 3 and recency < 6"),
    Case("bands by order", "age_of_order >= 'old'", "select customer from customers where recency >= 6"),
    Case("the highest quarter", "value = '4'", "select customer from customers where history >= (select edge from edges where i = 3)"),
    Case("the lower quarters", "value < '3'", "select customer from customers where history < (select edge from edges where i = 2)"),
    Case("the held out", "segment 'held_out'", "select customer from customers where segment = 'No E-Mail'"),
    Case("buyers of the mailed", "segment 'mailed_buyers'", "select customer from customers where conversion = 1 and segment <> 'No E-Mail'"),
    Case("stages", "response = 'came'", "select customer from customers where visit = 1 and conversion = 0"),
    Case("stages, the rest", "not response in ('bought', 'came')", "select customer from customers where visit = 0 and conversion = 0"),
    Case("starts with", "mailed starts with 'mens'  ignoring case or mailed ends with 'Mail' and recency = 1", "select customer from customers where segment = 'Mens E-Mail' or recency = 1"),
    Case("contains", "channel contains 'i'", "select customer from customers where channel like '%i%'"),
    Case("nothing is missing", "not (spend is missing or area is missing)", "select customer from customers"),
    Case("or within and", "(mens = 1 or womens = 1 and newbie = false) and history > 1000", "select customer from customers where (mens = 1 or womens = 1 and newbie = 0) and history > 1000"),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schema beside the file, whose rows have got numbers as keys."""
    made = tmp_path_factory.mktemp("hillstrom")
    header, *rows = file("hillstrom/hillstrom.csv").read_text().splitlines()
    lines = [f"customer,{header}", *(f"{number},{row}" for number, row in enumerate(rows, 1))]
    (made / "hillstrom.csv").write_text("\n".join(lines) + "\n")
    (made / "schema.toml").write_text(SCHEMA)
    return made


@pytest.fixture(scope="module")
def index(folder: Path) -> Iterator[segdex.Index]:
    with segdex.build(folder / "schema.toml", as_of="2008-03-20T00:00:00Z", out=folder / "index") as built:
        assert built.count("everyone") == 64_000
    with segdex.open(folder / "index") as opened:
        yield opened


@pytest.fixture(scope="module")
def tables(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        kinds = "{'history': 'decimal(9, 2)', 'spend': 'decimal(9, 2)'}"
        read = f"read_csv('{folder / 'hillstrom.csv'}', types = {kinds})"
        connection.execute(f"create table customers as from {read}")
        connection.execute(VIEWS)
        yield connection


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hillstrom(case: Case, index: segdex.Index, tables: duckdb.DuckDBPyConnection) -> None:
    same(index, tables, case)
