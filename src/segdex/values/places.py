"""Places on the Earth: how a column holds them, and who is within a circle, found by cells.

The Earth is a sphere of its mean radius, and a distance is that along a great circle. It differs from the distance on
the ellipsoid by half a per cent at most.

A grid of cells, 0.0055 degrees a side, is laid over the Earth: about 600 metres from north to south. Items are sorted
by row of cells, then by column. In each row that a circle touches, the columns that it may reach are one interval and
those that lie inside it wholly another: two binary searches each. Only for items in the cells between these, at the
edge of the circle, is a distance computed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from segdex.schema.types import ValueType
from segdex.values import kernels_places
from segdex.values.column import Column, Floats, Ints, Mask

RADIUS = 6371.0088
"""The mean radius of the Earth in kilometres, (2 a + b) / 3 of the axes of WGS 84."""
ROWS, COLUMNS = 1 << 15, 1 << 16
"""Cells from pole to pole, and around."""
_SLACK = 1e-9
"""Radians, or a cosine, by which the columns that are touched are widened and those inside are narrowed: far more than
rounding moves a place across the edge of a cell."""
_THIN = 1e-5
"""Where the cosines of two latitudes multiply to less, the meridians are so close that rounding would tell."""

Ids: TypeAlias = npt.NDArray[np.uint32]


def places(kind: ValueType, latitudes: Floats, longitudes: Floats) -> Column:
    """A column of places, in degrees; missing where either is NaN.

    A place is one complex128, its real part the latitude and its imaginary part the longitude: whatever moves items
    of a column moves both.
    """
    held = np.empty(len(latitudes), np.complex128)
    held.real, held.imag = latitudes + 0.0, longitudes + 0.0  # -0.0 becomes 0.0
    held[np.isnan(held)] = complex(math.nan, math.nan)
    data: Any = held
    return Column(kind, data)


def latitudes(column: Column) -> Floats:
    """The latitudes of a column of places, NaN where missing."""
    data: Any = column.data
    found: Floats = data.real
    return found


def longitudes(column: Column) -> Floats:
    """The longitudes of a column of places, NaN where missing."""
    data: Any = column.data
    found: Floats = data.imag
    return found


class _Window(NamedTuple):
    """Columns *first* to *last* of each row, both included, none where first > last; beyond 0 and COLUMNS they go on
    around the Earth."""

    first: Ints
    last: Ints


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
    """The items of a column of places by cell.

    Attributes:
        degrees: latitude and longitude of each item by turns, shape (2 items,).
        order: the items with a known place, by cell.
        cells: their cells, row × COLUMNS + column, ascending.
    """

    degrees: Floats
    order: Ids
    cells: Ids

    @property
    def nbytes(self) -> int:
        """Bytes beside those of the column."""
        return self.order.nbytes + self.cells.nbytes

    def within(self, kilometres: float, latitude: float, longitude: float) -> Mask:
        """Which items are at most so far from a centre, shape (items,)."""
        found = np.zeros(len(self.degrees) // 2, np.bool_)
        half = kilometres / (2 * RADIUS)
        if half >= math.pi / 2:  # from pole to pole
            found[self.order] = True
            return found
        rows, touched, inside = _windows(2 * half, latitude, longitude)
        kernels_places.mark(*self._ranges(rows, [inside]), self.order, found)
        edge = [_Window(touched.first, inside.first - 1), _Window(inside.last + 1, touched.last)]
        far = half > math.pi / 4
        limit = math.sin(math.pi / 2 - half if far else half) ** 2
        ranges = self._ranges(rows, edge)
        kernels_places.mark_near(*ranges, self.order, self.degrees, latitude, longitude, limit, far, found)
        return found

    def _ranges(self, rows: Ints, windows: Sequence[_Window]) -> tuple[Ints, Ints]:
        """Where the items of the cells in *windows* start and end in the order."""
        starts, ends = [], []
        for first, last in windows:
            for turn in (-COLUMNS, 0, COLUMNS):
                low, high = np.maximum(first - turn, 0), np.minimum(last - turn, COLUMNS - 1)
                there = low <= high
                row = rows[there] * COLUMNS
                starts.append(np.searchsorted(self.cells, (row + low[there]).astype(np.uint32), "left"))
                ends.append(np.searchsorted(self.cells, (row + high[there]).astype(np.uint32), "right"))
        return np.concatenate(starts).astype(np.int64), np.concatenate(ends).astype(np.int64)


def cells_of(column: Column) -> Cells:
    """The items of a column of places, sorted by cell."""
    known = np.flatnonzero(column.known).astype(np.uint32)
    rows = _numbers(latitudes(column)[known], 90.0, ROWS)
    columns = _numbers(longitudes(column)[known], 180.0, COLUMNS)
    # Numbers of 16 bits are sorted by their digits, in a tenth of the time of a sort by whole cells.
    order = np.argsort(columns, kind="stable")
    order = order[np.argsort(rows[order], kind="stable")]
    cells = rows[order].astype(np.uint32) * np.uint32(COLUMNS) + columns[order]
    return Cells(np.ascontiguousarray(column.data).view(np.float64), known[order], cells)


def _numbers(degrees: Floats, most: float, count: int) -> npt.NDArray[np.uint16]:
    """Which of *count* equal steps from -*most* to *most* each of *degrees* is in."""
    return np.minimum((degrees + most) * (count / (2 * most)), count - 1).astype(np.uint16)


# --- the cells of a circle -------------------------------------------------------------------------------------


def _windows(angle: float, latitude: float, longitude: float) -> tuple[Ints, _Window, _Window]:
    """The rows that a circle of radius *angle* touches; in each the columns it may touch, and those inside it.

    What is inside is part of what is touched; where nothing is, it is empty at the end of that.
    """
    south, north = latitude - math.degrees(angle), latitude + math.degrees(angle)
    first, last = (math.floor((each + 90.0) * (ROWS / 180.0)) for each in (south, north))
    rows = np.arange(max(first - 1, 0), min(last + 1, ROWS - 1) + 1)
    outer, inner = _half_widths(rows, angle, latitude)
    centre = (longitude + 180.0) * (COLUMNS / 360.0)
    # A whole turn begins half a turn before the centre, so that it holds whatever is inside.
    start = math.floor(centre) - COLUMNS // 2
    low, high = _columns(np.floor(centre - outer)), _columns(np.floor(centre + outer))
    around = high - low >= COLUMNS - 1
    touched = _Window(np.where(around, start, low), np.where(around, start + COLUMNS - 1, high))
    low, high = _columns(np.ceil(centre - inner)), _columns(np.floor(centre + inner)) - 1
    whole, none = inner >= COLUMNS // 2, low > high
    low, high = np.where(whole, touched.first, low), np.where(whole, touched.last, high)
    return rows, touched, _Window(np.where(none, touched.last + 1, low), np.where(none, touched.last, high))


def _columns(values: Floats) -> Ints:
    return values.astype(np.int64)


def _half_widths(rows: Ints, angle: float, latitude: float) -> tuple[Floats, Floats]:
    """How many columns to each side of the centre a circle may touch in each row, and how many lie inside it.

    On the circle cos Δλ = (cos ρ - sin φ sin φ0) / (cos φ cos φ0). Along a row this is least and greatest at one of the
    two latitudes that bound it or, within it, where sin φ = sin φ0 / cos ρ.
    """
    centre = math.radians(latitude)
    bounds = [np.radians((rows + step) * (180.0 / ROWS) - 90.0) for step in (0, 1)]
    thin = np.minimum(*(np.cos(bound) for bound in bounds)) * math.cos(centre) < _THIN
    cosines = [_cosine(bound, angle, centre) for bound in bounds]
    least, greatest = np.minimum(*cosines), np.maximum(*cosines)
    if abs(math.sin(centre)) < abs(math.cos(angle)):
        turning = math.asin(math.sin(centre) / math.cos(angle))
        here = (bounds[0] <= turning) & (turning <= bounds[1]) & ~thin
        least[here] = np.minimum(least[here], _cosine(np.array([turning]), angle, centre))
        greatest[here] = np.maximum(greatest[here], _cosine(np.array([turning]), angle, centre))
    outer = np.arccos(np.clip(least - _SLACK, -1.0, 1.0))
    inner = np.arccos(np.clip(greatest + _SLACK, -1.0, 1.0))
    # The farthest places of a row are across the pole, at most so far away.
    reach = math.pi - np.minimum(*(np.abs(bound + centre) for bound in bounds))
    reach[(bounds[0] <= -centre) & (-centre <= bounds[1])] = math.pi
    outer[thin], inner[thin] = math.pi, 0.0
    inner[reach <= angle - _SLACK] = math.pi
    outer[inner == math.pi] = math.pi
    return outer / math.pi * (COLUMNS // 2), inner / math.pi * (COLUMNS // 2)


def _cosine(latitudes: Floats, angle: float, centre: float) -> Floats:
    """cos Δλ of the points of the circle at *latitudes*; beyond -1 and 1 where all or none of a latitude is inside."""
    with np.errstate(divide="ignore", invalid="ignore"):
        narrow = np.cos(latitudes) * math.cos(centre)
        found: Floats = (math.cos(angle) - np.sin(latitudes) * math.sin(centre)) / narrow
    return found
