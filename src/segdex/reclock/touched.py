"""The customers with rows in some spans of time: one pass over the times of each stream for all metrics at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from segdex.events.store import Events
from segdex.reclock import kernels_rows
from segdex.reclock.spans import Reach, Span, points_of
from segdex.spread import spread
from segdex.values.clock import FIRST
from segdex.values.column import Ints, Mask

BLOCK = 1 << 20
"""Rows that are looked at at once; what is found among them is kept."""
BUCKETS = 1 << 14
"""Most rows are told from those in spans by a table of so many buckets of time, which fits the nearest cache."""


_NONE = np.empty(0, np.int64)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """The rows of one stream that are in a span.

    Attributes:
        rows: where they are, ascending.
        customers: of each row, ascending.
        cell: where the row's time lies among the ends of all spans: how many of these are before it.
    """

    rows: Ints
    customers: Ints
    cell: Ints


class Touched:
    """Who has a row in a span, by span.

    Args:
        events: the rows of each stream.
        reaches: the spans that will be asked for.
    """

    def __init__(self, events: Mapping[str, Events], reaches: Iterable[Reach]) -> None:
        by_stream: dict[str, set[Span]] = {}
        for span in {span for reach in reaches for span in reach}:
            by_stream.setdefault(span.stream, set()).add(span)
        self._points = {stream: np.array(points_of(spans), np.int64) for stream, spans in by_stream.items()}
        self._found = {stream: self._scanned(events[stream], stream, by_stream[stream]) for stream in by_stream}
        self._known: dict[Reach, Ints] = {}

    def customers(self, reach: Reach) -> Ints:
        """The customers with a row in one of the spans of *reach*, ascending, int64."""
        if reach not in self._known:
            parts = [self._in_stream(stream, reach) for stream in sorted({span.stream for span in reach})]
            self._known[reach] = united(parts)
        return self._known[reach]

    def rows(self, stream: str, reach: Reach) -> Ints:
        """The rows of a stream in one of the spans of *reach*, ascending."""
        return self._found[stream].rows[self._inside(stream, reach)] if stream in self._found else _NONE

    def _in_stream(self, stream: str, reach: Reach) -> Ints:
        return _distinct(self._found[stream].customers[self._inside(stream, reach)])

    def _inside(self, stream: str, reach: Reach) -> Mask:
        """Which of the rows found are in one of the spans."""
        found, points = self._found[stream], self._points[stream]
        inside = np.zeros(len(points) + 1, np.bool_)
        for span in reach:
            if span.stream == stream:
                inside |= _cells(points, span)
        chosen: Mask = inside[found.cell]
        return chosen

    def _scanned(self, events: Events, stream: str, spans: Iterable[Span]) -> Found:
        assert events.time is not None
        time, offsets, points = events.time, events.offsets, self._points[stream]
        inside = np.logical_or.reduce([_cells(points, span) for span in spans])
        low, shift, table = _table(points, inside)

        def one(first: int) -> Found:
            part = time[first : first + BLOCK]
            rows = np.empty(len(part) + 1, np.int64)
            rows = rows[: kernels_rows.find(part, low, shift, table, rows)]
            cell = np.searchsorted(points, part[rows], "left")
            there = inside[cell]
            rows = rows[there] + first
            return Found(rows, np.searchsorted(offsets, rows, "right") - 1, cell[there])

        parts = spread(one, list(range(0, events.rows, BLOCK)) or [0])
        return Found(*(np.concatenate([getattr(part, key) for part in parts]) for key in ("rows", "customers", "cell")))


def _cells(points: Ints, span: Span) -> Mask:
    """Which cells, each from after a point to the next one, a span is made of."""
    inside = np.zeros(len(points) + 1, np.bool_)
    first, last = np.searchsorted(points, [span.low, span.high], "left")
    inside[first + 1 : last + 1] = True
    return inside


def _table(points: Ints, inside: Mask) -> tuple[int, int, npt.NDArray[np.uint8]]:
    """Where a table of buckets begins, how wide they are as a power of two, and which ones hold times of a span."""
    low = int(points[0])
    length = int(points[-1]) - low
    shift = max(0, (length // (BUCKETS - 4)).bit_length())
    low = max(low - (1 << shift), FIRST)
    table = np.zeros((int(points[-1]) - low >> shift) + 2, np.uint8)
    for cell in np.flatnonzero(inside[:-1]):
        first, last = (max(int(points[at]) - low, 0) >> shift for at in (cell - 1, cell))
        table[first : last + 1] = 1
    return low, shift, table


def united(parts: Sequence[Ints]) -> Ints:
    """The customers who are in one of *parts*, ascending."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return np.empty(0, np.int64)
    if len(parts) == 1:
        return parts[0]
    return _distinct(np.sort(np.concatenate(parts), kind="stable"))  # finds the parts sorted and merges them


def without(ids: Ints, others: Ints) -> Ints:
    """Those of *ids* who are not among *others*; both ascend."""
    if not len(others):
        return ids
    at = np.minimum(np.searchsorted(others, ids), len(others) - 1)
    left: Ints = ids[others[at] != ids]
    return left


def _distinct(ascending: Ints) -> Ints:
    new = np.ones(len(ascending), np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return ascending[new]
