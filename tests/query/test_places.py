"""Places through the whole index: read, asked, told, saved, and refused where they make no sense."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import segdex
from segdex.errors import ArgumentError, RuleError, SourceError
from segdex.rules import nodes
from tests.oracle import rules as oracle

AS_OF = "2026-06-30T00:00:00Z"
SCHEMA: dict[str, Any] = {
    "customers": {
        "key": "id",
        "attributes": {"home": {"type": "geo", "latitude": "lat", "longitude": "lon"}, "country": "category"},
    },
    "stages": {"range": [{"name": "near", "where": "home within 5 km of (12.97, 77.59)"}]},
    "segments": {"local": {"where": "home within 25 km of (12.97, 77.59)"}},
}
# Bengaluru, its airport 32 km away, Mysuru, nowhere, the two sides of the date line, the South Pole.
LAT = [12.97, 13.1986, 12.2958, None, 0.0, 0.0, -90.0]
LON = [77.59, 77.7066, 76.6394, None, 180.0, -180.0, 5.0]
COUNTRY = ["IN", "IN", "IN", None, "FJ", "KI", None]


def table(lat: list[Any], lon: list[Any], country: list[Any] | None = None) -> pa.Table:
    keys = [f"c{at}" for at in range(len(lat))]
    degrees = {"lat": pa.array(lat, pa.float64()), "lon": pa.array(lon, pa.float64())}
    return pa.table({"id": keys} | degrees | {"country": country or ["IN"] * len(lat)})


def build(schema: dict[str, Any] = SCHEMA, **options: Any) -> segdex.Index:
    return segdex.build(schema, as_of=AS_OF, sources={"customers": table(LAT, LON, COUNTRY)}, **options)


@pytest.fixture(params=["built", "saved"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> segdex.Index:
    made = build()
    if request.param == "built":
        return made
    made.save(tmp_path / "index")
    return segdex.open(tmp_path / "index", verify=True)


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        ("home within 25 km of (12.97, 77.59)", ["c0"]),
        ("home within 40 km of (12.97, 77.59)", ["c0", "c1"]),
        ("home within 0 km of (12.97, 77.59)", ["c0"]),
        ("home within 0 km of (0, 180)", ["c4", "c5"]),
        ("home within 0 km of (-90, -170)", ["c6"]),
        ("home within 20016 km of (0, 0)", ["c0", "c1", "c2", "c4", "c5", "c6"]),
        ("not home within 20016 km of (0, 0)", ["c3"]),
        ("home is missing", ["c3"]),
        ("home is known and country = 'IN'", ["c0", "c1", "c2"]),
        ("country = 'IN' and not home within 40 km of (12.97, 77.59)", ["c2"]),
        ("segment 'local' or range = 'near'", ["c0"]),
        ("home within 200 km of (12.97, 77.59) and not segment 'local'", ["c1", "c2"]),
    ],
)
def test_who_is_where(index: segdex.Index, rule: str, keys: list[str]) -> None:
    assert index.count(rule) == len(keys)
    assert index.keys(index.bitmap(rule)).to_pylist() == keys
    assert index.explain(rule).count == len(keys)
    assert index.check(rule).valid


def test_a_circle_is_printed_and_explained(index: segdex.Index) -> None:
    told = index.explain("home within 2.50 km of (-12.970, 77.5)")
    assert told.rule == "home within 2.5 km of (-12.97, 77.5)"
    assert told.plan.way == "cells"
    assert "home within 2.5 km of (-12.97, 77.5)" in str(told)


def test_the_grid_is_made_once_and_counted_as_memory(index: segdex.Index) -> None:
    index.count("home within 1 km of (0, 0)")
    before = index.stats()
    index.count("home within 2 km of (0, 0)")
    after = index.stats()
    assert after.remembered == before.remembered + 1  # the second set, and no second grid


def test_places_leave_as_structs(index: segdex.Index) -> None:
    held = index.members("everyone", columns=["home"]).read_all()
    assert held["home"].type == pa.struct([("latitude", pa.float64()), ("longitude", pa.float64())])
    assert held["home"].to_pylist()[:1] == [{"latitude": 12.97, "longitude": 77.59}]
    assert held["home"].to_pylist()[3] is None
    assert index.customer("c6").attributes["home"] == {"latitude": -90.0, "longitude": 5.0}
    assert index.customer("c3").attributes["home"] is None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("home = 'x'", "a place is not compared"),
        ("home > 3", "home within 25 km of"),
        ("home in ('x', 'y')", "a place is not compared"),
        ("home between 1 and 2", "a place is not compared"),
        ("home = home", "a place is not compared"),
        ("home + 1 > 2", "works on numbers"),
        ("home starts with 'x'", "text is looked for in strings"),
        ("home has any ('x')", "'has' is about tags"),
        ("country within 25 km of (12.97, 77.59)", "allowed: geo"),
        ("hom within 25 km of (12.97, 77.59)", "did you mean 'home'"),
        ("segment_x within 25 km of (1, 2)", "unknown name"),
        ("local within 25 km of (1, 2)", "is a segment, not a value"),
    ],
)
def test_what_is_no_question_about_a_place(index: segdex.Index, rule: str, words: str) -> None:
    with pytest.raises(RuleError, match=words.replace("+", r"\+")) as caught:
        index.count(rule)
    assert caught.value.place


def test_what_is_not_told_of_places(index: segdex.Index) -> None:
    with pytest.raises(ArgumentError, match="cannot be ordered by 'home'"):
        index.members("everyone", order_by="home")
    with pytest.raises(ArgumentError, match=r"no labels to count by; found geo$"):
        index.count_by("everyone", "home")
    with pytest.raises(ArgumentError, match="'home' is no number; found geo"):
        index.aggregate("everyone", "home")


@pytest.mark.parametrize(
    ("lat", "lon", "column", "words"),
    [
        (90.000001, 0.0, "lat", "not between -90 and 90"),
        (-91.0, 0.0, "lat", "not between -90 and 90"),
        (math.inf, 0.0, "lat", "not between -90 and 90"),
        (0.0, 180.5, "lon", "not between -180 and 180"),
        (0.0, -math.inf, "lon", "not between -180 and 180"),
        (None, 10.0, "lon", "only one of latitude and longitude"),
        (10.0, None, "lon", "only one of latitude and longitude"),
        (10.0, math.nan, "lon", "only one of latitude and longitude"),
        (100.0, None, "lat", "not between -90 and 90"),
    ],
)
def test_bad_rows(lat: float | None, lon: float | None, column: str, words: str) -> None:
    customers = table([1.0, lat, 2.0], [1.0, lon, 2.0])
    with pytest.raises(SourceError, match=words) as caught:
        segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": customers})
    assert f"row 2, column '{column}'" in str(caught.value)
    with segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": customers}, on_error="skip") as built:
        assert built.count("home is known") == built.count("everyone") == 2
        assert built.report is not None
        assert built.report.rejected["row"].to_pylist() == [2]


def test_degrees_come_as_text_and_as_integers(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text('id,lat,lon,country\na,12.97,77.59,IN\nb,,,IN\nc,"-12",7e1,IN\n')
    with segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": file}) as built:
        assert built.count("home within 1 km of (12.97, 77.59)") == 1
        assert built.count("home within 0 km of (-12, 70)") == 1
        assert built.count("home is missing") == 1
    whole = pa.table({"id": [1, 2], "lat": [12, -90], "lon": [70, 180], "country": ["IN", "IN"]})
    with segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": whole}) as built:
        assert built.count("home within 0 km of (12, 70)") == 1


def test_customers_whom_only_streams_know_are_nowhere() -> None:
    schema = SCHEMA | {"streams": {"orders": {"key": "id"}}}
    orders = pa.table({"id": ["c0", "zz"]})
    with segdex.build(schema, as_of=AS_OF, sources={"customers": table(LAT, LON, COUNTRY), "orders": orders}) as built:
        assert built.customer("zz").attributes["home"] is None
        assert built.count("home is missing") == 2


def test_customers_in_another_order_keep_their_places() -> None:
    schema = SCHEMA | {"customers": SCHEMA["customers"] | {"order": ["country"]}}
    with build(schema) as built:
        held = built.members("everyone", columns=["home"]).read_all().to_pydict()
        places = dict(zip(held["id"], held["home"], strict=True))
        assert places["c1"] == {"latitude": 13.1986, "longitude": 77.7066}
        assert built.keys(built.bitmap("home within 1 km of (13.1986, 77.7066)")).to_pylist() == ["c1"]


CIRCLES = st.builds(
    nodes.Near,
    st.just(nodes.Name("home")),
    st.decimals(0, 20_020, places=3),
    st.decimals(-90, 90, places=4),
    st.decimals(-180, 180, places=4),
)
# The squares of distances below some 1e-147 m are no float64: degrees have 15 decimals here, a tenth of a nanometre.
DEGREES = st.floats(-1, 1).map(lambda share: round(share, 15))
SPOTS = st.one_of(st.none(), st.tuples(DEGREES.map(lambda share: 90 * share), DEGREES.map(lambda share: 180 * share)))


@settings(max_examples=40)
@given(st.lists(SPOTS, max_size=30), st.lists(CIRCLES, min_size=8, max_size=8))
def test_circles_equal_the_naive_meaning(homes: list[tuple[float, float] | None], rules: list[Any]) -> None:
    customers = table([None if home is None else home[0] for home in homes], [home and home[1] for home in homes])
    world = oracle.World(None, None)  # type: ignore[arg-type]
    with segdex.build(SCHEMA, as_of=AS_OF, sources={"customers": customers}) as built:
        for rule in rules:
            expected = sum(oracle.holds(rule, {"home": home}, world) for home in homes)
            assert built.count(rule) == expected, str(rule)
            assert built.count(~rule) == len(homes) - expected
