"""Masks over columns against the naive meaning of a rule, on values that hug edges."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.rules import nodes as n
from segdex.rules.windows import Duration
from segdex.schema.types import ValueType
from segdex.values import clock, masks
from segdex.values.column import BOOLEANS, MISSING, Column
from tests.oracle import rules as oracle

ZONE = ZoneInfo("America/New_York")
AS_OF = dt.datetime(2026, 3, 8, 7, 30, tzinfo=dt.UTC)  # half an hour after clocks went forward
ORDER = ("low", "mid", "high")
WORLD = oracle.World(AS_OF, ZONE, {"income": ORDER})
BIG = 2**53

INTEGERS = st.sampled_from([0, 1, -1, 2, 7, BIG, BIG + 1, -BIG - 1, 2**63 - 1, -(2**63) + 1])
DECIMALS = st.sampled_from(["0", "0.01", "-0.01", "7", "7.5", "19.99", "20", "-3.2"]).map(Decimal)
FLOATS = st.sampled_from([0.0, -0.0, 0.1, 0.2, 0.1 + 0.2, 0.3, 0.75, 7.0, -7.5, 1e300, math.inf, -math.inf, float(BIG)])
DATES = st.sampled_from([dt.date(2024, 2, 29), dt.date(2026, 1, 31), dt.date(2026, 3, 7), dt.date(2026, 3, 8)])
TIMES = st.sampled_from([
    AS_OF, AS_OF + dt.timedelta(microseconds=1), dt.datetime(2026, 3, 8, 5, 0, tzinfo=dt.UTC),
    dt.datetime(2026, 3, 8, 4, 59, 59, 999999, tzinfo=dt.UTC), dt.datetime(2026, 3, 9, 4, 0, tzinfo=dt.UTC),
    dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC),
])  # fmt: skip
TEXTS = st.sampled_from(["", "a", "A", "ab", "Ünï", "ünï", "spring-sale", "x@gmail.com", "'quoted'"])
LEVELS = st.sampled_from([*ORDER, "other"])
TAGS = st.frozensets(st.sampled_from(["vip", "beta", "new"]))

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "visits": INTEGERS, "points": INTEGERS, "spend": DECIMALS, "cost": DECIMALS, "share": FLOATS, "rate": FLOATS,
    "born": DATES, "renews": DATES, "seen": TIMES, "left": TIMES, "city": TEXTS, "town": TEXTS, "income": LEVELS,
    "wealth": LEVELS, "consent": st.booleans(), "tags": TAGS,
}  # fmt: skip
TYPES = {
    "visits": ValueType("integer"), "points": ValueType("integer"), "spend": ValueType("number", scale=2),
    "cost": ValueType("number", scale=3), "share": ValueType("number"), "rate": ValueType("number"),
    "born": ValueType("date"), "renews": ValueType("date"), "seen": ValueType("time"), "left": ValueType("time"),
    "city": ValueType("category"), "town": ValueType("text"), "income": ValueType("category", order=ORDER),
    "wealth": ValueType("category", order=ORDER), "consent": ValueType("bool"), "tags": ValueType("tags"),
}  # fmt: skip


def column(name: str, values: list[Any]) -> Column:
    kind = TYPES[name]
    if kind.kind == "tags":
        return _tags(kind, values)
    if kind.kind == "bool":
        return Column(kind, np.array([-1 if v is None else int(v) for v in values], np.int32), BOOLEANS)
    if kind.kind in ("category", "text"):
        known = sorted({v for v in values if v is not None}, key=str.encode)
        codes = np.array([-1 if v is None else known.index(v) for v in values], np.int32)
        return Column(kind, codes, pa.array(known, pa.large_string()))
    if kind.kind == "number" and kind.scale is None:
        return Column(kind, np.array([math.nan if v is None else v for v in values], np.float64))
    return Column(kind, np.array([MISSING if v is None else _whole(v, kind) for v in values], np.int64))


def _whole(value: Any, kind: ValueType) -> int:
    if kind.kind == "date":
        return value.toordinal() - 719163
    if kind.kind == "time":
        return clock.to_microseconds(value)
    return int(Decimal(value).scaleb(kind.scale or 0))


def _tags(kind: ValueType, values: list[Any]) -> Column:
    known = sorted({tag for v in values if v is not None for tag in v}, key=str.encode)
    items = [[-1] if v is None else sorted(known.index(tag) for tag in v) for v in values]
    offsets = np.cumsum([0, *(len(item) for item in items)]).astype(np.int64)
    return Column(
        kind, np.array([c for item in items for c in item], np.int32), pa.array(known, pa.large_string()), offsets
    )


class Table:
    """Rows of values as items of a rule."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.count = len(rows)
        self.as_of = clock.to_microseconds(AS_OF)
        self.zone = ZONE
        self._columns = {name: column(name, [row[name] for row in rows]) for name in TYPES}

    def column(self, node: n.Name) -> Column:
        return self._columns[node.name]


