"""Some of a stream's rows as a stream: transactions in which something happens, or those after a moment."""

from __future__ import annotations

from functools import partial

import numpy as np

from segdex.events.store import Events
from segdex.reclock import kernels_rows
from segdex.values.column import Ints
from segdex.values.lazy import Lazy


def affected(events: Events, rows: Ints) -> tuple[Ints, Events]:
    """The transactions that *rows*, ascending, belong to: their customers, ascending, and all their rows."""
    if events.units is None or events.unit_offsets is None:
        owners = np.searchsorted(events.offsets, rows, "right") - 1
        ids, sizes = _counted(owners)
        return ids, _chosen(events, rows, _summed(sizes), None, None)
    units, _ = _counted(np.searchsorted(events.units, rows, "right") - 1)
    ids, sizes = _counted(np.searchsorted(events.unit_offsets, units, "right") - 1)
    return ids, _joined(events, units, _summed(sizes))


def after(events: Events, ids: Ints, low: int) -> Events:
    """The transactions of the customers *ids* whose first row is later than *low*, with all their rows.

    Args:
        events: a stream with a time.
        ids: dense ids, which count from 0 in what is given.
        low: microseconds UTC.
    """
    assert events.time is not None
    joined = events.units is not None and events.unit_offsets is not None
    offsets = events.unit_offsets if joined else events.offsets
    starts = events.units if joined else events.offsets
    assert offsets is not None
    assert starts is not None
    firsts = np.empty(len(ids), np.int64)
    kernels_rows.first_after(offsets, starts, events.time, joined, ids, low, firsts)
    sizes = offsets[ids + 1] - firsts
    sums = _summed(sizes)
    items = _runs(firsts, sizes, sums)
    return _joined(events, items, sums) if joined else _chosen(events, items, sums, None, None)


def _joined(events: Events, units: Ints, unit_offsets: Ints) -> Events:
    """Transactions and all their rows."""
    assert events.units is not None
    starts = events.units[units]
    sizes = events.units[units + 1] - starts
    sums = _summed(sizes)
    return _chosen(events, _runs(starts, sizes, sums), sums[unit_offsets], sums, unit_offsets)


def _chosen(events: Events, rows: Ints, offsets: Ints, units: Ints | None, unit_offsets: Ints | None) -> Events:
    assert events.time is not None
    fields = Lazy({name: partial(lambda name: events.fields[name].take(rows), name) for name in events.fields})
    return Events(offsets, events.time[rows], fields, units, unit_offsets)


def _counted(ascending: Ints) -> tuple[Ints, Ints]:
    """The different values, and how often each comes."""
    new = np.ones(len(ascending), np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    return ascending[starts], np.diff(np.append(starts, len(ascending)))


def _runs(starts: Ints, sizes: Ints, sums: Ints) -> Ints:
    """The numbers of all runs, each of some size from some start, one after another."""
    return np.arange(sums[-1]) + np.repeat(starts - sums[:-1], sizes)


def _summed(sizes: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
