"""Batches that follow one another, as one: whoever does again what a journal says need not stop after each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from segdex.ingest.accepted import Accepted, from_bytes
from segdex.ingest.arrays import is_text
from segdex.ingest.batch import Batch
from segdex.ingest.keys import Keys
from segdex.ingest.sources import CUSTOMERS
from segdex.live.perform import batch_of, performed
from segdex.live.records import Apply, Record
from segdex.live.state import State
from segdex.schema.catalog import Catalog

MOST_ROWS = 1 << 17
"""Rows that are taken in at once: more take more memory and no less time."""
Tables: TypeAlias = Mapping[str, Accepted]


@dataclasses.dataclass(slots=True)
class Together:
    """Records to be done at once: any one, or batches that say together what they say one by one.

    The order of rows changes nothing but for customers, of whose rows the later one wins as a whole: that is the same
    in one batch as in many where they have the same columns. New keys get their dense ids batch by batch, as they did.
    """

    records: list[Record] = dataclasses.field(default_factory=list)
    tables: list[Tables] = dataclasses.field(default_factory=list)
    rows: int = 0
    columns: set[object] = dataclasses.field(default_factory=set)
    kinds: set[object] = dataclasses.field(default_factory=set)

    def take(self, record: Record, catalog: Catalog) -> bool:
        """Take a record in, unless it must be done by itself."""
        action = record.action
        if not isinstance(action, Apply) or action.as_of is not None:
            if self.records:
                return False
            self.records.append(record)
            return True
        tables = from_bytes(action.tables)
        rows = self.rows + sum(table.rows for table in tables.values())
        columns = self.columns | _columns(tables.get(CUSTOMERS))
        # As text 10 comes before 7; and text that may mean numbers is what all of it says.
        kinds = self.kinds | _kinds(tables, catalog)
        alone = len(self.tables) < len(self.records) or rows > MOST_ROWS or len(columns) > 1 or len(kinds) > 1
        if self.records and alone:
            return False
        self.records.append(record)
        self.tables.append(tables)
        self.rows, self.columns, self.kinds = rows, columns, kinds
        return True

    def performed(self, state: State) -> State:
        """The state after the records."""
        last = self.records[-1]
        batch = _batch(state, self.tables) if len(self.records) > 1 else None
        made = performed(state, last.action, batch)[0].numbered(last.entry.generation)
        offsets = dict(made.offsets)
        for record in self.records:
            if isinstance(record.action, Apply) and record.action.source is not None:
                offsets[record.action.source] = record.action.offset or 0
        return dataclasses.replace(made, offsets=offsets)


def runs(records: Sequence[Record], catalog: Catalog) -> Iterator[Together]:
    """*records* in runs."""
    run = Together()
    for record in records:
        if not run.take(record, catalog):
            yield run
            run = Together()
            run.take(record, catalog)
    if run.records:
        yield run


def _columns(table: Accepted | None) -> set[object]:
    """The columns of the parts of a table of customers."""
    return set() if table is None else {tuple(sorted(part.table.column_names)) for part in table.parts}


def _kinds(tables: Tables, catalog: Catalog) -> set[object]:
    """What the keys of tables are; those without types are like no others."""
    return {
        object() if part.untyped else is_text(part.table.column(_key(catalog, name)).type)
        for name, table in tables.items()
        for part in table.parts
    }


def _key(catalog: Catalog, table: str) -> str:
    schema = catalog.schema
    return schema.customers.key if table == CUSTOMERS else schema.streams[table].key


def _batch(state: State, batches: Sequence[Tables]) -> Batch:
    """Batches as one, which tells the first of them that names each key."""
    parts: dict[str, Accepted] = {}
    for tables in batches:
        for name, table in tables.items():
            parts[name] = Accepted((*(parts[name].parts if name in parts else ()), *table.parts))
    batch = batch_of(state, parts, "skip")
    keys, turns = Keys(batch.keys), np.full(len(batch), len(batches), np.int64)
    for turn, tables in reversed([*enumerate(batches)]):
        for name, table in tables.items():
            for part in table.parts:
                found = keys.lookup(part.table.column(_key(state.catalog, name)))
                turns[found[found >= 0]] = turn
    return dataclasses.replace(batch, turns=turns)
