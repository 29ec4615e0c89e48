"""Rows of a stream, and values of a family, to which those of more customers are added; see `segdex.live.growing`."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np

from segdex.events.renumber import rows_of
from segdex.events.store import UNIT, Events
from segdex.events.update import rearranged
from segdex.live.growing import Growing, GrowingColumn
from segdex.values.column import Ints
from segdex.values.lazy import Lazy


class GrowingEvents:
    """The rows of one stream by customer.

    Args:
        like: rows of it.
        room: see `Growing`; for so many customers.
    """

    def __init__(self, like: Events, room: int = 0) -> None:
        rows = like.rows * room // max(like.customers, 1)  # about as many a customer
        self._offsets = _begun(room)
        self._time = None if like.time is None else Growing(np.int64, rows)
        self._fields = {name: GrowingColumn(rows) for name in like.fields}
        self._units = None if like.units is None else (_begun(rows), _begun(room))
        self._marks = {name: GrowingColumn(rows) for name in like.marks}

    def put(self, at: int, events: Events) -> None:
        """Write the rows of the customers of *events* as those of the customers from *at* on."""
        row = int(self._offsets.upto(at + 1)[-1])
        if self._time is not None:
            self._time.put(row, events.time)  # type: ignore[arg-type]
        unit = row
        if self._units is not None:
            units, of_customers = self._units
            unit = int(of_customers.upto(at + 1)[-1])
            units.put(unit + 1, events.units[1:] + row)  # type: ignore[index]
            of_customers.put(at + 1, events.unit_offsets[1:] + unit)  # type: ignore[index]
        for name, column in events.fields.items():
            self._fields[name].put(row, column)
        for name, mark in self._marks.items():
            mark.put(unit if name == UNIT else row, events.marks[name])
        self._offsets.put(at + 1, events.offsets[1:] + row)

    def events(self, count: int) -> Events:
        """The rows of the first *count* customers."""
        bare, rows = self._bare(count), int(self._offsets.upto(count + 1)[-1])
        units = rows if bare.units is None else len(bare.units) - 1
        made = dataclasses.replace(
            bare,
            fields=Lazy({name: partial(held.column, rows) for name, held in self._fields.items()}),
            marks=Lazy({
                name: partial(held.column, units if name == UNIT else rows) for name, held in self._marks.items()
            }),
        )  # fmt: skip
        return self._in_order(made)

    def take(self, customers: Ints) -> Events:
        """The rows of some customers, each at most once, these numbered in the order given."""
        marks: Any = self._marks  # what is taken of these is columns
        bare = dataclasses.replace(self._bare(int(customers.max(initial=-1)) + 1), marks=marks)
        taken, rows = rows_of(bare, customers)
        made = dataclasses.replace(taken, fields={name: held.take(rows) for name, held in self._fields.items()})
        return self._in_order(made)

    def _in_order(self, made: Events) -> Events:
        """*made*, whose identifiers may have become text: '10' and '7' are in another order than 7 and 10."""
        columns = [*self._fields.values(), *self._marks.values()]
        return rearranged(made) if any(column.turned for column in columns) else made

    def _bare(self, count: int) -> Events:
        offsets = self._offsets.upto(count + 1)
        rows, units, of_customers = int(offsets[-1]), None, None
        if self._units is not None:
            of_customers = self._units[1].upto(count + 1)
            units = self._units[0].upto(int(of_customers[-1]) + 1)
        return Events(offsets, None if self._time is None else self._time.upto(rows), {}, units, of_customers)


def _begun(room: int) -> Growing:
    offsets = Growing(np.int64, room)
    offsets.put(0, np.zeros(1, np.int64))
    return offsets
