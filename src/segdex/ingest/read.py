"""All tables of a schema, read: customers numbered, typed columns, a report of what was found.

The walk: customers, lookups and streams stream by once each, batch by batch, into physical columns; keys get
provisional numbers as they come. At the end the universe is settled, keys get their dense ids in ascending order, and
the rows of each stream are grouped by them. So the order in which rows arrive, and how they are split over files and
batches, changes nothing - but for rows of customers or of a label with one key, of which the last one wins (where
customers have versions, among those of the greatest one). Labels are read when it is settled who is a customer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.errors import ArgumentError
from segdex.events.store import ID, Events
from segdex.ingest.aliases import Aliases, meant
from segdex.ingest.columns import pick
from segdex.ingest.customers import CustomerRows, read_customers
from segdex.ingest.ids import KeySpace
from segdex.ingest.intake import Progress
from segdex.ingest.kept import Dimension
from segdex.ingest.keys import Keys, KeyValues
from segdex.ingest.labels import LabelColumns, Labelled, read_label
from segdex.ingest.lookups import read_lookup, used_fields
from segdex.ingest.report import OnError, Report, SourceReport, Tally, rejections
from segdex.ingest.sources import CUSTOMERS, LABELS, LOOKUPS, Source, resolve
from segdex.ingest.streams import Rows, Settled, overtaken, read_rows, settle
from segdex.ingest.universe import Universe
from segdex.schema.catalog import Catalog
from segdex.schema.labels import score_name
from segdex.values.column import Column, Ints, Mask


@dataclasses.dataclass(frozen=True, slots=True)
class Tables:
    """Everything that was read.

    Attributes:
        keys: the customers, by dense id, and whoever else has rows.
        attributes: one value a customer; labels and their scores are among them.
        events: the rows of each stream.
        report: what became of the rows.
        universe: who is a customer, shape (customers,); None: everybody. With ``only = true`` keys that are seen only
            in streams are none; their rows are there for the day when they become one.
        lookups: those that fields of streams came through.
        hidden: columns of customers that no rule can name, see `segdex.ingest.customers`.
        graves: of each stream with ids the rows that won theirs and are no events, see `segdex.events.ids`.
    """

    keys: Keys
    attributes: dict[str, Column]
    events: dict[str, Events]
    report: Report
    universe: Mask | None = None
    lookups: dict[str, Dimension] = dataclasses.field(default_factory=dict)
    hidden: dict[str, Column] = dataclasses.field(default_factory=dict)
    graves: dict[str, Events] = dataclasses.field(default_factory=dict)


def read(
    catalog: Catalog,
    sources: Mapping[str, Any] | None = None,
    on_error: OnError = "raise",
    progress: Progress | None = None,
    erased: Callable[[pa.Array], Mask] | None = None,
    aliases: Aliases | None = None,
) -> Tables:
    """Read every table that *catalog* declares.

    Args:
        catalog: the checked schema; its paths are relative to ``catalog.base``.
        sources: tables in place of declared ones: ``customers``, streams, lookups and labels by name; each anything
            with ``__arrow_c_stream__``, read once, or a path relative to the current folder.
        on_error: ``raise`` at the first bad row, or ``skip`` bad rows and list them in the report.
        progress: called after each batch with what is read and how many rows so far; the total is 0, not known.
        erased: which of some keys are those of erased customers: their rows are dropped.
        aliases: keys that mean other keys, whose rows are those of one customer. Of rows of customers each value is
            that of the key that is meant, where it has one.

    Raises:
        ArgumentError: a source is unknown, no table, or missing; *on_error* is something else.
        LimitError: more customers, or more distinct strings in a column, than codes can number.
        SchemaError: the ``where`` of a stream depends on the clock.
        SourceError: a file or table cannot be read, a column is missing or of the wrong type, or a row is bad.
    """
    expect_on_error(on_error)
    resolved = resolve(catalog.schema, {} if sources is None else sources, catalog.base)
    return _Reading(catalog, resolved, on_error, progress).run(erased, aliases)


def expect_on_error(on_error: object) -> None:
    """Raise `ArgumentError` unless *on_error* is one of the two."""
    if not isinstance(on_error, str) or on_error not in ("raise", "skip"):
        raise ArgumentError("on_error", found=repr(on_error), allowed="'raise', 'skip'")


class _Reading:
    """One call of `read`."""

    def __init__(
        self, catalog: Catalog, sources: Mapping[str, Source], on_error: OnError, progress: Progress | None
    ) -> None:
        self._catalog, self._sources, self._progress = catalog, sources, progress
        self._on_error = on_error
        self._space = KeySpace()
        self._tallies: dict[str, Tally] = {}

    def run(self, erased: Callable[[pa.Array], Mask] | None, aliases: Aliases | None) -> Tables:
        schema = self._catalog.schema
        customers = self._customers() if CUSTOMERS in self._sources else None
        dimensions = self._dimensions()
        streams = {name: self._rows(name, dimensions) for name in schema.streams}
        dropped = {} if erased is None else self._drop(erased, customers, streams)
        universe = self._universe(customers, streams)
        held = universe.settle().values
        winners = np.full(len(held), -1, np.int64) if customers is None else customers.winners(universe, len(held))
        reports = []
        if customers is not None:
            reports.append(customers.report(self._tallies[CUSTOMERS], winners, dropped.get(CUSTOMERS, 0)))
        reports += (_plain(self._tallies[LOOKUPS + name]) for name in dimensions)
        attributes = {} if customers is None else customers.attributes(winners)
        hidden = {} if customers is None else customers.hidden(winners)
        values, become = meant(held, aliases)
        if become is not None:
            universe.become(become)
            order = _survivors_first(held, values, become)
            attributes = {name: _one_each(column, become, order) for name, column in attributes.items()}
            hidden = {name: _greatest_each(column, become) for name, column in hidden.items()}
            winners = _one_each_row(winners, become, order)
        keys = Keys(values, aliases=aliases)
        inside = self._inside(universe, winners, streams)
        events, graves = {}, {}
        for name in schema.streams:
            settled = settle(streams.pop(name), universe, len(keys))
            reports.append(of_stream(self._tallies[name], settled, inside, dropped.get(name, 0)))
            events[name] = settled.events
            if settled.graves is not None:
                graves[name] = settled.graves
        for name in schema.labels:
            labelled = self._label(name, keys, inside)
            reports.append(labelled.report)
            attributes[name] = labelled.label
            if labelled.score is not None:
                attributes[score_name(name)] = labelled.score
        report = Report(tuple(reports), rejections(list(self._tallies.values())))
        return Tables(keys, attributes, events, report, inside, dimensions, hidden, graves)

    def _universe(self, customers: CustomerRows | None, streams: Mapping[str, Rows]) -> Universe:
        universe = Universe(self._space)
        if customers is not None:
            universe.admit(customers.keys, customers.good)
        for rows in streams.values():
            universe.admit(rows.keys, rows.lasting)
        return universe

    def _drop(
        self, erased: Callable[[pa.Array], Mask], customers: CustomerRows | None, streams: Mapping[str, Rows]
    ) -> dict[str, int]:
        """Leave the rows of erased customers out; how many of each table they are."""
        universe = self._universe(customers, streams)
        gone = erased(universe.settle().values)
        if not gone.any():
            return {}
        dropped = {}
        if customers is not None:
            theirs = universe.theirs(customers.keys, customers.good, gone)
            customers.good[theirs] = False
            dropped[CUSTOMERS] = int(np.count_nonzero(theirs))
        for name, rows in streams.items():
            theirs = universe.theirs(rows.keys, rows.lasting, gone)
            dropped[name] = int(np.count_nonzero(theirs))
            rows.leave_out(theirs | overtaken(rows, universe, theirs))
        return dropped

    def _inside(self, universe: Universe, winners: Ints, streams: Mapping[str, Rows]) -> Mask | None:
        """Who is a customer; None: everybody. Of others there is nothing but rows."""
        inside = winners >= 0
        if not self._catalog.schema.customers.only:
            if not any(ID in rows.marks for rows in streams.values()):
                return None
            for rows in streams.values():
                inside |= universe.named(rows.keys, rows.counts, len(inside))
        return None if inside.all() else inside

    def _tally(self, name: str) -> Tally:
        return self._tallies.setdefault(name, Tally(name, self._on_error))

    def _customers(self) -> CustomerRows:
        return read_customers(
            self._catalog, self._sources[CUSTOMERS], self._space, self._tally(CUSTOMERS), self._progress
        )

    def _dimensions(self) -> dict[str, Dimension]:
        """The lookups that a stream comes through; the others are not read."""
        used = used_fields(self._catalog)
        return {
            name: read_lookup(self._catalog, name, used[name], self._sources[full], self._tally(full), self._progress)
            for name, full in ((name, LOOKUPS + name) for name in self._catalog.schema.lookups)
            if name in used
        }

    def _rows(self, name: str, dimensions: Mapping[str, Dimension]) -> Rows:
        return read_rows(
            self._catalog, name, self._sources[name], self._space, dimensions, self._tally(name), self._progress
        )

    def _label(self, name: str, keys: Keys, inside: Mask | None) -> Labelled:
        declared, full = self._catalog.schema.labels[name], LABELS + name
        columns = LabelColumns(declared.key, declared.label, declared.score)

        def lookup(values: pa.Array) -> Ints:
            found = keys.lookup(values)
            return found if inside is None else np.where(np.append(inside, False)[found], found, np.int64(-1))

        bare = None if keys.aliases is None else Keys(keys.values)
        own = None if bare is None else (lambda values: bare.lookup(values) >= 0)
        return read_label(self._sources[full], columns, lookup, len(keys), self._tally(full), self._progress, own)


# --- keys that are one customer's --------------------------------------------------------------------------------


def _survivors_first(keys: KeyValues, values: KeyValues, become: Ints) -> Ints:
    """The places of *keys* in an order in which whoever is meant comes before those who mean them."""
    meant = values.take(pa.array(become))
    return np.argsort(np.asarray(pc.not_equal(keys.cast(meant.type), meant)), kind="stable")


def _one_each_row(rows: Ints, become: Ints, order: Ints) -> Ints:
    """The first of *rows* in *order* that is none of -1, for each of the customers that the keys become."""
    found = np.full(int(become.max(initial=-1)) + 1, -1, np.int64)
    last_first = order[rows[order] >= 0][::-1]
    found[become[last_first]] = rows[last_first]  # where an index comes twice, the last one is assigned
    return found


def _one_each(column: Column, become: Ints, order: Ints) -> Column:
    """The first known value in *order*, for each of the customers that the keys become."""
    return pick(column, _one_each_row(np.where(column.known, np.arange(len(column)), -1), become, order))


def _greatest_each(versions: Column, become: Ints) -> Column:
    """The greatest version; a missing one is the least."""
    order = np.argsort(versions.data, kind="stable")[::-1]
    return versions.take(_one_each_row(np.arange(len(versions)), become, order))


def _plain(tally: Tally) -> SourceReport:
    return SourceReport(tally.name, tally.rows, tally.rows - tally.rejected, rejected=tally.rejected)


def of_stream(tally: Tally, settled: Settled, inside: Mask | None, dropped: int = 0) -> SourceReport:
    """What became of the rows of a stream.

    Args:
        tally: counted them.
        settled: the stream.
        inside: who is a customer; None: everybody.
        dropped: how many rows are those of erased customers.
    """
    strangers = 0 if inside is None else int(np.diff(settled.events.offsets)[~inside].sum())
    return SourceReport(
        tally.name, tally.rows, settled.kept - strangers, tally.rejected, tally.unowned, settled.excluded,
        strangers + settled.strangers, settled.replaced, dropped=dropped,
    )  # fmt: skip
