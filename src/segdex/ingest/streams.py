"""One stream: its rows read, joined to lookups, and those left out that do not count."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from segdex.errors import SchemaError
from segdex.events.arrange import arrange
from segdex.events.ids import kept, rivals, winners
from segdex.events.store import ID, VERSION, Events
from segdex.ingest.columns import FieldGatherer, gatherer
from segdex.ingest.ids import NOBODY, Ids, KeyColumn, KeySpace
from segdex.ingest.intake import Part, Progress, take_in
from segdex.ingest.kept import Dimension
from segdex.ingest.marks import Versions
from segdex.ingest.readers import Batch
from segdex.ingest.report import Tally
from segdex.ingest.sources import Source
from segdex.ingest.universe import Universe
from segdex.rules import nodes
from segdex.schema.catalog import Catalog
from segdex.schema.fields import reached
from segdex.schema.model import Stream
from segdex.schema.types import ValueType
from segdex.values.column import Column, Ints, Mask
from segdex.values.dictionaries import trimmed
from segdex.values.masks import mask

TIME = ValueType("time", role="field")


@dataclasses.dataclass(slots=True)
class Rows:
    """A stream in the order of its table, before its customers are numbered.

    Attributes:
        keys: whose each row is.
        counts: which rows count: they are good, owned, and satisfy the stream's ``where``; shape (rows,).
        time: microseconds UTC; None for a related table.
        unit: what rows of one transaction share; None where every row is one, and where sessions are made of them.
        fields: the declared fields.
        marks: ids and versions, where they are declared; a row that is not good or not owned has no id.
        good: which rows are good and owned, whether they count or not; shape (rows,).
        removes: which rows remove the event that their id stands for; shape (rows,).
    """

    keys: KeyColumn
    counts: Mask
    time: Ints | None
    unit: Column | None
    fields: dict[str, Column]
    marks: dict[str, Column]
    good: Mask
    removes: Mask

    @property
    def lasting(self) -> Mask:
        """Which rows something is kept of: those that count, and those that may win their id; shape (rows,)."""
        return self.counts | (self.good & self.marks[ID].known) if ID in self.marks else self.counts

    def leave_out(self, rows: Mask) -> None:
        """Let *rows* be as if they had not come."""
        self.counts &= ~rows
        self.good &= ~rows
        if ID in self.marks:
            self.marks[ID] = self.marks[ID].take(np.where(rows, -1, np.arange(len(rows))))


@dataclasses.dataclass(frozen=True, slots=True)
class _RowItems:
    """The rows as what the stream's ``where`` is evaluated over; it cannot ask for the clock."""

    fields: Mapping[str, Column]
    count: int
    zone: dt.tzinfo
    as_of: int = 0

    def column(self, node: nodes.Reference) -> Column:
        """The values of a field."""
        assert isinstance(node, nodes.Name)
        return self.fields[node.name]


def read_rows(
    catalog: Catalog,
    name: str,
    source: Source,
    space: KeySpace,
    dimensions: Mapping[str, Dimension],
    tally: Tally,
    progress: Progress | None,
    keep: list[Batch] | None = None,
) -> Rows:
    """Read a stream; batches of rows are put into *keep* as they come, where they are wanted.

    Raises:
        SchemaError: its ``where`` depends on the clock.
        SourceError: the table is wrong.
    """
    stream = catalog.schema.streams[name]
    expect_timeless(name, stream)
    keys, unit = KeyColumn(space), Ids(ValueType("id", role="field"), any_type=True)
    zone = catalog.zone if stream.time is None or stream.time.zone is None else ZoneInfo(stream.time.zone)
    time = gatherer(TIME, zone)
    fields = _gatherers(catalog, name, zone)
    parts = [Part(stream.key, keys, "unowned")]
    if stream.time is not None:
        parts.append(Part(stream.time.column, time, "bad"))
    if isinstance(stream.unit, str):
        parts.append(Part(stream.unit, unit))
    parts += (Part(stream.fields[field].column or field, each) for field, each in fields.items())
    marks = _marks(stream, zone)
    parts += (Part(column, each) for column, each in marks.values())
    good = take_in(source, parts, tally, progress, keep)
    columns = {field: each.finish() for field, each in fields.items()}
    for field, each in stream.fields.items():
        if (there := reached(each, catalog.schema.lookups)) is not None:
            joined = dimensions[there[0]].join(columns[each.on or ""], there[1])
            if joined.dictionary is not None and len(joined.dictionary) > len(joined):
                joined = trimmed(joined)  # a rule looks at every string of a dictionary
            columns[field] = dataclasses.replace(joined, type=catalog.fields[name][field])
    counts = good & _satisfies(stream, _RowItems(columns, len(good), catalog.zone))
    return Rows(
        keys,
        counts,
        None if stream.time is None else time.finish().data,  # type: ignore[arg-type]
        unit.finish() if isinstance(stream.unit, str) else None,
        {field: columns[field] for field in stream.fields},
        *_finished(marks, good),
    )


