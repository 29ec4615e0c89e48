"""Rules straight from a stream: the same answers as declared, asked of few customers only, within a time."""

from __future__ import annotations

import time
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import segdex
from segdex.deadlines import Deadline, current, within
from segdex.metrics import select
from segdex.query import resolve
from segdex.rules import nodes as n
from tests.oracle import rules as oracle
from tests.query.test_rules_oracle import AS_OF, PEOPLE, RULES, WORLD, build, expected_items

CALLS: dict[str, n.Call] = {
    "orders": n.Call("count", "orders"),
    "bought": n.Call("count", "orders", by="department"),
    "value_share": n.Call("share", "orders", by="department", options={"weight": n.Name("amount")}),
    "basket": n.Call("mean", "orders", "amount", by="department"),
    "favourite": n.Call("top", "orders", by="department"),
}
"""The declared metrics of the schema as inline calls."""


def inlined(held: Any) -> Any:
    """A rule with inline calls in the place of declared metrics."""
    match held:
        case n.Name(name) if name in CALLS:
            return CALLS[name]
        case n.Node():
            return type(held)(*(inlined(getattr(held, field)) for field in held.__struct_fields__))
        case tuple():
            return tuple(inlined(each) for each in held)
        case _:
            return held


@pytest.mark.parametrize("share", [0.25, 1.0])
@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(people=st.lists(PEOPLE, max_size=12), rules=st.lists(RULES, min_size=10, max_size=10))
def test_inline_rules_say_what_declared_ones_do(
    share: float, people: list[dict[str, Any]], rules: list[n.Rule]
) -> None:
    items = expected_items(people)
    with pytest.MonkeyPatch.context() as patch, build(people) as index:
        patch.setattr(resolve, "MOST_AMONG", share)
        for rule in rules:
            expected = [at for at, item in enumerate(items) if oracle.holds(rule, item, WORLD)]
            asked = inlined(rule)
            assert index.count(asked) == len(expected), str(asked)
            assert index.keys(index.bitmap(asked)).to_pylist() == expected, str(asked)
            assert index.count(str(asked)) == len(expected), str(asked)


def shop(customers: int = 2000, rows: int = 20_000) -> segdex.Index:
    chance = np.random.default_rng(5)
    schema = {
        "customers": {"key": "id", "attributes": {"country": "category"}},
        "streams": {"orders": {"key": "id", "time": "at", "fields": {"amount": "integer", "shop": "category"}}},
    }
    people = pa.table(
        {"id": np.arange(customers), "country": chance.choice(["IN", "AE", "US"], customers, p=[0.05, 0.2, 0.75])}
    )
    orders = pa.table(
        {
            "id": chance.integers(0, customers, rows),
            "at": pa.array(chance.integers(0, 10**15, rows), pa.timestamp("us", "UTC")),
            "amount": chance.integers(1, 100, rows),
            "shop": chance.choice(["a", "b"], rows),
        }
    )
    return segdex.build(schema, as_of=AS_OF, sources={"customers": people, "orders": orders})


