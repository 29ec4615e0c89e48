"""`Index.aggregate` against plain Python, numpy and DuckDB."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import segdex
from segdex.query.aggregate import Aggregate
from tests.oracle import aggregates as oracle
from tests.query import shop

LARGEST = 2**63 - 1
QUANTILES = (0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 1)
KINDS: dict[str, Any] = {
    "country": "category",
    "consent": "bool",
    "points": "integer",
    "money": {"type": "number", "scale": 2},
    "rate": "number",
    "born": "date",
    "seen": "time",
}
SCHEMA: dict[str, Any] = {
    "customers": {"key": "id", "attributes": KINDS},
    "segments": {"no_email": {"where": "not consent = true", "suppression": ["email"]}},
}
TYPES = {
    "id": pa.int64(), "country": pa.string(), "consent": pa.bool_(), "points": pa.int64(),
    "money": pa.decimal128(38, 2), "rate": pa.float64(), "born": pa.date32(), "seen": pa.timestamp("us", "UTC"),
}  # fmt: skip
RULES = {
    "everyone": lambda _: True,
    "country = 'IN'": lambda person: person["country"] == "IN",
    "not country = 'IN'": lambda person: person["country"] != "IN",
    "country = 'XX'": lambda _: False,
    "points > 0": lambda person: (person["points"] or 0) > 0,
}
WHOLE = st.one_of(st.integers(-3, 3), st.integers(-LARGEST, LARGEST), st.sampled_from([-LARGEST, LARGEST]))
PERSON = st.fixed_dictionaries(
    {
        "country": st.sampled_from([None, "IN", "AE"]),
        "consent": st.sampled_from([None, True, False]),
        "points": st.none() | WHOLE,
        "money": st.none() | WHOLE.map(lambda cents: Decimal(f"{cents}e-2")),
        "rate": st.none() | st.floats(-2, 2) | st.floats(),
        "born": st.none() | st.dates(),
        "seen": st.none() | st.datetimes(timezones=st.just(dt.UTC)),
    }
)
ONE = {
    "country": "IN", "consent": True, "points": LARGEST, "money": Decimal("-0.01"), "rate": math.inf,
    "born": dt.date.max, "seen": dt.datetime(1, 1, 1, tzinfo=dt.UTC),
}  # fmt: skip
NOTHING: dict[str, Any] = dict.fromkeys(ONE)


def built(people: list[dict[str, Any]], fewest: int = 0) -> segdex.Index:
    columns = {name: [person[name] for person in people] for name in KINDS} | {"id": range(len(people))}
    table = pa.table({name: pa.array(columns[name], kind) for name, kind in TYPES.items()})
    schema = SCHEMA | {"privacy": {"minimum_count": fewest}}
    return segdex.build(schema, as_of=shop.AS_OF, sources={"customers": table})


def told(found: Aggregate) -> dict[str, Any]:
    names = ("count", "missing", "sum", "mean", "min", "max", "quantiles")
    return {name: getattr(found, name) for name in names}


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal; NaN is equal to itself."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    return bool(left == right) or (isinstance(left, float) and left != left and right != right)


@given(people=st.lists(PERSON, max_size=30), rule=st.sampled_from(list(RULES)), suppression=st.booleans())
@example(people=[], rule="everyone", suppression=False)
@example(people=[NOTHING], rule="everyone", suppression=False)
@example(people=[ONE], rule="everyone", suppression=False)
@example(people=[ONE] * 5 + [NOTHING] * 3, rule="everyone", suppression=True)
@example(people=[ONE | {"rate": sign * math.inf} for sign in (1, -1)], rule="everyone", suppression=False)
def test_it_is_what_plain_python_finds(people: list[dict[str, Any]], rule: str, suppression: bool) -> None:
    chosen = [each for each in people if RULES[rule](each) and (each["consent"] or not suppression)]
    with built(people) as index:
        for name in ("points", "money", "rate", "born", "seen"):
            values = [None if each[name] != each[name] else each[name] for each in chosen]
            expected = oracle.aggregate(values, QUANTILES)
            if name in ("born", "seen"):
                expected["sum"] = None
            found = index.aggregate(rule, name, quantiles=QUANTILES, suppression=suppression)
            assert same(told(found), expected), (name, found)
            assert found.to_arrow().num_rows == 1


@given(people=st.lists(PERSON, max_size=9), rule=st.sampled_from(list(RULES)), fewest=st.sampled_from([1, 2, 3, 5]))
@example(people=[ONE] * 5 + [NOTHING] * 5, rule="everyone", fewest=5)
@example(people=[ONE] * 4 + [NOTHING] * 4, rule="everyone", fewest=5)
@example(people=[NOTHING] * 4, rule="everyone", fewest=5)
def test_what_few_have_is_withheld(people: list[dict[str, Any]], rule: str, fewest: int) -> None:
    chosen = [each for each in people if RULES[rule](each)]
    with built(people, fewest) as index, built(people) as open_index:
        for name in ("points", "money", "rate", "born", "seen"):
            found, whole = (each.aggregate(rule, name, quantiles=QUANTILES) for each in (index, open_index))
            known = sum(each[name] is not None and each[name] == each[name] for each in chosen)
            expected = told(whole)
            if known in range(1, fewest):
                expected = dict.fromkeys(expected) | {"quantiles": dict.fromkeys(expected["quantiles"])}
            missing = len(chosen) - known
            expected["missing"] = None if missing in range(1, fewest) else missing
            assert same(told(found), expected), (name, found)
            assert found.to_arrow().schema == whole.to_arrow().schema
            assert ("few" in repr(found)) == (None in (found.count, found.missing))
        spread = index.count_by(rule, "country").counts
        assert spread == {
            label: None if number in range(1, fewest) else number
            for label, number in open_index.count_by(rule, "country").counts.items()
        }


@pytest.mark.parametrize("count", [65_535, 65_536, 65_537, 131_073])
@pytest.mark.parametrize("share", [0.001, 0.5, 1.0])
def test_chunks_end_where_they_end(count: int, share: float) -> None:
    rng = np.random.default_rng(count)
    points, rate = rng.integers(-50, 50, count), rng.normal(size=count)
    chosen, known = rng.random(count) < share, rng.random(count) < 0.9
    chosen[-1] = known[-1] = True
    points[-1], rate[-1] = 1_000, 1_000.0
    columns = {"id": np.arange(count), "chosen": pa.array(chosen), "points": pa.array(points, mask=~known),
               "rate": pa.array(rate, mask=~known)}  # fmt: skip
    schema = {"customers": {"key": "id", "attributes": {"chosen": "bool", "points": "integer", "rate": "number"}}}
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": pa.table(columns)}) as index:
        for name, data in (("points", points), ("rate", rate)):
            values = data[chosen & known]
            found = index.aggregate("chosen = true", name, quantiles=QUANTILES)
            assert (found.count, found.missing) == (len(values), int(chosen.sum()) - len(values))
            assert found.sum == sum(values.tolist())
            assert (found.min, found.max) == (values.min(), 1_000)
            places = [math.ceil(q * len(values)) - 1 for q in QUANTILES[1:]]
            assert list(found.quantiles.values()) == [values.min(), *np.sort(values)[places]]
            assert list(found.quantiles.values()) == [np.quantile(values, q, method="inverted_cdf") for q in QUANTILES]


def test_it_is_what_duckdb_finds() -> None:
    rng = np.random.default_rng(11)
    count = 4_000
    known = rng.random(count) < 0.8
    people = pa.table(
        {
            "id": np.arange(count),
            "country": pa.array(rng.choice(["IN", "AE", "US"], count)),
            "points": pa.array(rng.integers(-(2**62), 2**62, count) * 2, mask=~known),
            "money": pa.array(
                [Decimal(int(cents)).scaleb(-2) for cents in rng.integers(-500, 9_999, count)], pa.decimal128(18, 2)
            ),
            "born": pa.array(rng.integers(0, 20_000, count).astype("datetime64[D]"), mask=~known),
        }
    )
    kinds = {name: KINDS[name] for name in ("country", "points", "money", "born")}
    schema = {"customers": {"key": "id", "attributes": kinds}}
    database = duckdb.connect()
    database.register("people", people)
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": people}) as index:
        for name in ("points", "money", "born"):
            total = f"sum({name}), avg({name})" if name != "born" else "null, null"
            row = database.execute(
                f"select count({name}), count(*) - count({name}), {total}, min({name}), max({name}), "
                f"quantile_disc({name}, [0.1, 0.5, 0.99]) from people where country != 'IN'"
            ).fetchone()
            assert row is not None
            found = index.aggregate("country != 'IN'", name, quantiles=(0.1, 0.5, 0.99))
            assert [found.count, found.missing, found.sum, found.min, found.max] == [*row[:3], *row[4:6]]
            assert found.mean == row[3] if row[3] is None else math.isclose(found.mean or 0, row[3], rel_tol=1e-12)
            assert list(found.quantiles.values()) == row[6]


@pytest.fixture(scope="module")
def index() -> Iterator[segdex.Index]:
    with shop.index() as made:
        yield made


@pytest.mark.parametrize(
    ("name", "count", "total", "least", "greatest"),
    [
        ("spend", 5, Decimal("140.00"), Decimal("0.00"), Decimal("100.00")),
        ("orders_3m", 5, 1, 0, 1),
        ("value_share['garden']", 2, 0.8, 0.0, 0.8),
        ("value_share['never']", 2, 0.0, 0.0, 0.0),
        ("sum(orders.amount, 90d)", 5, Decimal("50.00"), Decimal("0.00"), Decimal("50.00")),
        ("mean(orders.amount)", 2, 90.0, 40.0, 50.0),
        ("birth_date", 3, None, dt.date(1980, 2, 29), dt.date(2010, 5, 5)),
        ("first(orders)", 2, None, dt.datetime(2025, 6, 30, tzinfo=dt.UTC), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    ],
)
def test_names_categories_and_calls(
    index: segdex.Index, name: str, count: int, total: Any, least: Any, greatest: Any
) -> None:
    found = index.aggregate("everyone", name)
    assert (found.count, found.missing, found.sum) == (count, 5 - count, total)
    assert (found.min, found.max) == (least, greatest)
    assert (type(found.min), type(found.sum)) == (type(least), type(total))
    assert list(found.quantiles) == [0.25, 0.5, 0.75]


def test_suppression_leaves_out_whom_it_is_for(index: segdex.Index) -> None:
    assert index.aggregate("everyone", "spend").sum == 140
    assert index.aggregate("everyone", "spend", suppression=["ads"]).sum == 100
    assert index.aggregate("everyone", "spend", suppression=True).count == 2


def test_a_sum_is_exact_beyond_int64_and_beyond_the_precision_of_decimals() -> None:
    people = [ONE | {"money": Decimal(f"{LARGEST}e-2")}] * 20 + [ONE | {"points": 1, "money": Decimal("0.01")}]
    with built(people) as index:
        points, money = index.aggregate("everyone", "points"), index.aggregate("everyone", "money")
        assert points.sum == 20 * LARGEST + 1
        assert money.sum == Decimal(f"{20 * LARGEST + 1}e-2")
        assert points.to_arrow()["sum"].to_pylist() == [points.sum]
        assert money.to_arrow()["sum"].to_pylist() == [money.sum]


def test_a_quantile_is_the_decimal_that_it_prints_as() -> None:
    with built([NOTHING | {"points": i} for i in range(1, 11)]) as index:
        tenths = [i / 10 for i in range(11)]
        found = index.aggregate("everyone", "points", quantiles=np.array(tenths))  # type: ignore[arg-type]
        assert list(found.quantiles.values()) == [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        assert index.aggregate("everyone", "points", quantiles=()).quantiles == {}
        assert index.aggregate("everyone", "points", quantiles=(0.5, 0.5)).quantiles == {0.5: 5}


def test_floats_are_added_in_one_order(tmp_path: Path) -> None:
    rates = [1e16, 1.0, -1e16, 1.0] * 50
    with built([NOTHING | {"rate": rate} for rate in rates]) as index:
        found = index.aggregate("everyone", "rate")
        index.save(tmp_path / "index")
    with segdex.open(tmp_path / "index") as opened:
        assert opened.aggregate("everyone", "rate") == found


def test_it_prints_and_goes_to_arrow(index: segdex.Index) -> None:
    found = index.aggregate("spend > 0", "spend", quantiles=(0.5,))
    assert repr(found) == (
        "<segdex.Aggregate of spend over spend > 0: 2 known, 0 missing, sum 140.00, mean 70.0, min 40.00, max 100.00, "
        "q0.5 40.00>"
    )
    assert found.to_arrow().to_pylist() == [
        {"rule": "spend > 0", "of": "spend", "count": 2, "missing": 0, "sum": Decimal(140), "mean": 70.0,
         "min": Decimal(40), "max": Decimal(100), "q0.5": Decimal(40)}
    ]  # fmt: skip
    nobody = index.aggregate("spend > 1000", "spend", quantiles=(0.5,))
    assert repr(nobody) == "<segdex.Aggregate of spend over spend > 1000: 0 known, 0 missing, sum 0.00>"
    assert pa.concat_tables([found.to_arrow(), nobody.to_arrow()])["sum"].to_pylist() == [Decimal(140), Decimal(0)]
    born = index.aggregate("everyone", "birth_date").to_arrow()
    assert born.schema.field("q0.25").type == pa.date32()
    assert born["sum"].to_pylist() == [None]


@pytest.mark.parametrize("name", ["country", "income", "recency", "lifecycle", "tags", "consent", "good", "email"])
def test_labels_are_counted_instead(index: segdex.Index, name: str) -> None:
    with pytest.raises(segdex.ArgumentError, match=r"is no number; found .*; use count_by"):
        index.aggregate("everyone", name)


def test_an_id_of_integers_is_no_number() -> None:
    schema = {"customers": {"key": "id", "attributes": {"ref": "id"}}}
    people = pa.table({"id": [1, 2], "ref": [12, None]})
    with segdex.build(schema, as_of=shop.AS_OF, sources={"customers": people}) as made:
        for ask in (made.aggregate, made.count_by):
            with pytest.raises(segdex.ArgumentError, match="found id") as caught:
                ask("everyone", "ref")
            assert caught.value.hint is None


@pytest.mark.parametrize(
    ("quantiles", "found"),
    [(0.5, "float"), ("0.5", "str"), (None, "NoneType"), ([1.5], "1.5"), ([-0.1], "-0.1"), ([math.nan], "nan"),
     ([True], "True"), (["0.5"], "'0.5'"), ([None], "None"), ([0.5, [0.5]], r"\[0.5\]")],
)  # fmt: skip
def test_wrong_quantiles_are_refused(index: segdex.Index, quantiles: Any, found: str) -> None:
    with pytest.raises(segdex.ArgumentError, match=f"quantiles; found {found}; allowed: numbers from 0 to 1"):
        index.aggregate("everyone", "spend", quantiles=quantiles)


def test_wrong_names_are_refused(index: segdex.Index) -> None:
    with pytest.raises(segdex.ArgumentError, match="did you mean 'spend'"):
        index.aggregate("everyone", "spned")
    with pytest.raises(segdex.ArgumentError, match="one value a category"):
        index.aggregate("everyone", "value_share")
    with pytest.raises(segdex.ArgumentError, match="ask for its aggregate"):
        index.count_by("everyone", "spend")
    with pytest.raises(segdex.RuleError):
        index.aggregate("spned > 5", "spend")
