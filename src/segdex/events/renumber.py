"""Rows that follow their customers to other dense ids."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial

import numpy as np

from segdex.events.store import UNIT, Events
from segdex.values.column import Column, Ints
from segdex.values.lazy import Lazy


def renumbered(events: Events, places: Ints, fields: dict[str, Column]) -> Events:
    """The rows of *events* with the customer of place ``places[i]`` at place i; within a customer nothing moves.

    Args:
        events: the rows, without their fields.
        places: every customer's place, in the new order, shape (customers,).
        fields: the columns of *events*; they are taken out one by one, so that each can go when it is copied.
    """
    bare, rows = rows_of(events, places)
    moved = {name: fields.pop(name).take(rows) for name in list(fields)}
    return dataclasses.replace(bare, fields=moved, marks=dict(bare.marks))


def rows_of(events: Events, customers: Ints) -> tuple[Events, Ints]:
    """The rows of some customers, these numbered in the order given: without fields, and where each row was.

    Their marks are taken when they are asked for.

    Args:
        events: the rows.
        customers: dense ids, each at most once.
    """
    offsets, rows = _moved(events.offsets, customers)
    units = unit_offsets = None
    marks = dict.fromkeys(events.marks, rows)
    if events.units is not None and events.unit_offsets is not None:
        unit_offsets, order = _moved(events.unit_offsets, customers)
        units = _summed((events.units[1:][order]) - events.units[:-1][order])
        marks |= {UNIT: order} if UNIT in marks else {}
    time = None if events.time is None else events.time[rows]
    taken = Lazy({name: partial(_taken, events.marks, name, items) for name, items in marks.items()})
    return Events(offsets, time, {}, units, unit_offsets, taken), rows


def widened(events: Events, customers: int) -> Events:
    """The same rows over *customers* customers, at least as many as now; those who are new have none."""
    more = customers - events.customers
    units = events.unit_offsets
    return dataclasses.replace(
        events,
        offsets=np.append(events.offsets, np.repeat(events.offsets[-1:], more)),
        unit_offsets=None if units is None else np.append(units, np.repeat(units[-1:], more)),
    )


def _taken(columns: Mapping[str, Column], name: str, items: Ints) -> Column:
    return columns[name].take(items)


def _moved(offsets: Ints, places: Ints) -> tuple[Ints, Ints]:
    """The offsets of lists in another order, and where each of their items was."""
    lengths = offsets[1:][places] - offsets[:-1][places]  # in proportion to the places, not to all lists
    moved = _summed(lengths)
    return moved, np.arange(moved[-1]) + np.repeat(offsets[places] - moved[:-1], lengths)


def _summed(lengths: Ints) -> Ints:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
