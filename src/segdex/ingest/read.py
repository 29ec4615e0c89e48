"""All tables of a schema, read: customers numbered, typed columns, a report of what was found.

The walk: customers, lookups and streams stream by once each, batch by batch, into physical columns; keys get
provisional numbers as they come. At the end the universe is settled, keys get their dense ids in ascending order, and
the rows of each stream are grouped by them. So the order in which rows arrive, and how they are split over files and
batches, changes nothing - but for rows of customers or of a label with one key, of which the last one wins. Labels are
read when it is settled who is a customer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from segdex.errors import ArgumentError
from segdex.events.store import Events
from segdex.ingest.columns import FieldGatherer, gatherer, pick
from segdex.ingest.ids import KeyColumn, KeySpace
from segdex.ingest.intake import Part, Progress, take_in
from segdex.ingest.keys import Keys
from segdex.ingest.labels import LabelColumns, Labelled, read_label
from segdex.ingest.lookups import Dimension, read_lookup
from segdex.ingest.places import Places
from segdex.ingest.report import OnError, Report, SourceReport, Tally, rejections
from segdex.ingest.sources import CUSTOMERS, LABELS, LOOKUPS, Source, resolve
from segdex.ingest.streams import Rows, Settled, read_rows, settle
from segdex.ingest.universe import Universe
from segdex.schema.catalog import Catalog
from segdex.schema.fields import reached
from segdex.schema.labels import score_name
from segdex.schema.model import Field
from segdex.values.column import Column, Ints, Mask


@dataclasses.dataclass(frozen=True, slots=True)
class Tables:
    """Everything that was read.

    Attributes:
        keys: the customers, by dense id.
        attributes: one value a customer; labels and their scores are among them.
        events: the rows of each stream.
        report: what became of the rows.
        graves: of each stream with ids the rows that won theirs and are no events, see `segdex.events.ids`.
    """

    keys: Keys
    attributes: dict[str, Column]
    events: dict[str, Events]
    report: Report
    graves: dict[str, Events] = dataclasses.field(default_factory=dict)


def read(
    catalog: Catalog,
    sources: Mapping[str, Any] | None = None,
    on_error: OnError = "raise",
    progress: Progress | None = None,
) -> Tables:
    """Read every table that *catalog* declares.

    Args:
        catalog: the checked schema; its paths are relative to ``catalog.base``.
        sources: tables in place of declared ones: ``customers``, streams, lookups and labels by name; each anything
            with ``__arrow_c_stream__``, read once, or a path relative to the current folder.
        on_error: ``raise`` at the first bad row, or ``skip`` bad rows and list them in the report.
        progress: called after each batch with what is read and how many rows so far; the total is 0, not known.

    Raises:
        ArgumentError: a source is unknown, no table, or missing; *on_error* is something else.
        LimitError: more customers, or more distinct strings in a column, than codes can number.
        SchemaError: the ``where`` of a stream depends on the clock.
        SourceError: a file or table cannot be read, a column is missing or of the wrong type, or a row is bad.
    """
    if on_error not in ("raise", "skip"):
        raise ArgumentError("on_error", found=repr(on_error), allowed="'raise', 'skip'")
    return _Reading(
        catalog, resolve(catalog.schema, {} if sources is None else sources, catalog.base), on_error, progress
    ).run()


class _Reading:
    """One call of `read`."""

    def __init__(
        self, catalog: Catalog, sources: Mapping[str, Source], on_error: OnError, progress: Progress | None
    ) -> None:
        self._catalog, self._sources, self._progress = catalog, sources, progress
        self._on_error = on_error
        self._space = KeySpace()
        self._tallies: dict[str, Tally] = {}

    def run(self) -> Tables:
        schema = self._catalog.schema
        customers = self._customers() if CUSTOMERS in self._sources else None
        dimensions = self._dimensions()
        streams = {name: self._rows(name, dimensions) for name in schema.streams}
        universe = Universe(self._space)
        if customers is not None:
            universe.admit(customers.keys, customers.good)
        if not schema.customers.only:
            for rows in streams.values():
                universe.admit(rows.keys, rows.counts)
        keys = universe.settle()
        reports = [] if customers is None else [customers.report(self._tallies[CUSTOMERS], universe, len(keys))]
        reports += (_plain(self._tallies[LOOKUPS + name]) for name in dimensions)
        attributes = {} if customers is None else customers.attributes(universe, len(keys))
        events, graves = {}, {}
        for name in schema.streams:
            settled = settle(streams.pop(name), universe, len(keys))
            reports.append(_of_stream(self._tallies[name], settled))
            events[name] = settled.events
            if settled.graves is not None:
                graves[name] = settled.graves
        for name in schema.labels:
            labelled = self._label(name, keys)
            reports.append(labelled.report)
            attributes[name] = labelled.label
            if labelled.score is not None:
                attributes[score_name(name)] = labelled.score
        report = Report(tuple(reports), rejections(list(self._tallies.values())))
        return Tables(keys, attributes, events, report, graves)

    def _tally(self, name: str) -> Tally:
        return self._tallies.setdefault(name, Tally(name, self._on_error))

    def _customers(self) -> _Customers:
        declared = self._catalog.schema.customers
        keys = KeyColumn(self._space)
        fields = {name: self._gatherer(name) for name in declared.attributes}
        parts = [Part(declared.key, keys, "bad")]
        for name, each in fields.items():
            parts += _parts(name, declared.attributes[name], each)
        good = take_in(self._sources[CUSTOMERS], parts, self._tally(CUSTOMERS), self._progress)
        return _Customers(keys, good, {name: each.finish() for name, each in fields.items()})

    def _gatherer(self, attribute: str) -> FieldGatherer | Places:
        kind = self._catalog.types[attribute]
        return Places(kind) if kind.kind == "geo" else gatherer(kind, self._catalog.zone)

    def _dimensions(self) -> dict[str, Dimension]:
        """The lookups that a stream comes through; the others are not read."""
        schema = self._catalog.schema
        fields = [field for stream in schema.streams.values() for field in stream.fields.values()]
        used = {there[0] for field in fields if (there := reached(field, schema.lookups)) is not None}
        return {
            name: read_lookup(
                self._catalog, name, self._sources[LOOKUPS + name], self._tally(LOOKUPS + name), self._progress
            )
            for name in schema.lookups
            if name in used
        }

    def _rows(self, name: str, dimensions: Mapping[str, Dimension]) -> Rows:
        return read_rows(
            self._catalog, name, self._sources[name], self._space, dimensions, self._tally(name), self._progress
        )

    def _label(self, name: str, keys: Keys) -> Labelled:
        declared, full = self._catalog.schema.labels[name], LABELS + name
        columns = LabelColumns(declared.key, declared.label, declared.score)
        return read_label(self._sources[full], columns, keys, self._tally(full), self._progress)


@dataclasses.dataclass(frozen=True, slots=True)
class _Customers:
    """The customers' own table, in its order."""

    keys: KeyColumn
    good: Mask
    columns: dict[str, Column]

    def attributes(self, universe: Universe, count: int) -> dict[str, Column]:
        """The values by dense id; of several rows with one key the last one's."""
        rows = self._rows(universe, count)
        return {name: pick(self.columns.pop(name), rows) for name in list(self.columns)}

    def report(self, tally: Tally, universe: Universe, count: int) -> SourceReport:
        kept = int(np.count_nonzero(self._rows(universe, count) >= 0))
        replaced = int(np.count_nonzero(self.good)) - kept
        return SourceReport(tally.name, tally.rows, kept, rejected=tally.rejected, replaced=replaced)

    def _rows(self, universe: Universe, count: int) -> Ints:
        """The row of each customer, -1 for those that only streams know."""
        owners = universe.owners(self.keys, self.good)
        own = np.flatnonzero(self.good)
        rows = np.full(count, -1, np.int64)
        rows[owners[own]] = own  # where an index comes twice, the last one is assigned
        return rows


def _parts(name: str, field: Field, held: FieldGatherer | Places) -> list[Part]:
    """The columns of an attribute: one, of a place two."""
    if isinstance(held, Places):
        return [Part(field.latitude or "", held.latitude), Part(field.longitude or "", held.longitude)]
    return [Part(field.column or name, held)]


def _plain(tally: Tally) -> SourceReport:
    return SourceReport(tally.name, tally.rows, tally.rows - tally.rejected, rejected=tally.rejected)


def _of_stream(tally: Tally, settled: Settled) -> SourceReport:
    return SourceReport(
        tally.name, tally.rows, settled.kept, tally.rejected, tally.unowned, settled.excluded, settled.strangers,
        settled.replaced,
    )  # fmt: skip
