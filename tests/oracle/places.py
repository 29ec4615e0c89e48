"""Distances on a sphere in plain Python: by the haversine formula, and by vectors, which is exact everywhere."""

from __future__ import annotations

import math

RADIUS = 6371.0088
Place = tuple[float, float]


def haversine(one: Place, other: Place) -> float:
    """Kilometres along the great circle; a few centimetres off where the two are almost antipodes."""
    (phi, lam), (phi0, lam0) = (map(math.radians, place) for place in (one, other))
    h = math.sin((phi - phi0) / 2) ** 2 + math.cos(phi) * math.cos(phi0) * math.sin((lam - lam0) / 2) ** 2
    return 2 * RADIUS * math.asin(min(1.0, math.sqrt(h)))


def distance(one: Place, other: Place) -> float:
    """Kilometres along the great circle, by the angle between two vectors: their cross and their dot product."""
    (phi, lam), (phi0, lam0) = (map(math.radians, place) for place in (one, other))
    turn = lam - lam0
    east = math.cos(phi) * math.sin(turn)
    north = math.cos(phi0) * math.sin(phi) - math.sin(phi0) * math.cos(phi) * math.cos(turn)
    along = math.sin(phi0) * math.sin(phi) + math.cos(phi0) * math.cos(phi) * math.cos(turn)
    return RADIUS * math.atan2(math.hypot(east, north), along)


def destination(start: Place, kilometres: float, bearing: float) -> Place:
    """Where one arrives from *start* after so far in direction *bearing* (radians from north to east), by vectors."""
    phi, lam = map(math.radians, start)
    up = (math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi))
    north = (-math.sin(phi) * math.cos(lam), -math.sin(phi) * math.sin(lam), math.cos(phi))
    east = (-math.sin(lam), math.cos(lam), 0.0)
    angle = kilometres / RADIUS
    x, y, z = (
        math.cos(angle) * u + math.sin(angle) * (math.cos(bearing) * n + math.sin(bearing) * e)
        for u, n, e in zip(up, north, east, strict=True)
    )
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))
