"""P(alive) and its likelihood against the formulas of the paper, its histories against days counted one by one."""

from __future__ import annotations

import datetime as dt
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex
from segdex.cli import answers
from segdex.errors import LimitError, RuleError, SchemaError
from segdex.metrics import alive, kernels_alive, select
from segdex.metrics.compute import compute, compute_fitted
from segdex.rules.windows import Duration
from segdex.schema.model import Metric
from segdex.store import generations
from segdex.values.column import Column
from tests.metrics.worlds import AS_OF, STREAMS, TIMES, ZONE, World, make_world, random_rows, source, worlds
from tests.oracle import alive as oracle
from tests.oracle import metrics as metrics_oracle

CDNOW = (0.243, 4.414, 0.793, 2.426)
PARAMETERS = st.one_of(st.just(CDNOW), st.tuples(*(st.floats(0.05, 20) for _ in range(4))))


@st.composite
def customers(draw: st.DrawFn) -> tuple[int, int, int]:
    """x, t_x and T in days."""
    age = draw(st.integers(0, 800))
    repeats = draw(st.integers(0, min(age, 40)))
    return repeats, draw(st.integers(repeats, age)) if repeats else 0, age


def histories(held: list[tuple[int, int, int]], end: int = 20_000) -> alive.Histories:
    columns = zip(*((x + 1, end - age, end - age + t) for x, t, age in held), strict=True)
    return alive.Histories(*(np.array(each, np.int32) for each in columns))


# --- the formulas ----------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(PARAMETERS, st.lists(customers(), min_size=1, max_size=20), st.sampled_from([1.0, 7.0, 1.5]))
def test_p_alive_is_that_of_the_paper(parameters: Any, held: list[tuple[int, int, int]], per: float) -> None:
    of = histories(held)
    found = np.empty(len(held))
    kernels_alive.alive(of.days, of.first, of.last, 20_000, per, np.array(parameters), found)
    expected = [oracle.p_alive(parameters, x, t / per, age / per) for x, t, age in held]
    assert found.tolist() == pytest.approx(expected, rel=1e-11, abs=1e-300)
    assert all(0 <= each <= 1 for each in found.tolist())


@settings(max_examples=200)
@given(PARAMETERS, st.lists(customers(), min_size=1, max_size=20), st.sampled_from([1.0, 7.0, 1.5]))
def test_the_likelihood_is_that_of_the_paper(parameters: Any, held: list[tuple[int, int, int]], per: float) -> None:
    groups = alive.grouped(histories(held), 20_000)
    assert int(groups.customers.sum()) == len(held)
    found, slope = alive.log_likelihood(groups, per, np.array(parameters))
    expected = oracle.log_likelihood(parameters, [(x, t / per, age / per) for x, t, age in held])
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
    for at in range(4):
        step = 1e-5 * parameters[at]
        ends = []
        for sign in (-1, 1):
            moved = np.array(parameters)
            moved[at] += sign * step
            ends.append(alive.log_likelihood(groups, per, moved)[0])
        assert slope[at] == pytest.approx((ends[1] - ends[0]) / (2 * step), rel=1e-4, abs=1e-4)


def test_extremes_neither_overflow_nor_vanish() -> None:
    of = alive.Histories(*(np.array(each, np.int32) for each in ([3000, 2, 0, 1], [0, 0, 5, 0], [3000, 1, 5, 0])))
    found = np.empty(4)
    kernels_alive.alive(of.days, of.first, of.last, 10**7, 7.0, np.array(CDNOW), found)
    assert 0 <= found[0] < 1e-300
    assert 0 < found[1] < 1e-3
    assert math.isnan(found[2])
    assert found[3] == 1.0
    kernels_alive.alive(of.days, of.first, of.last, 3000, 7.0, np.array((1e-9, 1e-9, 1e9, 1e-9)), found)
    assert not np.isnan(found[[0, 1, 3]]).any()


# --- histories -------------------------------------------------------------------------------------------------

GIVEN = {"r": 0.5, "alpha": 3.0, "a": 0.8, "b": 2.0}
DECLARED = [
    Metric(kind="p_alive", stream=stream, per=per, where=where, having=having, **GIVEN)
    for stream in ("orders", "visits")
    for per in (None, Duration(1, "d"), Duration(36, "h"))
    for where, having in (
        (None, None),
        (segdex.parse("amount > 0"), None),
        (None, segdex.parse("quantity > 1")),
        (segdex.parse("level >= 'mid'"), segdex.parse("amount < 50")),
    )
]