def _constants(values: st.SearchStrategy[Any], node: type[Any]) -> st.SearchStrategy[Any]:
    return values.map(node)


NUMBERS = st.sampled_from(
    ["0", "0.005", "0.1", "0.2", "0.3", "0.75", "7", "7.5", "19.99", "19.995", "-0.01", str(BIG + 1), "1e19", "-1e19"]
).map(lambda text: n.Number(Decimal(text)))
NUMERIC = [n.Name(name) for name, kind in TYPES.items() if kind.numeric]
DATED = [n.Name(name) for name, kind in TYPES.items() if kind.kind in ("date", "time")]
DAYS = st.one_of(DATES.map(n.Date), st.just(n.Today()))
DURATIONS = st.builds(Duration, st.integers(0, 40), st.sampled_from(["d", "w", "mo", "y"])).map(n.Length)
ARITHMETIC = st.recursive(
    st.one_of(NUMBERS, st.sampled_from(NUMERIC)),
    lambda inner: st.one_of(
        st.builds(n.Arithmetic, st.sampled_from("+-*/"), inner, inner),
        st.sampled_from(NUMERIC).map(n.Negative),
    ),
    max_leaves=4,
)
MOVED = st.builds(
    n.Arithmetic, st.sampled_from("+-"), st.one_of(DAYS, st.sampled_from([n.Name("born"), n.Name("renews")])), DURATIONS
)
ANNIVERSARIES = st.sampled_from([n.Anniversary(n.Name(name)) for name in ("born", "renews", "seen", "left")])
EQUAL = st.sampled_from(["=", "!="])
ANY_ORDER = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])

LEAVES = st.one_of(
    st.builds(n.Compare, ANY_ORDER, ARITHMETIC, ARITHMETIC),
    st.builds(n.Compare, ANY_ORDER, st.sampled_from(NUMERIC), st.one_of(NUMBERS, st.sampled_from(NUMERIC))),
    st.builds(n.Compare, ANY_ORDER, st.sampled_from(DATED),
              st.one_of(DAYS, MOVED, st.sampled_from(DATED), TIMES.map(n.Time))),
    st.builds(n.Compare, ANY_ORDER, DAYS, st.sampled_from(DATED)),
    st.builds(n.Compare, ANY_ORDER, ANNIVERSARIES, st.one_of(DAYS, MOVED, st.sampled_from(DATED), TIMES.map(n.Time))),
    st.builds(n.Soon, st.one_of(st.sampled_from(DATED), ANNIVERSARIES, MOVED), DURATIONS.map(lambda held: held.value)),
    st.builds(n.Known, ANNIVERSARIES),
    st.builds(n.Compare, EQUAL, st.sampled_from([n.Name("city"), n.Name("town")]),
              st.one_of(TEXTS.map(n.Text), st.sampled_from([n.Name("town"), n.Name("city")]))),
    st.builds(n.Compare, ANY_ORDER, st.just(n.Name("income")),
              st.one_of(st.sampled_from(ORDER).map(n.Text), st.just(n.Name("wealth")))),
    st.builds(n.Compare, EQUAL, st.just(n.Name("consent")), st.booleans().map(n.Boolean)),
    st.builds(n.Between, st.sampled_from(NUMERIC), NUMBERS, ARITHMETIC),
    st.builds(n.Between, st.sampled_from(DATED), DAYS, MOVED),
    st.builds(n.In, st.sampled_from(NUMERIC), st.lists(NUMBERS, min_size=1, max_size=4).map(tuple), st.booleans()),
    st.builds(n.In, st.sampled_from(DATED), st.lists(DATES.map(n.Date), min_size=1).map(tuple), st.booleans()),
    st.builds(n.In, st.just(n.Name("city")), st.lists(TEXTS.map(n.Text), min_size=1).map(tuple), st.booleans()),
    st.builds(n.Has, st.just(n.Name("tags")), st.sampled_from(["any", "all", "none"]),
              st.lists(st.sampled_from(["vip", "beta", "never"]), min_size=1, max_size=4).map(tuple)),
    st.builds(n.Match, st.sampled_from([n.Name("city"), n.Name("town")]),
              st.sampled_from(["starts", "ends", "contains"]),
              TEXTS, st.booleans()),
    st.builds(n.Known, st.sampled_from([n.Name(name) for name in TYPES])),
    st.builds(n.Missing, st.one_of(st.sampled_from([n.Name(name) for name in TYPES]), ARITHMETIC)),
)  # fmt: skip
RULES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(n.Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: n.And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: n.Or(tuple(parts))),
    ),
    max_leaves=5,
)
ROWS = st.lists(
    st.fixed_dictionaries({name: st.one_of(st.none(), values) for name, values in VALUES.items()}), max_size=8
)


