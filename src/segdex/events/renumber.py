"""Rows that follow their customers to other dense ids."""

from __future__ import annotations

import numpy as np

from segdex.events.store import Events
from segdex.values.column import Column, Ints


def renumbered(events: Events, places: Ints, fields: dict[str, Column]) -> Events:
    """The rows of *events* with the customer of place ``places[i]`` at place i; within a customer nothing moves.

    Args:
        events: the rows, without their fields.
        places: every customer's place, in the new order, shape (customers,).
        fields: the columns of *events*; they are taken out one by one, so that each can go when it is copied.
    """
    offsets, rows = _moved(events.offsets, places)
    units = unit_offsets = None
    if events.units is not None and events.unit_offsets is not None:
        unit_offsets, order = _moved(events.unit_offsets, places)
        units = _summed(np.diff(events.units)[order])
    time = None if events.time is None else events.time[rows]
    moved = {name: fields.pop(name).take(rows) for name in list(fields)}
    return Events(offsets, time, moved, units, unit_offsets)


def _moved(offsets: Ints, places: Ints) -> tuple[Ints, Ints]:
    """The offsets of lists in another order, and where each of their items was."""
    lengths = np.diff(offsets)[places]
    moved = _summed(lengths)
    return moved, np.arange(moved[-1]) + np.repeat(offsets[places] - moved[:-1], lengths)


def _summed(lengths: Ints) -> Ints:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