def days_of(metric: Metric, customer: int, world: World) -> list[int]:
    found = metrics_oracle.transactions(metric, customer, world, None)
    return [each.time.astimezone(ZONE).date().toordinal() for each in found if each.time is not None]


@settings(max_examples=100)
@given(worlds(), st.sampled_from(DECLARED), st.integers(0, 99))
def test_p_alive_over_any_small_world(world: World, metric: Metric, seed: int) -> None:
    made = source(world, random.Random(seed))
    result = compute(metric, made)
    assert isinstance(result, Column)
    per = {None: 7.0, "d": 1.0, "h": 1.5}[metric.per and metric.per.unit]
    today = AS_OF.astimezone(ZONE).date().toordinal()
    for customer in range(made.count):
        history = oracle.history(days_of(metric, customer, world), today, per)
        value = result.data[customer].item()
        if history is None:
            assert math.isnan(value)
        else:
            assert value == pytest.approx(oracle.p_alive(tuple(GIVEN.values()), *history), rel=1e-11)


@settings(max_examples=60)
@given(
    worlds(),
    st.sampled_from([None, dt.date(2026, 3, 7), dt.date(2026, 3, 8), dt.date(2030, 1, 1), dt.date(2025, 12, 8)]),
)
def test_histories_end_on_the_day(world: World, end: dt.date | None) -> None:
    metric = Metric(kind="p_alive", stream="orders", end=end)
    made = source(world, random.Random(1))
    today = AS_OF.astimezone(ZONE).date()
    last = today if end is None else min(today, end)
    found = alive._histories(metric, made, (last - dt.date(1970, 1, 1)).days)
    for customer in range(made.count):
        held = oracle.history(days_of(metric, customer, world), last.toordinal(), 1.0)
        days = int(found.days[customer])
        assert days == (0 if held is None else held[0] + 1)
        if held is not None:
            assert found.last[customer] - found.first[customer] == held[1]
            assert (last - dt.date(1970, 1, 1)).days - found.first[customer] == held[2]