@settings(max_examples=600, deadline=None)
@given(rule=RULES, rows=ROWS)
def test_a_mask_holds_where_the_naive_meaning_does(rule: n.Rule, rows: list[dict[str, Any]]) -> None:
    expected = [oracle.holds(rule, row, WORLD) for row in rows]
    assert masks.mask(rule, Table(rows)).tolist() == expected


@pytest.mark.parametrize(
    ("op", "literal", "expected"),
    [("<", "12.345", [True, True, False]), (">=", "12.345", [False, False, True]), ("=", "12.34", [False, True, False]),
     ("!=", "12.345", [True, True, True]), ("<=", "12.3400", [True, True, False])],
)  # fmt: skip
def test_a_literal_between_two_steps_of_a_scale_is_not_rounded(op: Any, literal: str, expected: list[bool]) -> None:
    rows = [dict.fromkeys(TYPES) | {"spend": Decimal(value)} for value in ("12.33", "12.34", "12.35")]
    rule = n.Compare(op, n.Name("spend"), n.Number(Decimal(literal)))
    assert masks.mask(rule, Table(rows)).tolist() == expected


@pytest.mark.parametrize(
    "literal", ["9223372036854775807", "9223372036854775808", "1e19", "-9223372036854775808", "-1e19"]
)
@pytest.mark.parametrize("op", ["=", "!=", "<", "<=", ">", ">="])
def test_a_literal_beyond_the_integers_compares_like_any_other(op: Any, literal: str) -> None:
    rows = [dict.fromkeys(TYPES) | {"visits": value} for value in (0, 2**63 - 1, -(2**63) + 1, None)]
    rule = n.Compare(op, n.Name("visits"), n.Number(Decimal(literal)))
    assert masks.mask(rule, Table(rows)).tolist() == [oracle.holds(rule, row, WORLD) for row in rows]


@pytest.mark.parametrize("precision", [1, 2, 28])
def test_a_literal_is_compared_digit_by_digit_whatever_the_decimal_context(precision: int) -> None:
    rows = [dict.fromkeys(TYPES) | {"spend": Decimal("12.12"), "visits": 55}]
    table = Table(rows)
    with decimal.localcontext(decimal.Context(prec=precision, traps=[decimal.Inexact, decimal.Rounded])):
        for name, text, op, expected in [
            ("spend", "12.120000000000000000000000000001", "=", False),
            ("spend", "12.120000000000000000000000000001", "<", True),
            ("spend", "12.12", "=", True),
            ("visits", "55.0000000000000000000000000000001", "=", False),
            ("visits", "55", "=", True),
        ]:
            rule = n.Compare(op, n.Name(name), n.Number(Decimal(text)))
            assert masks.mask(rule, table).tolist() == [expected], (text, op)


def test_a_folded_category_lowers_the_literal() -> None:
    folded = Column(
        ValueType("category", fold=True), np.array([0, -1], np.int32), pa.array(["gold"], pa.large_string())
    )
    table = Table([dict.fromkeys(TYPES)] * 2)
    table._columns["city"] = folded
    for rule in (
        n.Compare("=", n.Name("city"), n.Text("Gold")),
        n.In(n.Name("city"), (n.Text("GOLD"),)),
        n.Match(n.Name("city"), "starts", "GO"),
    ):
        assert masks.mask(rule, table).tolist() == [True, False]
