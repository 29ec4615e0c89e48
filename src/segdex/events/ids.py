"""Rows of one id are one event: which row it is.

The greatest version wins; among equal ones the greatest row, by time, then by the fields as they are declared, missing
values below all others. On a tie a row that removes the event wins. What is alike even in that is told apart by the
customer's key and the unit, so that the order in which rows come decides nothing. The greatest of some rows and of the
greatest of others is the greatest of all: rows may come in any number of batches.

What won and removes its event, or does not count, is a *grave*: it is kept, without being an event, to hold its own
against rows that come later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segdex.events import kernels
from segdex.events.arrange import Loose, arrange
from segdex.events.store import ID, VERSION, Events
from segdex.events.ties import by_fields
from segdex.events.update import LooseRows, loose, owners_of, together
from segdex.schema.types import ValueType
from segdex.values.column import BOOLEANS, Codes, Column, Ints, Mask

_WHOLE = ValueType("integer", role="field")


@dataclasses.dataclass(frozen=True, slots=True)
class Rivals:
    """Rows that may have ids in common.

    Attributes:
        id: missing: the row is an event of its own.
        version: None where the stream has none.
        time: None where the stream has none.
        fields: the declared fields, in their order.
        removes: whether the row removes its event, or is a grave; shape (rows,).
        customers: numbers that ascend as the keys of the rows' customers do; shape (rows,).
        unit: of each row; None where the stream has none.
    """

    id: Column
    version: Column | None
    time: Ints | None
    fields: Sequence[Column]
    removes: Mask
    customers: Ints
    unit: Column | None = None


def winners(rows: Rivals) -> Mask:
    """Which rows are the ones that their ids stand for, shape (rows,): exactly one of each id."""
    stays = np.ones(len(rows.id), np.bool_)
    often, spans = _often(rows.id)
    if len(often):
        stays[often] = False
        stays[by_fields(spans, often, _deciding(rows))[spans[1:] - 1]] = True
    return stays


def _deciding(rows: Rivals) -> list[Column]:
    """What decides between rows of one id, the most important first."""
    removes: Codes = rows.removes.astype(np.int32)
    return [
        *([] if rows.version is None else [rows.version]),
        *([] if rows.time is None else [Column(_WHOLE, rows.time)]),
        *rows.fields,
        Column(ValueType("bool", role="field"), removes, BOOLEANS),
        Column(_WHOLE, rows.customers),
        *([] if rows.unit is None else [rows.unit]),
    ]


def _often(ids: Column) -> tuple[Ints, Ints]:
    """The rows whose id another one has too, id by id, and where each id begins among them."""
    keys = ids.data.astype(np.int64, copy=False)
    known = ids.known
    # Most ids come once: what shares no slot of a table with another need not be sorted.
    seen = np.zeros(1 << (4 * len(keys)).bit_length(), np.uint8)
    shared = np.empty(len(keys), np.bool_)
    kernels.share_slots(keys, known, seen, shared)
    rows = np.flatnonzero(shared)
    rows = rows[np.argsort(keys[rows])]
    begins = np.ones(len(rows) + 1, np.bool_)
    begins[1:-1] = keys[rows[1:]] != keys[rows[:-1]]
    alone = begins[:-1] & begins[1:]
    rows, begins = rows[~alone], begins[:-1][~alone]
    return rows, np.append(np.flatnonzero(begins), len(rows)).astype(np.int64)


class Kept(NamedTuple):
    """What is kept of a stream with ids: no id comes twice in both together.

    Attributes:
        events: the events.
        graves: the rows that won their ids and are no events, without units.
    """

    events: Events
    graves: Events


def decided(old: Kept, new: Kept, fields: Sequence[str], ranks: Ints | None = None) -> Kept:
    """What is kept of both, over the same customers, as if all their rows had been read together.

    Args:
        old: what is kept of some rows.
        new: what is kept of others; customer i of one is customer i of the other.
        fields: the fields in the order in which they are declared.
        ranks: numbers that ascend as the customers' keys do, shape (customers,); None: their ids do.

    Raises:
        SourceError: versions are times on one side and numbers on the other.
        VersionError: the rows were stored by a version that kept no units.
    """
    parts = [old.events, new.events, old.graves, new.graves]
    owners = np.concatenate([owners_of(part) for part in parts])
    rows = together([loose(part, fields) for part in parts])
    graves = np.arange(len(owners)) >= old.events.rows + new.events.rows
    won = winners(rivals(rows, graves, owners if ranks is None else ranks[owners]))
    return kept(rows, owners, won, ~graves, old.events.customers)


def rivals(rows: Loose, removes: Mask, customers: npt.NDArray[np.integer]) -> Rivals:
    """*rows* as `Rivals`; *removes* and *customers* are those of it."""
    fields, version = list(rows.fields.values()), rows.marks.get(VERSION)
    return Rivals(rows.marks[ID], version, rows.time, fields, removes, customers.astype(np.int64), rows.unit)


def kept(rows: Loose, owners: npt.NDArray[np.uint32], won: Mask, events: Mask, customers: int) -> Kept:
    """The rows that won, arranged; *rows* gives up its columns on the way.

    Args:
        rows: the rows, with their marks.
        owners: the dense id of each row's customer; `kernels.NOBODY` for one that is not kept.
        won: as `winners` tells.
        events: which rows are events if they won, shape (rows,); the others are graves.
        customers: how many there are.
    """
    lives = won & events
    buried = LooseRows(rows.time, None, dict(rows.fields), dict(rows.marks))
    nobody = np.uint32(kernels.NOBODY)
    graves = arrange(buried, np.where(won & ~lives & rows.marks[ID].known, owners, nobody), customers)
    return Kept(arrange(rows, np.where(lives, owners, nobody), customers), graves)