@pytest.mark.parametrize("most", [1, 7])
def test_histories_of_many_blocks(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random.Random(4)
    world = make_world({s: random_rows(generator, TIMES, t, 5, 40) for s, (t, _) in STREAMS.items()}, generator, 6)
    whole = compute(DECLARED[0], source(world, random.Random(2)))
    monkeypatch.setattr(select, "MOST_ROWS", most)
    parts = compute(DECLARED[0], source(world, random.Random(2)))
    assert isinstance(whole, Column)
    assert isinstance(parts, Column)
    assert np.array_equal(whole.data, parts.data, equal_nan=True)


# --- fitting ---------------------------------------------------------------------------------------------------


def simulated(parameters: tuple[float, float, float, float], count: int, weeks: float) -> list[tuple[int, int, int]]:
    """Customers as the model makes them, in days; those who buy twice on a day are left out."""
    generator = random.Random(9)
    r, alpha, a, b = parameters
    held = []
    for _ in range(count):
        age = int(generator.uniform(weeks / 2, weeks) * 7)
        rate, leaving = generator.gammavariate(r, 1 / alpha), generator.betavariate(a, b)
        at, days = 0.0, {0}
        while True:
            at += generator.expovariate(rate) * 7
            if at > age:
                break
            days.add(int(at))
            if generator.random() < leaving:
                break
        held.append((len(days) - 1, max(days), age))
    return held


def test_parameters_are_found_again() -> None:
    made = (1.2, 10.0, 0.8, 2.5)
    found = alive.fit(histories(simulated(made, 6_000, 100)), 20_000, 7.0)
    assert found == pytest.approx(made, rel=0.25)
    groups = alive.grouped(histories(simulated(made, 6_000, 100)), 20_000)
    best, slope = alive.log_likelihood(groups, 7.0, np.array(found))
    assert best > alive.log_likelihood(groups, 7.0, np.array(made))[0]
    assert np.abs(slope * found).max() / 6_000 < 1e-6


def test_a_sample_only_leads_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    held = histories(simulated((1.2, 10.0, 0.8, 2.5), 3_000, 100))
    whole = alive.fit(held, 20_000, 7.0)
    monkeypatch.setattr(alive, "MOST_GROUPS", 100)
    assert alive.fit(held, 20_000, 7.0) == pytest.approx(whole, rel=1e-5)
    monkeypatch.setattr(
        alive.Groups, "every", lambda *_: alive.Groups(*(np.zeros(1, np.int64),) * 3, np.ones(1, np.int64))
    )
    assert alive.fit(held, 20_000, 7.0) == pytest.approx(whole, rel=1e-5)


def test_the_order_of_customers_and_the_unit_of_time_do_not_matter() -> None:
    held = simulated((1.2, 10.0, 0.8, 2.5), 500, 60)
    weeks = alive.fit(histories(held), 20_000, 7.0)
    random.Random(1).shuffle(held)
    assert alive.fit(histories(held), 20_000, 7.0) == weeks
    r, alpha, a, b = alive.fit(histories(held), 20_000, 1.0)
    assert (r, alpha / 7, a, b) == pytest.approx(weeks, rel=1e-4)


@pytest.mark.parametrize(
    "held",
    [
        [(3, 30, 60)] * 50,  # all alike
        [(x, 60, 60) for x in range(1, 50)],  # everybody bought today
        [(1, 1, 700), (0, 0, 700)],
        [(1, 1, 1), (0, 0, 0)],
        [(0, 0, 9)] * 1_000 + [(1, 5, 9)],
        [(400, 400, 400)] * 3 + [(0, 0, 400)] * 3,
    ],
)
def test_odd_data_give_finite_parameters(held: list[tuple[int, int, int]]) -> None:
    found = alive.fit(histories(held), 20_000, 7.0)
    assert all(math.isfinite(each) and each > 0 for each in found)
    groups = alive.grouped(histories(held), 20_000)
    best = alive.log_likelihood(groups, 7.0, np.array(found))[0]
    for other in (CDNOW, (1.0, 1.0, 1.0, 1.0), (2.0, 20.0, 0.1, 3.0)):
        assert best >= alive.log_likelihood(groups, 7.0, np.array(other))[0] - 1e-6


@pytest.mark.parametrize("held", [[(0, 0, 9)] * 100, [(3, 7, 9)], [(0, 0, 0)]])
def test_too_little_data_are_refused(held: list[tuple[int, int, int]]) -> None:
    with pytest.raises(SchemaError, match="too little to fit") as caught:
        alive.fit(histories(held), 20_000, 7.0)
    assert "give r, alpha, a and b" in str(caught.value)


def test_a_search_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alive, "minimum", lambda *_: None)
    with pytest.raises(SchemaError, match="could not be fitted"):
        alive.fit(histories([(3, 7, 9), (1, 7, 9)]), 20_000, 7.0)


def test_a_history_of_geological_length_is_refused() -> None:
    with pytest.raises(LimitError, match="too long"):
        alive.grouped(histories([(1, 1, 3_000_000)], 3_000_000), 3_000_000)


# --- in an index -----------------------------------------------------------------------------------------------

SCHEMA: dict[str, Any] = {
    "customers": {"key": "id"},
    "streams": {"orders": {"key": "id", "time": "at", "fields": {"amount": "integer"}}},
    "metrics": {
        "active": {"kind": "p_alive", "stream": "orders"},
        "active_then": {"kind": "p_alive", "stream": "orders", "end": "2025-10-01"},
        "stated": {"kind": "p_alive", "stream": "orders"} | dict(zip(("r", "alpha", "a", "b"), CDNOW, strict=True)),
    },
    "bands": {"odds": {"metric": "active", "edges": [0.3, 0.7]}},
}
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def orders(held: list[tuple[int, int, int]]) -> pa.Table:
    """Rows with these histories up to 2026-01-01, and one of the future."""
    rows = [(at, NOON - dt.timedelta(days=age - day)) for at, (x, t, age) in enumerate(held)
            for day in sorted({round(t * step / max(x, 1)) for step in range(x + 1)})]  # fmt: skip
    rows.append((len(held), NOON + dt.timedelta(days=3)))
    return pa.table(
        {"id": [row[0] for row in rows], "at": pa.array([row[1] for row in rows], pa.timestamp("us", "UTC")),
         "amount": [1] * len(rows)}
    )  # fmt: skip


def build(held: list[tuple[int, int, int]], schema: dict[str, Any] = SCHEMA) -> segdex.Index:
    return segdex.build(schema, as_of=NOON + dt.timedelta(hours=6), sources={"orders": orders(held)})