@pytest.fixture
def index() -> segdex.Index:
    return shop()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each block had that was gone through."""
    found: list[int] = []
    held = select.kept

    def kept(metric: Any, source: Any, events: Any) -> Any:
        found.append(events.rows)
        return held(metric, source, events)

    monkeypatch.setattr(select, "kept", kept)
    return found


@pytest.mark.parametrize(
    "rule",
    [
        "country = 'IN' and count(orders, where amount > 50) >= 5",
        "count(orders, where amount > 50) >= 5 and country = 'IN'",
        "country = 'IN' and not count(orders, where amount > 50) >= 5",
        "country in ('AE', 'US') or count(orders, where amount > 50) >= 5",
        "country = 'IN' and (country = 'AE' or sum(orders.amount) > 300)",
        "country = 'IN' and count(orders, by = shop)['a'] > count(orders, where shop = 'b')",
        "country = 'IN' and sequence(orders where amount > 50 then orders within 30d on shop) >= 1",
    ],
)  # fmt: skip
def test_few_customers_only_have_their_rows_looked_at(index: segdex.Index, seen: list[int], rule: str) -> None:
    found = index.count(rule)
    few = list(seen)
    assert few
    assert all(0 < rows < 2000 for rows in few)  # of 20,000
    assert index.count(rule) == found
    assert index.prepare(rule).count() == found
    assert seen == few  # it is kept
    calls = rule.replace("country = 'IN'", "everyone").replace("country in ('AE', 'US')", "not everyone")
    wanted = index.bitmap(calls) & index.bitmap("country = 'IN'")
    if " or count" in rule:
        wanted = index.bitmap(calls) | index.bitmap("country in ('AE', 'US')")
    assert index.bitmap(rule) == wanted


def test_many_customers_are_asked_all_at_once(index: segdex.Index, seen: list[int]) -> None:
    assert index.count("country = 'US' and count(orders) >= 5") > 0
    assert seen == [20_000]
    assert index.count("country = 'IN' and count(orders) >= 5") > 0
    assert seen == [20_000]  # what is kept of all is taken


def test_a_segment_is_asked_of_those_who_matter(seen: list[int]) -> None:
    schema = shop().schema
    assert schema.segments == {}
    index = shop()
    assert index.count("country = 'IN' and (count(orders) > 3 and count(orders) < 9)") > 0
    assert all(rows < 2000 for rows in seen)


# --- time ----------------------------------------------------------------------------------------------------------


def test_a_call_that_takes_too_long_ends(index: segdex.Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "MOST_ROWS", 100)
    rule = "sum(orders.amount, where shop = 'a') > 100"
    for ask in (
        lambda: index.count(rule, timeout=1e-9),
        lambda: index.counts(["everyone", rule], timeout=1e-9),
        lambda: index.bitmap(rule, timeout=1e-9),
        lambda: index.members(rule, timeout=1e-9),
        lambda: index.members("everyone", columns=["sum(orders.amount, where shop = 'a')"], timeout=1e-9),
        lambda: index.count_by(rule, "country", timeout=1e-9),
        lambda: index.aggregate("everyone", "sum(orders.amount, where shop = 'a')", timeout=1e-9),
        lambda: index.estimate(rule, timeout=1e-9),
    ):
        with pytest.raises(segdex.LimitError, match="takes too long"):
            ask()
    assert index.count(rule) == index.count(rule, timeout=60) > 0  # nothing is broken, and the rest is in time
    assert current().ends == float("inf")


def test_a_rule_over_categories_ends_too() -> None:
    index = shop()
    with pytest.raises(segdex.LimitError, match="takes too long"):
        index.count("any c (count(orders, by = shop)[c] > 1 and sum(orders.amount, by = shop)[c] > 2)", timeout=1e-9)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "1", True, Decimal(1)])
def test_a_timeout_is_a_positive_number(index: segdex.Index, timeout: Any) -> None:
    with pytest.raises(segdex.ArgumentError, match="timeout"):
        index.count("everyone", timeout=timeout)


def test_an_inner_timeout_never_lasts_longer() -> None:
    with within(0.001), within(60):
        time.sleep(0.01)
        with pytest.raises(segdex.LimitError):
            current().check()
    assert isinstance(current(), Deadline)


def test_blocks_side_by_side_give_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = ["count(orders, where amount > 50) >= 5", "mean(orders.amount) > 50", "count(orders, by = shop)['a'] > 3"]
    with shop() as index:
        expected = index.counts(rules)
    for rows in (1, 7, 1000):
        monkeypatch.setattr(select, "MOST_ROWS", rows)
        with shop() as index:
            assert index.counts(rules) == expected


@pytest.mark.compiled  # about whom it is fitted to; its kernels are run uncompiled in `tests/metrics/test_alive.py`
def test_a_model_is_fitted_to_all_whoever_is_asked_for() -> None:
    fitted, declared = "p_alive(orders) > 0.5", []
    with shop() as index:
        every = index.bitmap(fitted)
    with shop() as index:
        assert index.bitmap(f"country = 'IN' and {fitted}") == every & index.bitmap("country = 'IN'")
        declared = index.keys(index.bitmap("country = 'IN'")).to_pylist()[:20]
        keys = set(index.keys(every).to_pylist())
    with shop() as index:
        assert [each.holds for each in index.why(fitted, declared)] == [key in keys for key in declared]


def test_odd_names_are_not_taken_for_rules() -> None:
    ids = range(100)
    first, second = ["x" if i % 10 else "z" for i in ids], ["x" if i % 10 == 5 else "w" for i in ids]
    table = pa.table({"id": ids, "p": first, "q": second})
    attributes = {"p": "category", "not p": {"type": "category", "column": "q"}}
    schema = {"customers": {"key": "id", "attributes": attributes}, "streams": {"o": {"key": "id", "time": "at"}}}
    rows = pa.table({"id": ids, "at": pa.array([AS_OF] * 100, pa.timestamp("us", "UTC"))})
    with segdex.build(schema, as_of=AS_OF, sources={"customers": table, "o": rows}) as index:
        for rule, expected in (("not p = 'x'", [*range(0, 100, 10)]), ("\"not p\" = 'x'", [*range(5, 100, 10)])):
            assert list(index.bitmap(f"{rule} and count(o) > 0")) == expected
            assert list(index.bitmap(f"({rule} or {rule}) and bucket('a', 2) >= 0")) == expected


def test_every_call_takes_a_timeout(index: segdex.Index) -> None:
    rule = "any c (count(orders, by = shop)[c] > 1 and not sum(orders.amount, by = shop)[c] > 2000)"
    asks = (partial(index.contains, rule, 0), partial(index.why, rule, 0), partial(index.explain, rule))
    for ask in asks:
        with pytest.raises(segdex.LimitError, match="takes too long"):
            ask(timeout=1e-9)
    assert [ask(timeout=60) is not None for ask in asks] == [True] * 3
