"""Rows joined into sessions, and the latest transactions of each customer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from segdex.events.store import Events
from segdex.events.ties import by_fields
from segdex.metrics import kernels_joined, kernels_transactions, kernels_values
from segdex.rules.windows import FIXED_MICROSECONDS
from segdex.schema.model import Gap
from segdex.schema.types import ValueType
from segdex.values.column import MISSING, Column, Ints, Mask


def with_sessions(events: Events, keep: Mask, gap: int) -> Events:
    """*events* with sessions as transactions: kept rows no more than *gap* microseconds apart are one.

    Args:
        events: rows without units, those of a group in the order of time.
        keep: the rows that are joined, shape (rows,); the others lie anywhere.
        gap: microseconds.
    """
    assert events.time is not None
    begins = np.empty(events.rows, np.bool_)
    kernels_joined.begin_sessions(events.offsets, events.time, keep, gap, begins)
    units = np.append(np.flatnonzero(begins), events.rows).astype(np.int64)
    return dataclasses.replace(events, units=units, unit_offsets=np.searchsorted(units, events.offsets))


def gap_of(unit: Gap) -> int:
    """How far apart the rows of one session may be, in microseconds."""
    length = unit.gap.fixed_microseconds
    assert length is not None
    return length


def durations(events: Events, keep: Mask) -> Column:
    """From the earliest to the latest kept row of each session, in minutes."""
    assert events.units is not None
    assert events.time is not None
    first, last = np.empty(events.transactions, np.int64), np.empty(events.transactions, np.int64)
    kernels_values.ends(events.units, keep, events.time, first, last)
    minutes = (last - first) / np.float64(FIXED_MICROSECONDS["min"])
    minutes[first == MISSING] = np.nan
    return Column(ValueType("number", role="field"), minutes)


def latest(events: Events, count: int, as_of: int, order: Sequence[str]) -> Mask:
    """The rows up to the clock of each group's *count* latest transactions, shape (rows,).

    Of transactions that begin at the same time those of the greatest units are later, of rows those that are greatest
    by the fields *order*.
    """
    assert events.time is not None
    if events.units is None or events.unit_offsets is None:
        inside, spans = _latest(events.offsets, events.time, as_of, count)
        _settle(inside, *spans, [events.fields[name] for name in order])
        return inside
    # A transaction's first row is its earliest, and transactions that begin together are in order already.
    inside, _ = _latest(events.unit_offsets, events.time[events.units[:-1]], as_of, count)
    rows = np.empty(events.rows, np.bool_)
    kernels_transactions.rows_inside(events.units, inside, events.time <= as_of, rows)
    return rows


def _latest(offsets: Ints, time: Ints, as_of: int, count: int) -> tuple[Mask, tuple[Ints, Ints]]:
    """The latest items of each group, and where those begin and end that are tied with others left out."""
    inside = np.empty(len(time), np.bool_)
    lows, highs = np.empty(len(offsets) - 1, np.int64), np.empty(len(offsets) - 1, np.int64)
    kernels_joined.mark_latest(offsets, time, as_of, count, inside, lows, highs)
    tied = highs > lows
    return inside, (lows[tied], highs[tied])


def _settle(inside: Mask, lows: Ints, highs: Ints, fields: Sequence[Column]) -> None:
    """Among tied rows, as many as are inside: those that are greatest by *fields*."""
    if not len(lows):
        return
    sizes = highs - lows
    spans = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    starts = np.repeat(spans[:-1], sizes)
    rows = np.arange(spans[-1]) - starts + np.repeat(lows, sizes)
    taken = np.add.reduceat(inside[rows].astype(np.int64), spans[:-1])
    order = by_fields(spans, rows, fields)
    inside[order] = np.arange(len(order)) - starts >= np.repeat(sizes - taken, sizes)
