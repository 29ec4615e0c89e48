"""What became of a change: who entered the tracked segments and who left them, by key."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

import pyarrow as pa

from segdex.ingest.keys import AnyKeys
from segdex.ingest.report import Report
from segdex.live.records import Entry, ids_of
from segdex.values import clock


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Changes:
    """What one generation changed.

    Attributes:
        generation: its number.
        as_of: its clock, in UTC.
        entered: the keys of those who entered each tracked segment, Arrow arrays; segments that nobody entered are
            left out.
        left: the keys of those who left.
        redefined: tracked segments that were declared or changed in this generation, by which nobody entered or left.
        rejected: bad rows, with source, file, row, column and reason; None: no rows were read.
        dropped: rows of erased customers.
        replayed: the batch had been taken in before, and changed nothing.
        found: how many of the keys to be erased, merged or readmitted were known.
        erased: how many customers were erased; they are in no list of keys.
    """

    generation: int
    as_of: dt.datetime
    entered: Mapping[str, pa.Array]
    left: Mapping[str, pa.Array]
    redefined: tuple[str, ...] = ()
    rejected: pa.Table | None = None
    dropped: int = 0
    replayed: bool = False
    found: int = 0
    erased: int = 0

    def to_arrow(self) -> pa.Table:
        """A table with the columns segment, change (``entered`` or ``left``) and key."""
        kind = next((keys.type for held in (self.entered, self.left) for keys in held.values()), pa.string())
        parts = [
            pa.table({"segment": [name] * len(keys), "change": [change] * len(keys), "key": keys})
            for change, held in (("entered", self.entered), ("left", self.left))
            for name, keys in held.items()
        ]
        schema = pa.schema([("segment", pa.string()), ("change", pa.string()), ("key", kind)])
        return pa.concat_tables([schema.empty_table(), *(part.cast(schema) for part in parts)])

    def __repr__(self) -> str:
        told = [f"{name} +{len(self.entered.get(name, ()))} -{len(self.left.get(name, ()))}"
                for name in dict.fromkeys((*self.entered, *self.left))]  # fmt: skip
        return f"<segdex.Changes of generation {self.generation}: {', '.join(told) or 'nobody moved'}>"


def changes_of(entry: Entry, keys: AnyKeys, report: Report | None = None, found: int = 0) -> Changes:
    """What an entry of the feed says, by key; who was erased since has none."""
    sides = [
        {name: known for name, ids in ids_of(side, len(keys)).items() if len(known := keys.take(ids).drop_null())}
        for side in (entry.entered, entry.left)
    ]
    return Changes(
        generation=entry.generation,
        as_of=clock.from_microseconds(entry.as_of),
        entered=sides[0],
        left=sides[1],
        redefined=entry.redefined,
        rejected=None if report is None else report.rejected,
        dropped=0 if report is None else sum(source.dropped for source in report.sources),
        found=found,
        erased=entry.erased,
    )


def unchanged(generation: int, as_of: int) -> Changes:
    """What was so before changes nothing."""
    return Changes(generation, clock.from_microseconds(as_of), {}, {})


def replayed(generation: int, as_of: int) -> Changes:
    """What a batch changes that had been taken in before."""
    return Changes(generation, clock.from_microseconds(as_of), {}, {}, replayed=True)
