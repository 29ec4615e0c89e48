"""Batches that follow one another, as one: whoever does again what a journal says need not stop after each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import msgspec

from segdex.ingest.accepted import Accepted, from_bytes, to_bytes
from segdex.ingest.sources import CUSTOMERS
from segdex.live.records import Apply, Record

MOST_ROWS = 1 << 17
"""Rows that are taken in at once: more take more memory and no less time."""


def together(records: Sequence[Record]) -> Iterator[tuple[Record, dict[str, Accepted] | None]]:
    """*records* with runs of batches put together; each has the entry of its last one, and the tables of all.

    The order of rows changes nothing but for customers, of whose rows the later one wins as a whole. That is the same
    in one batch as in many where they have the same columns.
    """
    held: list[Record] = []
    rows, columns = 0, None
    for record in records:
        action = record.action
        if not isinstance(action, Apply) or action.as_of is not None:
            yield from _one(held)
            held, rows, columns = [], 0, None
            yield record, None
            continue
        tables = from_bytes(action.tables)
        own = _columns(tables.get(CUSTOMERS))
        size = sum(table.rows for table in tables.values())
        if held and (rows + size > MOST_ROWS or (own is not None and columns is not None and own != columns)):
            yield from _one(held)
            held, rows, columns = [], 0, None
        held.append(record)
        rows, columns = rows + size, columns if own is None else own
    yield from _one(held)


def _columns(table: Accepted | None) -> tuple[tuple[str, ...], ...] | None:
    """The columns of a table of customers, in each of its parts; None: it has no rows."""
    if table is None or not table.parts:
        return None
    return tuple({tuple(sorted(part.table.column_names)) for part in table.parts})


def _one(held: Sequence[Record]) -> Iterator[tuple[Record, dict[str, Accepted] | None]]:
    if len(held) < 2:
        yield from ((record, None) for record in held)
        return
    tables: dict[str, Accepted] = {}
    actions = [record.action for record in held if isinstance(record.action, Apply)]
    for number, action in enumerate(actions):
        for name, table in from_bytes(action.tables).items():
            before = () if name not in tables else tables[name].parts
            # Who came with an earlier batch has an earlier dense id.
            parts = (dataclasses.replace(part, batch=number) for part in table.parts)
            tables[name] = Accepted((*before, *parts))
    last = held[-1]
    for action in {action.source: action for action in actions}.values():  # the last offset of each other source
        if action.source not in (None, actions[-1].source):
            yield Record(msgspec.structs.replace(action, tables=to_bytes({})), last.entry), None
    yield last, tables
