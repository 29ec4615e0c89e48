"""The generated retailer: the same customer whatever the company, dirty corners where they are promised."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from segdex.demo import retailer
from segdex.demo.people import DEPARTMENTS
from segdex.errors import ArgumentError

STREAMS = ("orders", "emails", "visits", "cart_adds", "tickets", "subscriptions")


def whole(table: pa.Table | retailer.Generated) -> pa.Table:
    return table if isinstance(table, pa.Table) else table.table()


def of(table: pa.Table, most: int) -> list[str]:
    """The rows of the customers up to *most* as text (a NaN equals itself there), in an order of their own."""
    return sorted(str(row) for row in table.filter(pc.less_equal(table["customer_id"], most)).to_pylist())


@pytest.fixture(scope="module")
def few() -> dict[str, pa.Table]:
    return {name: whole(table) for name, table in retailer.generate(3_000).items()}


@pytest.mark.parametrize("name", ["customers", *STREAMS])
def test_a_customer_does_not_depend_on_the_others(name: str, few: dict[str, pa.Table]) -> None:
    fewer = whole(retailer.generate(120)[name])
    assert of(fewer, 120) == of(few[name], 120)


def test_blocks_do_not_show(few: dict[str, pa.Table], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retailer, "BLOCK", 700)
    for name in ("customers", "orders", "emails"):
        reader = retailer.generate(3_000)[name].reader()
        assert of(reader.read_all(), 3_000) == of(few[name], 3_000)


def test_a_table_is_read_as_often_as_wanted() -> None:
    table = retailer.generate(500)["orders"]
    first, again = pa.table(table), pa.table(table)
    assert first.num_rows > 0
    assert first.equals(again)


def test_another_seed_is_another_retailer(few: dict[str, pa.Table]) -> None:
    other = whole(retailer.generate(3_000, seed=8)["orders"])
    assert other.num_rows != few["orders"].num_rows


def test_dirty_corners(few: dict[str, pa.Table]) -> None:
    orders, visits, lookup = few["orders"], few["visits"], few["products"]
    assert orders["customer_id"].null_count > 0
    assert visits["customer_id"].null_count > 0
    assert orders["basket_id"].null_count > 0
    assert pc.any(pc.less(orders["amount"], 0)).as_py()
    assert pc.max(orders["ordered_at"]).as_py() > retailer.AS_OF
    assert pc.any(pc.invert(pc.is_in(orders["product_id"], lookup["product_id"].combine_chunks()))).as_py()
    assert lookup["department"].null_count > 0
    assert pc.any(pc.is_nan(visits["minutes"])).as_py()
    assert visits["minutes"].null_count > 0
    listed = set(few["customers"]["customer_id"].to_pylist())
    known = listed.union(*(few[name]["customer_id"].drop_null().to_pylist() for name in STREAMS))
    assert listed < known == set(range(1, 3_001))


def test_active_customers_differ_from_the_others(few: dict[str, pa.Table]) -> None:
    """What goes together in a shop goes together here: gold customers buy and click more."""
    customers, orders = few["customers"], few["orders"]
    gold = customers.filter(pc.equal(pc.utf8_lower(customers["tier"].cast(pa.string())), "gold"))["customer_id"]
    of_gold = pc.is_in(orders["customer_id"], gold.combine_chunks())
    share = len(gold) / len(customers)
    assert pc.mean(of_gold.cast(pa.float64())).as_py() > 3 * share


def test_favourites_are_as_popular_as_they_should_be(few: dict[str, pa.Table]) -> None:
    orders, lookup = few["orders"], few["products"]
    sold = orders.select(["product_id"]).join(lookup.select(["product_id", "department"]), "product_id")
    counts = {row["values"]: row["counts"] for row in pc.value_counts(sold["department"].cast(pa.string())).to_pylist()}
    assert set(counts) == {*DEPARTMENTS, None}
    assert counts["womens"] == max(counts.values())


def test_written_files_hold_the_same(tmp_path: Path) -> None:
    retailer.write(tmp_path / "data", 200)
    for name, table in retailer.generate(200).items():
        assert pq.read_table(tmp_path / "data" / f"{name}.parquet").num_rows == whole(table).num_rows


@pytest.mark.parametrize("customers", [0, -1, 100_000_001])
def test_an_impossible_number_is_refused(customers: int) -> None:
    with pytest.raises(ArgumentError, match="cannot generate"):
        retailer.generate(customers)


def test_the_clock_lies_within_the_data(few: dict[str, pa.Table]) -> None:
    times = few["emails"]["at"]
    assert pc.min(times).as_py() < retailer.AS_OF - dt.timedelta(days=2_000)
    assert pc.max(times).as_py() > retailer.AS_OF - dt.timedelta(days=1)
