"""Batches that follow one another, as one: whoever does again what a journal says need not stop after each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from segdex.ingest.accepted import Accepted, from_bytes, to_bytes
from segdex.ingest.sources import CUSTOMERS
from segdex.live.records import Apply, Record

MOST_ROWS = 1 << 17
"""Rows that are taken in at once: more take more memory and no less time."""


def together(records: Sequence[Record]) -> Iterator[Record]:
    """*records* with runs of batches put together; each has the entry of its last one.

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
            yield record
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


def _one(held: Sequence[Record]) -> Iterator[Record]:
    if len(held) < 2:
        yield from held
        return
    parts: dict[str, Accepted] = {}
    actions = [record.action for record in held if isinstance(record.action, Apply)]
    for action in actions:
        for name, table in from_bytes(action.tables).items():
            before = parts.get(name)
            parts[name] = table if before is None else Accepted((*before.parts, *table.parts))
    last = held[-1]
    for action in {action.source: action for action in actions}.values():  # the last offset of each other source
        if action.source not in (None, actions[-1].source):
            yield Record(msgspec.structs.replace(action, tables=to_bytes({})), last.entry)
    yield Record(msgspec.structs.replace(actions[-1], tables=to_bytes(parts)), last.entry)