def test_fitted_parameters_are_kept_with_the_index(tmp_path: Path) -> None:
    with build(simulated((1.2, 10.0, 0.8, 2.5), 400, 60)) as built:
        built.save(tmp_path / "index")
        values = built.members("everyone", columns=["active", "active_then", "stated", "odds"]).read_all()
    held = generations.load(tmp_path / "index").fitted
    assert set(held) == {"active", "active_then", "odds"}
    assert len(held["active"]) == len(held["active_then"]) == 4
    assert held["active"] != held["active_then"]
    told = answers.inspect(tmp_path / "index").models
    assert told["active"] == dict(zip(("r", "alpha", "a", "b"), held["active"], strict=True))
    with segdex.open(tmp_path / "index", verify=True) as opened:
        again = opened.members("everyone", columns=["active", "active_then", "stated", "odds"]).read_all()
        assert again.equals(values)
        r, alpha, a, b = held["active"]
        text = f"p_alive(orders, r = {r!r}, alpha = {alpha!r}, a = {a!r}, b = {b!r})"
        assert opened.count(f"{text} = active") == opened.count("active is known") == 400
        assert opened.count("p_alive(orders) = active") == 400
        assert opened.count("p_alive(orders, end = 2025-10-01) = active_then") == 400
        assert opened.count("odds = '0.7..'") == opened.count("active >= 0.7") > 0
        assert opened.customer(400).metrics["active"] is None


def test_parameters_of_an_earlier_build_are_used_again() -> None:
    with build(simulated((1.2, 10.0, 0.8, 2.5), 100, 60)) as built:
        made = built._running().base.customers.source()
    metrics = made.catalog.schema.metrics
    column, fitted = compute_fitted(metrics["active"], made, CDNOW)
    stated, nothing = compute_fitted(metrics["stated"], made, (1.0, 1.0, 1.0, 1.0))
    assert (fitted, nothing) == (CDNOW, None)
    assert isinstance(column, Column)
    assert isinstance(stated, Column)
    assert np.array_equal(column.data, stated.data, equal_nan=True)


def test_nothing_to_fit_is_no_error() -> None:
    with build([]) as built:  # one customer, whose only row is of the future
        assert built.count("active is missing and stated is missing") == built.count("everyone") == 1
        assert built.count("p_alive(orders) > 0") == 0


def test_what_cannot_be_fitted_is_refused_by_name() -> None:
    with pytest.raises(SchemaError) as caught:
        build([(0, 0, 5), (0, 0, 9)])
    assert caught.value.place == "metrics.active"
    assert caught.value.found == "2 customers with a transaction, 0 with transactions on two days"
    stated = SCHEMA | {"metrics": {"stated": SCHEMA["metrics"]["stated"]}, "bands": {}}
    with build([(0, 0, 5), (0, 0, 9)], stated) as built:
        assert built.count("stated = 1") == 2
        with pytest.raises(RuleError) as refused:
            built.count("p_alive(orders) > 0.5")
        assert refused.value.place == "p_alive(orders)"


def test_days_are_local() -> None:
    """Two rows an hour apart are one day in one zone and two days in another."""
    times = [dt.datetime(2025, 12, 1, 23, 30, tzinfo=dt.UTC), dt.datetime(2025, 12, 2, 0, 30, tzinfo=dt.UTC)]
    table = pa.table({"id": [1, 1], "at": pa.array(times, pa.timestamp("us", "UTC")), "amount": [1, 1]})
    stated = SCHEMA | {"metrics": {"stated": SCHEMA["metrics"]["stated"]}, "bands": {}}
    for zone, repeats in (("UTC", 1), ("Asia/Kolkata", 0)):
        with segdex.build(stated | {"timezone": zone}, as_of=NOON, sources={"orders": table}) as built:
            value = built.customer(1).metrics["stated"]
            assert value == pytest.approx(oracle.p_alive(CDNOW, repeats, repeats / 7, (30 + repeats) / 7))


def test_a_metric_made_of_it() -> None:
    schema = SCHEMA | {"metrics": SCHEMA["metrics"] | {"risk": {"kind": "formula", "formula": "1 - active"}}}
    with build(simulated((1.2, 10.0, 0.8, 2.5), 50, 60), schema) as built:
        assert built.count("risk + active = 1") == 50
