"""Scores, top categories, matched ratios and formulas over families: by hand, and through an index."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import segdex
from segdex.errors import LimitError
from segdex.metrics import kernels_score, kernels_top, scores, select
from segdex.schema.load import load
from segdex.values.column import MISSING

AS_OF = dt.datetime(2026, 6, 30, 12, tzinfo=dt.UTC)
DAY = 86_400_000_000
FIELDS = {"action": "category", "category": "category", "amount": {"type": "number", "scale": 2}}


def ago(days: float) -> dt.datetime:
    return AS_OF - dt.timedelta(days=days)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """Events of customer 1 unless a row says otherwise."""
    columns = {
        "id": pa.array([row.get("id", 1) for row in rows], pa.int64()),
        "at": pa.array([row["at"] for row in rows], pa.timestamp("us", "UTC")),
        "unit": pa.array([row.get("unit") for row in rows], pa.string()),
        "action": pa.array([row.get("action") for row in rows], pa.string()),
        "category": pa.array([row.get("category") for row in rows], pa.string()),
        "amount": pa.array([row.get("amount") for row in rows], pa.int64()),
    }
    return pa.table(columns)


def build(metrics: dict[str, Any], rows: list[dict[str, Any]], **more: Any) -> segdex.Index:
    """An index of two streams of the same rows, ``events`` with units and ``visits`` without; customers 1 to 4."""
    stream = {"key": "id", "time": "at", "fields": FIELDS}
    schema = {
        "customers": {"key": "id"},
        "streams": {"events": stream | {"unit": "unit"}, "visits": stream},
        "metrics": metrics,
    }
    people = pa.table({"id": pa.array([1, 2, 3, 4], pa.int64())})
    sources = {"customers": people, "events": table(rows), "visits": table(rows)}
    return segdex.build(schema | more, as_of=AS_OF, sources=sources)


def values(index: segdex.Index, column: str) -> list[Any]:
    return index.members("everyone", columns=[column]).read_all()[column].to_pylist()  # type: ignore[no-any-return]


# --- scores ------------------------------------------------------------------------------------------------------


def test_a_score_halves_with_every_half_life() -> None:
    terms = [
        {"stream": "visits", "where": "action = 'open'", "points": 1},
        {"stream": "events", "where": "amount > 0", "points": 10},
    ]
    rows = [
        {"at": ago(30), "action": "open"},
        {"at": ago(60), "action": "open"},
        {"at": ago(90), "amount": 5, "unit": "a"},
        {"at": ago(80), "amount": 5, "unit": "a"},  # one transaction: of the time of its first row
        {"id": 2, "at": ago(0), "action": "open"},
        {"id": 3, "at": ago(-1), "action": "open"},  # not yet
    ]
    metrics = {
        "engagement": {"kind": "score", "half_life": "30d", "terms": terms},
        "plain": {"kind": "score", "terms": terms},
        "recent": {"kind": "score", "half_life": "30d", "window": "60d", "terms": terms},
    }
    with build(metrics, rows) as index:
        assert values(index, "engagement") == [0.5 + 0.25 + 1.25, 1.0, 0.0, 0.0]
        assert values(index, "plain") == [12.0, 1.0, 0.0, 0.0]
        assert values(index, "recent") == [0.5, 1.0, 0.0, 0.0]
        assert index.count("engagement > 0.9 and plain >= 1") == 2


def test_a_plain_score_is_exact() -> None:
    rows = [{"at": ago(n)} for n in range(10)]
    with build({"tenths": {"kind": "score", "terms": [{"stream": "visits", "points": 0.1}]}}, rows) as index:
        assert values(index, "tenths")[0] == 1.0
        assert index.count("tenths >= 1") == 1


def test_a_score_is_the_same_however_its_rows_come() -> None:
    terms = [{"stream": "visits", "where": f"action = '{name}'", "points": points}
             for name, points in (("a", 0.1), ("b", 0.7), ("c", -0.3))]  # fmt: skip
    metrics = {"engagement": {"kind": "score", "half_life": "7d", "terms": terms}}
    rows = [{"at": ago(n % 3 * 1.7), "action": name} for n, name in enumerate("abcab")]
    found = set()
    for ordered in itertools.permutations(rows):
        for listed in (terms, terms[::-1]):
            metrics["engagement"]["terms"] = listed
            with build(metrics, list(ordered)) as index:
                found.add(values(index, "engagement")[0])
        if len(found) > 1 or ordered[0] is not rows[0]:
            break
    assert len(found) == 1
    points = sorted((each["at"], {"a": 0.1, "b": 0.7, "c": -0.3}[each["action"]]) for each in rows)
    latest = points[-1][0]
    total = 0.0
    for at, each in points:
        total += each * 0.5 ** ((latest - at) / dt.timedelta(days=7))
    assert found == {total * 0.5 ** ((AS_OF - latest) / dt.timedelta(days=7))}


def test_decayed_points_in_any_order_of_ties() -> None:
    items = [(5, 3), (5, -1), (5, 3), (2, 7), (9, 0)]
    expected = 0.0
    for time, points in sorted(items):
        expected += points / 10.0 * 0.5 ** ((9 - time) / 3.0)
    expected *= 0.5 ** (1 / 3.0)
    for ordered in itertools.permutations(items):
        times, points = (np.array([each[at] for each in ordered], np.int64) for at in (0, 1))
        out = np.empty(3)
        kernels_score.decayed(np.array([0, 0, 5, 5], np.int64), times, points, 10.0, 10, 3.0, 0.5, out)
        assert out.tolist() == [0.0, expected, 0.0]


def test_many_decayed_points_at_few_times() -> None:
    generator = np.random.default_rng(3)
    for size in (1, 2, 3, 10, 100):
        times, points = generator.integers(0, 5, size), generator.integers(-3, 3, size)
        expected, latest = 0.0, int(times.max())
        for time, each in sorted(zip(times.tolist(), points.tolist(), strict=True)):
            expected += each * 0.5 ** ((latest - time) / 7.0)
        out = np.empty(1)
        kernels_score.decayed(np.array([0, size], np.int64), times, points, 1.0, latest, 7.0, 0.5, out)
        assert out[0] == expected


def test_a_sum_of_points_that_does_not_fit() -> None:
    large = 10**15 - 1
    offsets = np.array([0, 10_000], np.int64)
    with pytest.raises(LimitError, match="points"):
        scores.summed(offsets, np.full(10_000, large))
    assert scores.summed(offsets, np.full(10_000, -1)).tolist() == [-10_000]


def test_a_family_of_scores_takes_the_categories_of_all_its_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"at": ago(0), "category": "garden", "action": "toys"},
        {"id": 3, "at": ago(30), "category": "toys", "action": "ärmel"},
        {"id": 4, "at": ago(0), "category": None, "action": "toys"},
    ]
    terms = [{"stream": "visits", "by": "category", "points": 4}, {"stream": "events", "by": "action", "points": 1}]
    metrics = {"taste": {"kind": "score", "half_life": "30d", "terms": terms}}
    for most in (1, 100):
        monkeypatch.setattr(select, "MOST_ROWS", most)
        with build(metrics, rows, bands={"heat": {"metric": "taste", "edges": [1, 3]}}) as index:
            assert values(index, "taste['garden']") == [4.0, 0.0, 0.0, 0.0]
            assert values(index, "taste['toys']") == [1.0, 0.0, 2.0, 1.0]
            assert values(index, "taste['ärmel']") == [0.0, 0.0, 0.5, 0.0]
            assert values(index, "taste['never']") == [0.0] * 4
            assert index.count("heat['toys'] = '1..3'") == 3
            assert index.count("heat['garden'] = '..1'") == 3
            assert index.count("taste[any] >= 2") == 2


# --- top categories ----------------------------------------------------------------------------------------------


def test_the_top_category() -> None:
    rows = [
        {"at": ago(1), "category": "toys", "amount": 5, "unit": "a"},
        {"at": ago(1), "category": "toys", "amount": 5, "unit": "a"},  # one transaction
        {"at": ago(2), "category": "garden", "amount": 1, "unit": "b"},
        {"at": ago(3), "category": "garden", "amount": 1, "unit": "c"},
        {"id": 2, "at": ago(1), "category": "toys", "amount": -5},
        {"id": 2, "at": ago(1), "category": "garden", "amount": -7},
        {"id": 3, "at": ago(1), "category": None, "amount": 100},
    ]
    metrics = {
        "most_bought": {"kind": "top", "stream": "events", "by": "category"},
        "most_rows": {"kind": "top", "stream": "visits", "by": "category"},
        "most_spent": {"kind": "top", "stream": "events", "by": "category", "weight": "amount"},
        "most_of_family": {"kind": "top", "metric": "spent"},
        "spent": {"kind": "sum", "stream": "events", "field": "amount", "by": "category"},
        "last_bought": {"kind": "last", "stream": "events", "by": "category"},
        "latest": {"kind": "top", "metric": "last_bought"},
    }
    with build(metrics, rows) as index:
        assert values(index, "most_bought") == ["garden", "garden", None, None]  # of equal ones the first by bytes
        assert values(index, "most_rows") == ["garden", "garden", None, None]
        assert values(index, "most_spent") == ["toys", "toys", None, None]
        assert values(index, "most_of_family") == ["toys", "toys", None, None]
        assert values(index, "latest") == ["toys", "garden", None, None]
        assert index.count("most_bought = 'garden'") == 2
        assert index.count("most_bought != 'garden'") == 0
        assert index.count("most_bought is missing") == 2
        assert index.count("most_bought != most_spent") == 2
        assert index.count_by("everyone", "most_spent").counts == {"toys": 2, "missing": 2}
        assert index.count("top(events, by = category) = 'garden'") == 2
        assert index.count("top(events, by = category, weight = amount) in ('toys', 'x')") == 2
        assert index.count("top(events, 2d, by = category, where amount > 0) = 'toys'") == 1
        assert index.count("top(events, by = category, having amount >= 5) is known") == 1
        assert index.count("top(visits, by = category) = top(events, by = category, weight = amount)") == 0


def test_a_change_of_life_style() -> None:
    rows = [
        {"at": ago(200), "category": "party"}, {"at": ago(10), "category": "baby"},
        {"id": 2, "at": ago(200), "category": "party"}, {"id": 2, "at": ago(10), "category": "party"},
        {"id": 3, "at": ago(10), "category": "baby"},
    ]  # fmt: skip
    metrics = {
        "now": {"kind": "top", "stream": "visits", "by": "category", "window": "90d"},
        "before": {"kind": "top", "stream": "visits", "by": "category", "window": {"to": "90d"}},
    }
    with build(metrics, rows, segments={"changed": {"where": "now != before"}}) as index:
        assert index.keys(index.bitmap("segment 'changed'")).to_pylist() == [1]
        assert index.count("now = before") == 1
        assert index.count("top(visits, 90d, by = category) != top(visits, ..90d, by = category)") == 1


def test_a_top_category_of_an_order_compares_by_it() -> None:
    schema = {
        "streams": {"orders": {"time": "at", "fields": {
            "size": {"type": "category", "order": ["s", "m", "l"]}, "brand": {"type": "category", "fold": "lower"}}}},
        "metrics": {
            "usual": {"kind": "top", "stream": "orders", "by": "size"},
            "sizes": {"kind": "count", "stream": "orders", "by": "size"},
            "again": {"kind": "top", "metric": "sizes"},
            "twice": {"kind": "formula", "formula": "sizes * 2"},
            "third": {"kind": "top", "metric": "twice"},
            "brand_of": {"kind": "top", "stream": "orders", "by": "brand"},
        },
    }  # fmt: skip
    types = load(schema).types
    assert types["usual"] == types["again"] == types["third"]
    assert types["usual"].order == ("s", "m", "l")
    assert not types["usual"].family
    orders = pa.table({"customer_id": ["a", "b"], "at": [AS_OF] * 2, "size": ["l", "s"], "brand": ["Acme", None]})
    with segdex.build(schema, as_of=AS_OF, sources={"orders": orders}) as index:
        assert index.count("usual >= 'm'") == index.count("third > 's'") == 1
        assert index.count("brand_of = 'ACME'") == 1


def test_the_first_of_equal_keys_is_kept() -> None:
    best, chosen = np.full(3, MISSING), np.full(3, -1, np.int32)
    codes, customers = np.array([0, 0, 1, 1, 2], np.int32), np.array([0, 1, 0, 1, 1], np.uint32)
    kernels_top.keep_greatest(codes, customers, np.array([4, MISSING, 4, -2, -1]), best, chosen)
    assert chosen.tolist() == [0, 2, -1]
    assert best.tolist() == [4, -1, MISSING]


# --- matched ratios ----------------------------------------------------------------------------------------------


def mail(action: str, days: float, unit: str | None, category: str | None = "toys", **more: Any) -> dict[str, Any]:
    return {"action": action, "at": ago(days), "unit": unit, "category": category} | more


def test_clicks_are_counted_by_the_mail_that_they_belong_to() -> None:
    rows = [
        mail("sent", 40, "old"), mail("click", 1, "old"),  # sent before the window
        mail("sent", 29, "new"), mail("click", 28, "new"), mail("click", 27, "new"),  # two clicks, one mail
        mail("sent", 5, "none"),
        mail("click", 3, "stray"),  # never sent
        mail("sent", 2, None), mail("click", 2, None),  # a row without a unit is alone
        mail("sent", 4, "future"), mail("click", -1, "future"),
        mail("click", 9, "early", id=2), mail("sent", 8, "early", id=2),
        mail("click", 1, "x", id=3), mail("sent", 40, "x", id=3),
    ]  # fmt: skip
    numerator, denominator = ({"stream": "events", "where": f"action = '{each}'"} for each in ("click", "sent"))
    rate = {"kind": "ratio", "window": "30d", "numerator": numerator, "denominator": denominator}
    metrics = {
        "matched": rate | {"matched": True},
        "loose": rate,
        "by_category": rate | {"matched": True, "by": "category"},
    }
    with build(metrics, rows) as index:
        assert values(index, "matched") == [1 / 4, 1.0, None, None]
        assert values(index, "loose") == [4 / 4, 1.0, None, None]
        assert values(index, "by_category['toys']") == [1 / 4, 1.0, None, None]
        assert values(index, "by_category['x']") == [None] * 4


def test_clicks_later_than_a_window_that_has_ended_count() -> None:
    rows = [mail("sent", 100, "a"), mail("click", 1, "a"), mail("sent", 100, "b")]
    rate = {"kind": "ratio", "matched": True, "window": {"from": "180d", "to": "90d"},
            "numerator": {"stream": "events", "where": "action = 'click'"},
            "denominator": {"stream": "events", "where": "action = 'sent'"}}  # fmt: skip
    with build({"rate": rate}, rows) as index:
        assert values(index, "rate")[0] == 0.5


def test_a_matched_click_lies_in_the_category_of_its_mail() -> None:
    rows = [mail("sent", 9, "a", "toys"), mail("click", 9, "a", "garden"), mail("sent", 9, "b", "garden"),
            mail("click", 8, "b", "garden")]  # fmt: skip
    rate = {"kind": "ratio", "matched": True, "by": "category",
            "numerator": {"stream": "events", "where": "action = 'click'"},
            "denominator": {"stream": "events", "where": "action = 'sent'"}}  # fmt: skip
    with build({"rate": rate}, rows) as index:
        assert values(index, "rate['toys']")[0] == 0.0
        assert values(index, "rate['garden']")[0] == 1.0


def test_scores_tops_and_matched_ratios_are_saved(tmp_path: Path) -> None:
    side = {"stream": "events", "where": "action = 'open'"}
    metrics = {
        "taste": {"kind": "score", "half_life": "30d", "terms": [side | {"points": 0.1, "by": "category"}]},
        "loved": {"kind": "top", "metric": "taste"},
        "opened": {"kind": "ratio", "matched": True, "numerator": side, "denominator": {"stream": "events"}},
    }
    columns = ["taste['toys']", "taste['x']", "loved", "opened"]
    with build(metrics, [mail("open", 30, "a"), mail("sent", 0, "b")]) as index:
        found = [values(index, each) for each in columns]
        index.save(tmp_path / "index")
    assert [each[0] for each in found] == [0.05, 0.0, "toys", 0.5]
    with segdex.open(tmp_path / "index") as index:
        assert [values(index, each) for each in columns] == found


# --- formulas over families --------------------------------------------------------------------------------------

BOUGHT = [
    {"at": ago(1), "category": "toys"}, {"at": ago(1), "category": "toys"}, {"at": ago(1), "category": "garden"},
    {"id": 2, "at": ago(1), "category": "garden"}, {"id": 3, "at": ago(1), "category": None},
]  # fmt: skip
FAMILIES = {
    "visits_ever": {"kind": "count", "stream": "visits"},
    "bought": {"kind": "count", "stream": "visits", "by": "category"},
    "part": {"kind": "share", "stream": "visits", "by": "category"},
    "other": {"kind": "formula", "formula": "visits_ever - bought"},
    "each": {"kind": "formula", "formula": "bought / visits_ever"},
    "gap": {"kind": "formula", "formula": "part - each"},
    "odd": {"kind": "formula", "formula": "1 / (bought - visits_ever + 1)"},
    "toys": {"kind": "formula", "formula": "bought['toys'] * 10 + visits_ever"},
    "deep": {"kind": "formula", "formula": "other * bought + bought['garden']"},
}
BANDS = {
    "rest": {"metric": "other", "edges": [1, 2], "labels": ["none", "one", "more"]},
    "odds": {"metric": "odd", "edges": [0]},
}


def test_formulas_over_families(tmp_path: Path) -> None:
    with build(FAMILIES, BOUGHT, bands=BANDS) as index:
        check_families(index)
        index.save(tmp_path / "index")
    with segdex.open(tmp_path / "index") as index:
        check_families(index)


def check_families(index: segdex.Index) -> None:
    assert values(index, "other['toys']") == [1.0, 1.0, 1.0, 0.0]
    assert values(index, "other['garden']") == [2.0, 0.0, 1.0, 0.0]
    assert values(index, "other['never']") == [3.0, 1.0, 1.0, 0.0]
    assert values(index, "each['toys']") == [2 / 3, 0.0, 0.0, None]
    assert values(index, "gap['garden']") == [0.0, 0.0, 0.0, None]
    assert values(index, "gap['never']") == [0.0, 0.0, 0.0, None]
    assert values(index, "odd['toys']") == [None, None, None, 1.0]
    assert values(index, "odd['garden']") == [-1.0, 1.0, None, 1.0]
    assert values(index, "odd['never']") == [-0.5, None, None, 1.0]
    assert values(index, "toys") == [23.0, 1.0, 1.0, 0.0]
    assert values(index, "deep['toys']") == [3.0, 1.0, 0.0, 0.0]
    assert index.count("other['never'] > 0") == 3
    assert index.count("other['garden'] >= 1") == 2
    assert index.count("other[any] = 0") == 2
    assert index.count("not other[any] = 0") == 2
    assert index.count("any c (other[c] = 1 and bought[c] = 0)") == 2
    assert index.count("rest['never'] = 'more'") == 1
    assert index.count("rest['garden'] != 'none'") == 2
    assert index.count("rest['garden'] in ('none', 'one')") == 3
    assert index.count("odds['garden'] = '0..'") == 2
    assert index.count("odd['never'] is missing") == 2
    assert index.count("bought['toys'] / visits_ever > 0.5") == 1
    assert index.count("each['toys'] > 0.5") == 1
    customer = index.customer(1)
    assert customer.metrics["other"] == {"garden": 2.0, "toys": 1.0}
    assert customer.bands["rest"] == {"garden": "more", "toys": "one"}


def test_formulas_a_few_categories_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "MOST_ROWS", 1)
    with build(FAMILIES, BOUGHT, bands=BANDS) as index:
        check_families(index)
    with build(FAMILIES, [], bands=BANDS) as index:
        assert values(index, "other['never']") == [0.0] * 4
        assert index.count("odd['toys'] = 1") == 4
