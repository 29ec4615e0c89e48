"""Sums at the ends of int64, orders that a sum of floats depends on, and numbers that float64 cannot hold."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import math
import random
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex
from segdex.errors import LimitError
from segdex.metrics import kernels_sum, select
from segdex.metrics.attributes import years_since
from segdex.metrics.compute import Source, compute
from segdex.metrics.select import blocks
from segdex.schema.load import load
from segdex.schema.model import Metric
from segdex.schema.types import ValueType
from segdex.values.column import MISSING, Column
from tests.metrics.worlds import AS_OF, FIELDS, STREAMS, ZONE, Row, events, make_world, source
from tests.oracle import metrics as oracle

TOP = 2**63 - 1
EPOCH = dt.date(1970, 1, 1).toordinal()


def made(held: list[dict[str, Any]], stream: str = "visits") -> Source:
    """One customer with rows of these fields; each at its own time unless told otherwise."""
    rows = [
        Row(0, each.get("at", AS_OF - dt.timedelta(days=n)), each.get("unit"), dict.fromkeys(FIELDS) | each)
        for n, each in enumerate(held)
    ]
    generator = random.Random(len(held))
    return source(make_world({name: rows if name == stream else [] for name in STREAMS}, generator, 1), generator)


def value(keys: dict[str, Any], held: Source, stream: str = "visits") -> Any:
    streams = {stream: {"fields": FIELDS, "time": "at"} | ({"unit": "basket"} if STREAMS[stream][1] else {})}
    metrics = {"m": {"stream": stream} | keys}
    catalog = load({"timezone": ZONE.key, "streams": streams, "metrics": metrics})
    found = compute(catalog.schema.metrics["m"], held)
    assert isinstance(found, Column)
    return found.data[0].item()


def numbers(field: str, *values: Any) -> Source:
    return made([{field: each} for each in values])


@pytest.mark.parametrize(
    "values", [[TOP], [TOP, -1], [TOP, 1, -1], [-TOP, TOP, TOP], [-TOP], [2**62, 2**62, -(2**62)], [2**32 - 1] * 3]
)
def test_sums_that_fit_do_not_depend_on_the_order(values: list[int]) -> None:
    for ordered in itertools.permutations(values):
        assert value({"kind": "sum", "field": "quantity"}, numbers("quantity", *ordered)) == sum(values)


@pytest.mark.parametrize("values", [[TOP, 1], [-TOP, -1], [-TOP, -2], [2**62, 2**62], [-TOP] * 5, [TOP] * 9])
@pytest.mark.parametrize("kind", ["sum", "mean"])
def test_a_sum_beyond_int64_is_refused_by_name(values: list[int], kind: str) -> None:
    with pytest.raises(LimitError, match=r"field 'quantity' of stream 'visits'"):
        value({"kind": kind, "field": "quantity"}, numbers("quantity", *values))


def test_a_transaction_beyond_int64_is_refused() -> None:
    rows = [{"quantity": TOP, "unit": "a"}, {"quantity": 1, "unit": "a"}]
    with pytest.raises(LimitError, match="64-bit"):
        value({"kind": "max", "field": "quantity"}, made(rows, "orders"), "orders")


def test_the_median_of_large_integers() -> None:
    assert value({"kind": "median", "field": "quantity"}, numbers("quantity", TOP, TOP)) == float(TOP)
    assert value({"kind": "median", "field": "quantity"}, numbers("quantity", -TOP, -TOP, 0, -TOP)) == float(-TOP)
    assert value({"kind": "median", "field": "quantity"}, numbers("quantity", TOP, -TOP)) == 0.0


def test_a_mean_is_one_division() -> None:
    large = 2**53 + 1  # as floats these would sum to 2**54
    assert float(2 * large + 1) / 3 != float(2**54) / 3
    found = value({"kind": "mean", "field": "quantity"}, numbers("quantity", large, large, 1))
    assert found == float(2 * large + 1) / 3


def test_floats_sum_in_order_of_time_and_then_value() -> None:
    big = [{"score": each, "at": AS_OF} for each in (1e16, 1.0, -1e16, 1.0)]
    expected = ((-1e16 + 1.0) + 1.0) + 1e16
    for ordered in itertools.permutations(big):
        assert value({"kind": "sum", "field": "score"}, made(list(ordered))) == expected
    assert expected != ((1e16 + 1.0) - 1e16) + 1.0


def test_transactions_that_interleave_sum_in_order_of_their_selected_times() -> None:
    at = [AS_OF - dt.timedelta(hours=n) for n in range(5)]
    rows = [
        {"score": 9.0, "at": at[4], "unit": "a", "gift": False},
        {"score": 1e16, "at": at[1], "unit": "a", "gift": True},
        {"score": 1.0, "at": at[3], "unit": "b", "gift": True},
        {"score": -1e16, "at": at[2], "unit": "c", "gift": True},
    ]
    asked = {"kind": "sum", "field": "score", "where": "gift = true"}
    assert value(asked, made(rows, "orders"), "orders") == (1.0 + -1e16) + 1e16


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16, -0.0])), max_size=40))
def test_any_order_of_floats_gives_the_same_bits(items: list[tuple[int, float]]) -> None:
    expected = 0.0
    for _, each in sorted(items):
        expected += each
    time, values = np.array([t for t, _ in items], np.int64), np.array([v for _, v in items])
    total, known = np.empty(1), np.empty(1, np.int64)
    offsets, inside = np.array([0, len(items)], np.int64), np.ones(len(items), np.bool_)
    kernels_sum.sum_floats(offsets, inside, time, values, total, known)
    assert total[0] == expected
    assert known[0] == len(items)


def test_a_transaction_is_inside_by_the_time_of_its_earliest_selected_row() -> None:
    edge = AS_OF - dt.timedelta(days=30)
    rows = [
        {"amount": 1, "at": edge, "unit": "a", "gift": False},
        {"amount": 2, "at": edge + dt.timedelta(microseconds=1), "unit": "a", "gift": True},
    ]
    held = made(rows, "orders")
    assert value({"kind": "rows", "window": "30d"}, held, "orders") == 0
    assert value({"kind": "rows", "window": {"to": "30d"}}, held, "orders") == 2
    assert value({"kind": "rows", "window": "30d", "where": "gift = true"}, held, "orders") == 1


def test_due_today_is_the_nearest_future() -> None:
    today = AS_OF.astimezone(ZONE).date()
    held = numbers("due", today, today + dt.timedelta(days=9), today - dt.timedelta(days=1))
    assert value({"kind": "days_until", "field": "due"}, held) == 0.0
    past = numbers("due", today - dt.timedelta(days=2), today - dt.timedelta(days=7))
    assert value({"kind": "days_until", "field": "due"}, past) == -2.0


@pytest.mark.parametrize("most", [1, 2, 3, 7, 100])
def test_blocks_hold_whole_customers_and_leave_nothing_out(most: int) -> None:
    generator = random.Random(most)
    rows = [Row(generator.choice([1, 1, 1, 4, 6]), AS_OF, "a", dict.fromkeys(FIELDS)) for _ in range(12)]
    whole = events("orders", rows, 9, generator)
    parts = list(blocks(whole, most))
    sizes = np.concatenate([np.diff(part.offsets) for part in parts])
    assert sizes.tolist() == np.diff(whole.offsets).tolist()
    assert all(part.rows <= most or np.count_nonzero(np.diff(part.offsets)) == 1 for part in parts)
    assert whole.units is not None
    units = np.concatenate([np.diff(part.units) for part in parts if part.units is not None])
    assert units.tolist() == np.diff(whole.units).tolist()
    of_customers = np.concatenate([np.diff(part.unit_offsets) for part in parts if part.unit_offsets is not None])
    assert whole.unit_offsets is not None
    assert of_customers.tolist() == np.diff(whole.unit_offsets).tolist()


def test_tags_of_rows_are_cut_into_blocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "MOST_ROWS", 2)
    keys, tags = ["a", "a", "b", "c", "c", "c"], [["x"], [], None, ["y", "x"], ["y"], ["x"]]
    table = pa.table({"key": keys, "tags": tags})
    schema = {"streams": {"notes": {"key": "key", "fields": {"tags": "tags"}}}}
    index = segdex.build(schema, as_of=AS_OF, sources={"notes": table})
    for tag, counts in (("x", [1, 0, 2]), ("y", [0, 0, 2])):
        asked = f"count(notes, where tags has any ('{tag}'))"
        assert index.members("everyone", columns=[asked]).read_all().column(1).to_pylist() == counts


def test_integer_ids_are_values_too() -> None:
    held = made([{}, {}, {}])
    fields = dict(held.events["visits"].fields)
    fields["product"] = Column(ValueType("id", role="field"), np.array([7, 9, 7], np.int64))
    visits = dataclasses.replace(held.events["visits"], fields=fields)
    held = dataclasses.replace(held, events={**held.events, "visits": visits})
    assert value({"kind": "distinct", "field": "product"}, held) == 2
    assert value({"kind": "last_value", "field": "product"}, held) == 7


def test_full_years_from_every_day_around_a_leap_day() -> None:
    births = [
        dt.date(year, 2, 1) + dt.timedelta(days=n) for year in (1, 1900, 1999, 2000, 2024, 2027) for n in range(60)
    ]
    days = np.array([MISSING, *(each.toordinal() - EPOCH for each in births)], np.int64)
    for today in [dt.date(year, 2, 26) + dt.timedelta(days=n) for year in (2024, 2025, 2026, 2028) for n in range(6)]:
        world = oracle.World(dt.datetime(today.year, today.month, today.day, 12, tzinfo=dt.UTC), ZoneInfo("UTC"), {})
        asked = Metric(kind="years_since", attribute="born")
        expected = [oracle._of_attribute(asked, each, world) for each in births]
        assert years_since(days, today.toordinal() - EPOCH).tolist() == [MISSING, *expected], today


def test_a_leap_day_is_full_on_the_28th_of_a_common_year() -> None:
    born = np.array([dt.date(2000, 2, 29).toordinal() - EPOCH], np.int64)
    for today, years in (
        ("2001-02-27", 0),
        ("2001-02-28", 1),
        ("2004-02-28", 3),
        ("2004-02-29", 4),
        ("1999-12-31", -1),
    ):
        assert years_since(born, dt.date.fromisoformat(today).toordinal() - EPOCH).tolist() == [years]


def test_a_median_of_the_largest_numbers_is_no_infinity() -> None:
    schema = {"customers": {"key": "k"}, "streams": {"r": {"key": "k", "fields": {"amount": "number"}}}}
    rows = pa.table({"k": [1, 1, 2, 2], "amount": [1e308, 1.5e308, math.inf, 1.0]})
    with segdex.build(schema, as_of="2026-06-30T00:00:00Z", sources={"r": rows}) as index:
        found = index.members("everyone", columns=["median(r.amount)"]).read_all().column(1).to_pylist()
    assert found == [1.25e308, math.inf]
