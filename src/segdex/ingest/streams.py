"""One stream: its rows read, joined to lookups, and those left out that do not count."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from segdex.errors import SchemaError
from segdex.events.csr import layout
from segdex.events.store import Events
from segdex.events.ties import order_alone
from segdex.ingest.columns import FieldGatherer, gatherer, pick
from segdex.ingest.ids import Ids, KeyColumn, KeySpace
from segdex.ingest.intake import Part, Progress, take_in
from segdex.ingest.kept import Dimension
from segdex.ingest.readers import Batch
from segdex.ingest.report import Tally
from segdex.ingest.sources import Source
from segdex.rules import nodes
from segdex.schema.catalog import Catalog
from segdex.schema.fields import reached
from segdex.schema.model import Stream
from segdex.schema.types import ValueType
from segdex.values.column import MISSING, Column, Ints, Mask
from segdex.values.masks import mask

TIME = ValueType("time", role="field")


@dataclasses.dataclass(slots=True)
class Rows:
    """A stream in the order of its table, before its customers are numbered.

    Attributes:
        keys: whose each row is.
        counts: which rows count: they are good, owned, and satisfy the stream's ``where``; shape (rows,).
        excluded: how many rows ``where`` left out.
        time: microseconds UTC; None for a related table.
        unit: what rows of one transaction share; None where every row is one, and where sessions are made of them.
        fields: the declared fields.
    """

    keys: KeyColumn
    counts: Mask
    excluded: int
    time: Ints | None
    unit: Ints | None
    fields: dict[str, Column]


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
    good = take_in(source, parts, tally, progress, keep)
    columns = {field: each.finish() for field, each in fields.items()}
    for field, each in stream.fields.items():
        if (there := reached(each, catalog.schema.lookups)) is not None:
            joined = dimensions[there[0]].join(columns[each.on or ""], there[1])
            if joined.dictionary is not None and len(joined.dictionary) > len(joined):
                joined = pick(joined, np.arange(len(joined)))  # a rule looks at every string of a dictionary
            columns[field] = dataclasses.replace(joined, type=catalog.fields[name][field])
    counts = good & _satisfies(stream, _RowItems(columns, len(good), catalog.zone))
    return Rows(
        keys,
        counts,
        int(np.count_nonzero(good)) - int(np.count_nonzero(counts)),
        None if stream.time is None else time.finish().data,  # type: ignore[arg-type]
        _wide(unit.finish()) if isinstance(stream.unit, str) else None,
        {field: columns[field] for field in stream.fields},
    )


def arrange(rows: Rows, owners: npt.NDArray[np.uint32], customers: int) -> Events:
    """The rows grouped by customer and transaction; *rows* gives up its columns one by one on the way."""
    placed = layout(owners, customers, rows.time, rows.unit)
    if placed.units is not None and placed.unit_offsets is not None and rows.time is not None and rows.unit is not None:
        order_alone(placed.units, placed.unit_offsets, placed.order, rows.time, rows.unit, list(rows.fields.values()))
    rows.unit = None
    time = None if rows.time is None else rows.time[placed.order]
    rows.time = None
    fields = {}
    for name in list(rows.fields):
        fields[name] = pick(rows.fields.pop(name), placed.order)
    return Events(placed.offsets, time, fields, placed.units, placed.unit_offsets)


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


def _wide(unit: Column) -> Ints:
    """Units as int64: codes or integers, missing ones `MISSING`."""
    wide: Ints = unit.data.astype(np.int64, copy=False)
    return wide if unit.dictionary is None else np.where(wide < 0, MISSING, wide)
