"""Loose rows to rows grouped by customer and transaction, as `Events` promises them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segdex.events.csr import layout
from segdex.events.store import UNIT, Events
from segdex.events.ties import order_alone
from segdex.values.column import MISSING, Column, Ints
from segdex.values.dictionaries import trimmed


class Loose(Protocol):
    """Rows of a stream in any order.

    Attributes:
        time: microseconds UTC, shape (rows,); None for a related table.
        unit: what rows of one transaction of a customer share; None where every row is one.
        fields: the declared fields, in the order in which they are declared.
        marks: the marks of rows, see `Events`.
    """

    time: Ints | None
    unit: Column | None
    fields: dict[str, Column]
    marks: dict[str, Column]


def arrange(
    rows: Loose, owners: npt.NDArray[np.uint32], customers: int, cut: Callable[[Column], Column] = trimmed
) -> Events:
    """The rows grouped by customer and transaction; *rows* gives up its columns one by one on the way.

    Args:
        rows: the rows.
        owners: the dense id of each row's customer, `kernels.NOBODY` for a row that is left out; shape (rows,).
        customers: how many there are.
        cut: what becomes of dictionaries with strings that no row has.
    """
    unit = None if rows.unit is None else _wide(rows.unit)
    placed = layout(owners, customers, rows.time, unit)
    if placed.units is not None and placed.unit_offsets is not None and rows.time is not None and unit is not None:
        order_alone(placed.units, placed.unit_offsets, placed.order, rows.time, unit, list(rows.fields.values()))
    marks = {name: cut(rows.marks.pop(name).take(placed.order)) for name in list(rows.marks)}
    if placed.units is not None and rows.unit is not None:
        marks[UNIT] = cut(rows.unit.take(placed.order[placed.units[:-1]]))
    unit = rows.unit = None
    time = None if rows.time is None else rows.time[placed.order]
    rows.time = None
    fields = {}
    for name in list(rows.fields):
        fields[name] = cut(rows.fields.pop(name).take(placed.order))
    return Events(placed.offsets, time, fields, placed.units, placed.unit_offsets, marks)


def _wide(unit: Column) -> Ints:
    """Units as int64: codes or integers, missing ones `MISSING`."""
    wide: Ints = unit.data.astype(np.int64, copy=False)
    return wide if unit.dictionary is None else np.where(wide < 0, MISSING, wide)
