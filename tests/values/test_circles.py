"""Circles on the Earth against distances one by one, with places that hug their edges, the poles and the date line."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.schema.types import ValueType
from segdex.values import places
from segdex.values.column import Column
from tests.oracle import places as oracle

GEO = ValueType("geo")
HALF_EARTH = math.pi * oracle.RADIUS
LATITUDES = [-90.0, 90.0, 0.0, -0.0, 45.0, 12.97, math.nextafter(90, 0), -89.9999999, 89.995, 1e-12, -66.5]
LONGITUDES = [-180.0, 180.0, 0.0, -0.0, 90.0, -90.0, 77.59, math.nextafter(180, 0), math.nextafter(-180, 0), 179.9999]
RADII = [0.0, 1e-9, 0.001, 0.3, 1.0, 25.0, 611.0, 5_000.0, HALF_EARTH / 2, 12_345.0, HALF_EARTH - 1.0, 20_000.0]
CENTRES = st.tuples(
    st.one_of(st.sampled_from(LATITUDES), st.floats(-90, 90)),
    st.one_of(st.sampled_from(LONGITUDES), st.floats(-180, 180)),
)
SURE = 1e-9
"""Kilometres from the edge within which the oracle itself may be wrong."""


def column(held: list[tuple[float, float]]) -> Column:
    return places.places(GEO, np.array([lat for lat, _ in held], float), np.array([lon for _, lon in held], float))


def around(centre: oracle.Place, radius: float, generator: random.Random) -> list[oracle.Place]:
    """Places just inside and just outside of a circle, at the places of the lists, and anywhere."""
    found = [(lat, lon) for lat in LATITUDES for lon in LONGITUDES]
    for _ in range(40):
        bearing = generator.uniform(0, 2 * math.pi)
        off = generator.choice([-1e-6, -1e-8, 1e-8, 1e-6, -0.4, 0.4, -1.0])
        away = min(max(radius + off * generator.choice([1.0, max(radius, 1e-3)]), 0.0), HALF_EARTH)
        found.append(oracle.destination(centre, away, bearing))
    found += [(generator.uniform(-90, 90), generator.uniform(-180, 180)) for _ in range(40)]
    found += [(math.degrees(math.asin(generator.uniform(-1, 1))), centre[1]) for _ in range(10)]
    return [*found, centre]


def check(centre: oracle.Place, radius: float, held: list[oracle.Place]) -> None:
    cells = places.cells_of(column(held))
    found = cells.within(radius, *centre).tolist()
    assert len(found) == len(held)
    for place, inside in zip(held, found, strict=True):
        away = oracle.distance(place, centre)
        if abs(away - radius) > SURE:
            assert inside == (away < radius), (place, centre, radius, away)


@settings(max_examples=150)
@given(CENTRES, st.one_of(st.sampled_from(RADII), st.floats(0, 20_015), st.floats(0, 60)), st.integers(0, 2**32))
def test_a_circle_holds_what_is_near(centre: oracle.Place, radius: float, seed: int) -> None:
    check(centre, radius, around(centre, radius, random.Random(seed)))


@pytest.mark.parametrize("latitude", LATITUDES)
@pytest.mark.parametrize("radius", RADII)
def test_every_awkward_centre(latitude: float, radius: float) -> None:
    for longitude in LONGITUDES:
        check((latitude, longitude), radius, around((latitude, longitude), radius, random.Random(1)))


@pytest.mark.parametrize("radius", [0.2, 5.0, 1_500.0])
def test_many_places_in_and_between_cells(radius: float) -> None:
    generator = random.Random(3)
    for centre in [(12.97, 77.59), (89.999, 10.0), (-90.0, 0.0), (0.0, 180.0), (-70.0, -179.999)]:
        held = [
            oracle.destination(centre, radius * generator.uniform(0, 1.3), generator.uniform(0, 7)) for _ in range(500)
        ]
        check(centre, radius, held)


def test_the_two_oracles_agree() -> None:
    generator = random.Random(5)
    for _ in range(500):
        one, other = ((generator.uniform(-90, 90), generator.uniform(-180, 180)) for _ in range(2))
        assert math.isclose(oracle.distance(one, other), oracle.haversine(one, other), rel_tol=1e-9)


@settings(max_examples=300)
@given(CENTRES, st.integers(-1, 1))
def test_a_place_has_no_distance_to_itself(place: oracle.Place, turns: int) -> None:
    lat, lon = place
    held = [place]
    if abs(lon) == 180.0:
        held.append((lat, -lon))
    if abs(lat) == 90.0:
        held += [(lat, 17.0 * turns), (lat, -lon)]
    assert places.cells_of(column(held)).within(0.0, *place).all()


@settings(max_examples=100)
@given(CENTRES)
def test_half_the_earth_around_is_everywhere(centre: oracle.Place) -> None:
    lat, lon = centre
    antipode = (-lat, lon - 180.0 if lon > 0 else lon + 180.0)
    cells = places.cells_of(column([antipode, centre, (90.0, 0.0), (-90.0, 0.0), (math.nan, math.nan)]))
    for radius in (HALF_EARTH + 1e-6, 20_016.0, 100_000.0):
        assert cells.within(radius, *centre).tolist() == [True, True, True, True, False]
    assert not cells.within(HALF_EARTH - 1e-3, *centre)[0]


def test_missing_places_are_nowhere() -> None:
    held = column([(1.0, 2.0), (math.nan, math.nan), (math.nan, 2.0), (1.0, math.nan)])
    assert held.known.tolist() == [True, False, False, False]
    cells = places.cells_of(held)
    assert cells.order.tolist() == [0]
    assert cells.within(1.0, 1.0, 2.0).tolist() == [True, False, False, False]
    nobody = places.cells_of(column([]))
    assert nobody.within(25.0, 0.0, 0.0).tolist() == []
    assert nobody.nbytes == 0


def test_columns_of_places_move_as_one() -> None:
    held = column([(1.0, 2.0), (-0.0, -0.0), (3.0, 4.0)])
    assert not np.signbit(held.data.view(np.float64)[2:4]).any()
    taken = held.take(np.array([2, -1, 0]))
    assert places.latitudes(taken).tolist()[::2] == [3.0, 1.0]
    assert places.longitudes(taken).tolist()[::2] == [4.0, 2.0]
    assert taken.known.tolist() == [True, False, True]
    assert np.isnan(taken.data.view(np.float64)[2:4]).all()


def test_few_distances_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a circle holds wholly, and what it does not touch, is not measured."""
    generator = random.Random(7)
    held = [
        oracle.destination((12.97, 77.59), 100 * math.sqrt(generator.random()), 7 * generator.random())
        for _ in range(20_000)
    ]
    cells = places.cells_of(column(held))
    measured = 0

    def count(starts: np.ndarray, ends: np.ndarray, *_: object) -> None:
        nonlocal measured
        measured += int((ends - starts).sum())

    monkeypatch.setattr(places.kernels_places, "mark_near", count)
    cells.within(50.0, 12.97, 77.59)
    assert 0 < measured < len(held) / 10
