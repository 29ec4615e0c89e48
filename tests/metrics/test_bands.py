"""Bands against counting, on values at, just below and just above every edge."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.errors import SchemaError
from segdex.metrics.bands import band
from segdex.schema.bands import default_labels
from segdex.schema.model import Band
from segdex.schema.types import ValueType
from segdex.values import clock
from segdex.values.column import MISSING, Column
from segdex.values.family import Family

ZONE = ZoneInfo("America/New_York")
INTEGER, SCALED, FLOAT = ValueType("integer"), ValueType("number", scale=2), ValueType("number")


def declared(edges: tuple[Any, ...]) -> Band:
    return Band(metric="m", edges=edges, labels=tuple(default_labels(edges)))


def quantiles(count: int) -> Band:
    return Band(metric="m", quantiles=count, labels=tuple(str(n + 1) for n in range(count)))


def column(kind: ValueType, values: list[Any]) -> Column:
    if kind == FLOAT:
        return Column(kind, np.array([math.nan if v is None else v for v in values], np.float64))
    return Column(kind, np.array([MISSING if v is None else v for v in values], np.int64))


def labels(of: Any) -> list[str | None]:
    assert isinstance(of, Column)
    assert of.dictionary is not None
    assert of.type == ValueType("category", order=tuple(of.dictionary.to_pylist()), role="band")
    names = of.dictionary.to_pylist()
    return [None if code < 0 else names[code] for code in of.data.tolist()]


# --- declared edges ----------------------------------------------------------------------------------------------

EDGES = st.lists(
    st.sampled_from(["-7.5", "-0.01", "0", "0.005", "0.2", "0.75", "7", "7.01", "100", "1e19", "-1e19"]),
    min_size=1, max_size=5, unique=True,
).map(lambda texts: tuple(sorted(map(Decimal, texts))))  # fmt: skip
NEAR = [-751, -750, -749, -1, 0, 1, 2, 19, 20, 21, 75, 7, 8, 700, 701, 2**63 - 1, -(2**63) + 1, None]
FLOATS = [-7.5, -0.01, 0.0, -0.0, 0.005, 0.2, 0.75, math.nextafter(0.2, 0), math.nextafter(0.2, 1), math.inf,
          -math.inf, 1e19, 7.01, None]  # fmt: skip


def naive_band(value: Any, edges: tuple[Any, ...], names: tuple[str, ...]) -> str | None:
    return None if value is None else names[sum(edge <= value for edge in edges)]


@settings(max_examples=100, deadline=None)
@given(EDGES, st.lists(st.sampled_from(NEAR)), st.sampled_from([INTEGER, SCALED]))
def test_bands_of_exact_numbers(edges: tuple[Decimal, ...], values: list[int | None], kind: ValueType) -> None:
    made = band(declared(edges), column(kind, values), None, ZONE)
    exact = [None if v is None else Fraction(v, 10 ** (kind.scale or 0)) for v in values]
    names = tuple(default_labels(edges))
    assert labels(made.values) == [naive_band(v, tuple(map(Fraction, edges)), names) for v in exact]
    assert list(made.edges) == sorted(made.edges)


@settings(max_examples=100, deadline=None)
@given(EDGES, st.lists(st.sampled_from(FLOATS)))
def test_bands_of_floats_compare_with_the_float_that_is_written(edges: tuple[Decimal, ...], values: list[Any]) -> None:
    made = band(declared(edges), column(FLOAT, values), None, ZONE)
    names = tuple(default_labels(edges))
    assert labels(made.values) == [naive_band(v, tuple(map(float, edges)), names) for v in values]
    assert made.edges == tuple(map(float, edges))


def test_edges_of_many_digits_are_exact() -> None:
    edge = Decimal("9223372036854775806.000000000000000000000000000001")
    made = band(declared((edge,)), column(INTEGER, [2**63 - 2, 2**63 - 1]), None, ZONE)
    assert made.edges == (2**63 - 1,)
    assert labels(made.values) == [f"..{edge:f}", f"{edge:f}.."]


def test_bands_of_dates_and_times() -> None:
    day = dt.date(2026, 3, 8)
    days = (day - dt.date(1970, 1, 1)).days
    of_dates = band(declared((day,)), column(ValueType("date"), [days - 1, days, None]), None, ZONE)
    assert labels(of_dates.values) == ["..2026-03-08", "2026-03-08..", None]
    midnight = clock.to_microseconds(dt.datetime(2026, 3, 8, 5, tzinfo=dt.UTC))
    of_times = band(declared((day,)), column(ValueType("time"), [midnight - 1, midnight, None]), None, ZONE)
    assert labels(of_times.values) == ["..2026-03-08", "2026-03-08..", None]
    assert of_times.edges == (midnight,)
    moment = dt.datetime(2026, 3, 8, 6, tzinfo=dt.UTC)
    of_moments = band(declared((moment,)), column(ValueType("time"), [midnight]), None, ZONE)
    assert labels(of_moments.values) == ["..2026-03-08T06:00:00Z"]


# --- quantiles ---------------------------------------------------------------------------------------------------


def naive_edges(count: int, known: list[Any]) -> list[Any]:
    """Edge i: the smallest known value with at least i / count of the known values below it, where there is one."""
    edges = []
    for i in range(1, count):
        fits = [v for v in known if Fraction(sum(other < v for other in known)) >= Fraction(i * len(known), count)]
        if fits:
            edges.append(min(fits))
    return edges


@settings(max_examples=200, deadline=None)
@given(
    st.integers(2, 6),
    st.lists(st.tuples(st.sampled_from([0, 1, 2, 3, 5, -4, None]), st.booleans()), max_size=25),
    st.sampled_from([INTEGER, SCALED, FLOAT]),
    st.booleans(),
)
def test_quantiles(count: int, drawn: list[tuple[Any, bool]], kind: ValueType, with_among: bool) -> None:
    values = [v for v, _ in drawn]
    among = np.array([each for _, each in drawn], np.bool_) if with_among else None
    fitted_to = [v for v, chosen in drawn if v is not None and (chosen or not with_among)]
    made = band(quantiles(count), column(kind, values), among, ZONE)
    edges = naive_edges(count, fitted_to)
    assert list(made.edges) == edges
    assert labels(made.values) == [None if v is None else str(1 + sum(e <= v for e in edges)) for v in values]
    again = band(quantiles(count), column(kind, values), None, ZONE, fitted=made.edges)
    assert labels(again.values) == labels(made.values)


def test_quantiles_of_different_values_are_even_and_the_last_is_the_top() -> None:
    made = band(quantiles(5), column(INTEGER, list(range(10))), None, ZONE)
    assert labels(made.values) == ["1", "1", "2", "2", "3", "3", "4", "4", "5", "5"]
    assert made.edges == (2, 4, 6, 8)


def test_merged_edges_skip_labels() -> None:
    values = [0] * 5 + [1, 2, 3, 4, 5]
    made = band(quantiles(5), column(INTEGER, values), None, ZONE)
    assert made.edges == (1, 1, 2, 4)
    assert labels(made.values) == ["1"] * 5 + ["3", "4", "4", "5", "5"]


def test_no_edge_where_no_value_has_enough_below_it() -> None:
    made = band(quantiles(4), column(INTEGER, [1, 1, 1, 1, 9]), None, ZONE)
    assert made.edges == (9, 9, 9)
    assert band(quantiles(4), column(INTEGER, [1, 9, 9, 9, 9]), None, ZONE).edges == ()
    assert band(quantiles(4), column(INTEGER, [None, None]), None, ZONE).edges == ()
    nobody = band(quantiles(4), column(INTEGER, [1, 2]), np.zeros(2, np.bool_), ZONE)
    assert labels(nobody.values) == ["1", "1"]


# --- families ----------------------------------------------------------------------------------------------------


def family(rest: float, values: list[float], among: list[bool] | None = None) -> Family:
    """Customers 0 to 3; 'a' has pairs of all, 'b' of customer 2."""
    kind = ValueType("number", family=True, role="metric")
    return Family(
        pa.array(["a", "b"], pa.large_string()), np.array([0, 4, 5]), np.array([0, 1, 2, 3, 2], np.uint32),
        Column(kind, np.array(values)), rest, None if among is None else np.array(among),
    )  # fmt: skip


def test_bands_of_a_family_with_zero_for_the_rest() -> None:
    shares = family(0.0, [0.1, 0.2, 0.5, 0.9, 1.0], [True, True, True, True, False])
    made = band(declared((Decimal("0.2"), Decimal("0.5"))), shares, None, ZONE).values
    assert isinstance(made, Family)
    assert made.rest == 0
    assert made.column.type.family
    a, b = (made.dense(code, 5).data.tolist() for code in (0, 1))
    assert a == [0, 1, 2, 2, -1]
    assert b == [0, 0, 2, 0, -1]
    assert made.customers.tolist() == [1, 2, 3, 2], "pairs in the band of the rest are left out"
    assert made.dense(-1, 5).data.tolist() == [0, 0, 0, 0, -1]


def test_bands_of_a_family_with_the_rest_missing() -> None:
    rates = family(math.nan, [0.1, math.nan, 0.5, 0.9, 1.0])
    made = band(declared((Decimal("0.5"),)), rates, None, ZONE).values
    assert isinstance(made, Family)
    assert made.dense(0, 5).data.tolist() == [0, -1, 1, 1, -1]
    assert made.customers.tolist() == [0, 2, 3, 2]


def test_a_family_has_no_quantiles() -> None:
    with pytest.raises(SchemaError, match="quantiles"):
        band(quantiles(4), family(0.0, [1.0] * 5), None, ZONE)