def _marks(stream: Stream, zone: dt.tzinfo) -> dict[str, tuple[str, FieldGatherer]]:
    """The columns that rows are recognised by, each with its name in the table."""
    found: dict[str, tuple[str, FieldGatherer]] = {}
    if stream.id is not None:
        found[ID] = stream.id, Ids(ValueType("id", role="field"), any_type=True)
    if stream.version is not None:
        found[VERSION] = stream.version, Versions(zone)
    if stream.deleted is not None:
        found[_DELETED] = stream.deleted, gatherer(ValueType("bool", role="field"), zone)
    return found


def _finished(marks: dict[str, tuple[str, FieldGatherer]], good: Mask) -> tuple[dict[str, Column], Mask, Mask]:
    """Marks, *good*, and which rows remove their event."""
    made = {name: each.finish() for name, (_, each) in marks.items()}
    deleted = made.pop(_DELETED, None)
    if ID in made:
        made[ID] = made[ID].take(np.where(good, np.arange(len(good)), -1))
    return made, good, np.zeros(len(good), np.bool_) if deleted is None else good & (deleted.data == 1)


_DELETED = "deleted"


class Settled(NamedTuple):
    """What is kept of a stream, and what became of the rows that are not.

    Attributes:
        events: the rows that are events.
        graves: with ids, those that won theirs and are no events; see `segdex.events.ids`.
        kept, excluded, strangers, replaced: see `SourceReport`.
    """

    events: Events
    graves: Events | None
    kept: int
    excluded: int
    strangers: int
    replaced: int


def settle(rows: Rows, universe: Universe, customers: int) -> Settled:
    """Decide which rows are events, and group them by customer; *rows* gives up its columns on the way."""
    owners = universe.owners(rows.keys, rows.good)
    gone = rows.removes | ~rows.counts  # of graves it is not told why they are none
    won = winners(rivals(rows, gone, owners)) if ID in rows.marks else np.ones(len(owners), np.bool_)
    won &= rows.good
    lives = won & rows.counts & ~rows.removes
    own = owners != NOBODY
    counted = {
        "kept": lives & own, "excluded": won & ~rows.counts & ~rows.removes, "strangers": lives & ~own,
        "replaced": rows.good & ~won | won & rows.removes,
    }  # fmt: skip
    numbers = {name: int(np.count_nonzero(each)) for name, each in counted.items()}
    if ID in rows.marks:
        made = kept(rows, owners, won, ~gone, customers)
        return Settled(made.events, made.graves, **numbers)
    return Settled(arrange(rows, np.where(lives, owners, np.uint32(NOBODY)), customers), None, **numbers)


def overtaken(rows: Rows, universe: Universe, theirs: Mask) -> Mask:
    """The rows with ids that *theirs* won: what was won against does not come back where these are left out."""
    if ID not in rows.marks or not theirs.any():
        return np.zeros(len(theirs), np.bool_)
    owners, ids = universe.owners(rows.keys, rows.good), rows.marks[ID]
    won = winners(rivals(rows, rows.removes | ~rows.counts, owners)) & theirs & ids.known
    return ids.known & np.isin(ids.data, ids.data[won])


def expect_timeless(name: str, stream: Stream) -> None:
    """Which rows count must not change with the clock: a row left out is not stored.

    Raises:
        SchemaError: the stream's ``where`` uses ``today``.
    """
    if isinstance(stream.where, nodes.Node) and any(
        isinstance(node, nodes.Today | nodes.Soon | nodes.Anniversary) for node in nodes.walk(stream.where)
    ):
        raise SchemaError(
            "which rows of a stream count cannot depend on the clock", place=f"streams.{name}.where",
            hint="ask for it in the metrics instead",
        )  # fmt: skip


def _gatherers(catalog: Catalog, name: str, zone: dt.tzinfo) -> dict[str, FieldGatherer]:
    """A column for each field of the table itself; naive times are local to *zone*, dates to the schema's."""
    stream, types = catalog.schema.streams[name], catalog.fields[name]
    return {
        field: gatherer(types[field], zone if types[field].kind == "time" else catalog.zone)
        for field, each in stream.fields.items()
        if each.lookup is None
    }


def _satisfies(stream: Stream, items: _RowItems) -> Mask:
    if stream.where is None:
        return np.ones(items.count, np.bool_)
    assert isinstance(stream.where, nodes.Rule)
    return mask(stream.where, items)
