"""A batch: tables that came after an index was built, read against the keys and lookups that it has.

Rows are grouped over the customers that the batch names, so that reading takes time by the batch and not by the index.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from segdex.errors import ArgumentError, listed, nearest
from segdex.events.renumber import widened
from segdex.events.store import ID, Events
from segdex.ingest.accepted import Accepted, accepted
from segdex.ingest.aliases import meant
from segdex.ingest.customers import CustomerRows, columns_of, read_customers
from segdex.ingest.ids import KeyColumn, KeySpace
from segdex.ingest.kept import VERSION, Dimension
from segdex.ingest.keys import AnyKeys, KeyValues
from segdex.ingest.read import expect_on_error, of_stream
from segdex.ingest.readers import Batch as Piece
from segdex.ingest.report import OnError, Report, SourceReport, Tally, rejections
from segdex.ingest.sources import CUSTOMERS, Source, source_of
from segdex.ingest.streams import Rows, read_rows, settle
from segdex.ingest.universe import Universe
from segdex.ingest.versions import Kind
from segdex.schema.catalog import Catalog
from segdex.schema.fields import reached
from segdex.values.column import Column, Ints, Mask


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """What a batch says of m customers: those of its good rows, erased ones left out.

    Attributes:
        keys: their keys, ascending, ``int64`` or ``large_string``, shape (m,).
        ids: the dense id of each, -1 for a key that the index does not have; int64, shape (m,).
        attributes: for each column that the table of customers has the values, shape (m,); those who have no row in it
            are missing there. Attributes that are not here stay as they are.
        upserted: who has a row in the table of customers; shape (m,).
        versions: the version of each customer's row, missing for those without; None where the schema declares none.
        strangers: who is no customer after the batch: with ``only = true`` keys that only streams name, now and before;
            and those of whom there is nothing but graves.
        events: the rows of each stream that was given, grouped by the m customers.
        graves: of each of them that has ids the rows that won theirs and are no events, see `segdex.events.ids`.
        report: what became of the rows, as that of a build.
        dropped: how many rows were left out because their customer was erased.
        tables: the rows that were accepted, see `segdex.ingest.accepted`; reading them gives the same batch.
        turns: of batches that are read as one, the first that names each key, shape (m,): keys that the index does not
            have get their dense ids by these, then ascending; None: ascending.
    """

    keys: KeyValues
    ids: Ints
    attributes: Mapping[str, Column]
    upserted: Mask
    versions: Column | None
    strangers: Mask
    events: Mapping[str, Events]
    graves: Mapping[str, Events]
    report: Report
    dropped: int
    tables: Mapping[str, Accepted]
    turns: Ints | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def naming(self, ids: Ints, keys: KeyValues) -> Batch:
        """The same batch, which names others too and says nothing of them.

        Args:
            ids: their dense ids, of none whom it names.
            keys: their keys.
        """
        kind = pa.large_string() if pa.types.is_large_string(keys.type) else self.keys.type
        count = len(self) + len(ids)
        rows = np.append(np.arange(len(self)), np.full(len(ids), -1))
        return dataclasses.replace(
            self,
            keys=pa.concat_arrays([self.keys.cast(kind), keys.cast(kind)]),
            ids=np.concatenate([self.ids, ids]),
            attributes={name: column.take(rows) for name, column in self.attributes.items()},
            upserted=np.append(self.upserted, np.zeros(len(ids), np.bool_)),
            versions=None if self.versions is None else self.versions.take(rows),
            turns=None if self.turns is None else self.turns[rows],
            strangers=np.append(self.strangers, np.ones(len(ids), np.bool_)),
            events={name: widened(events, count) for name, events in self.events.items()},
            graves={name: widened(events, count) for name, events in self.graves.items()},
        )


def read_batch(
    catalog: Catalog,
    tables: Mapping[str, Any],
    keys: AnyKeys,
    lookups: Mapping[str, Dimension],
    on_error: OnError = "raise",
    erased: Callable[[pa.Array], Mask] | None = None,
    inside: Callable[[Ints], Mask] | None = None,
    versions: Kind | None = None,
) -> Batch:
    """Read a batch; nothing is taken of one that raises.

    Args:
        catalog: the schema of the index.
        tables: by name of stream, or ``customers``; each anything with ``__arrow_c_stream__``, read once, a path, or
            what was accepted of an earlier batch. The table of customers needs the key, and the version if the schema
            declares one; columns that are not declared are passed over.
        keys: those of the index.
        lookups: those that fields of streams come through.
        on_error: ``raise`` at the first bad row, or ``skip`` bad rows and list them in the report.
        erased: which of some keys are those of erased customers: their rows are dropped.
        inside: which of some dense ids are customers; None: all.
        versions: what the versions of the index's customers are; None: it has none yet.

    Raises:
        ArgumentError: a name is none of a stream, or there is no table behind it.
        LimitError: more distinct strings in a column than codes can number.
        SourceError: a table cannot be read, a column is missing or of the wrong type, or a row is bad.
    """
    expect_on_error(on_error)
    reading = _Reading(catalog, _sources(catalog, tables), on_error)
    customers = reading.customers(versions) if CUSTOMERS in reading.sources else None
    streams = {name: reading.stream(name, lookups) for name in catalog.schema.streams if name in reading.sources}
    return reading.batch(customers, streams, keys, erased, inside)


def _sources(catalog: Catalog, tables: Mapping[str, Any]) -> dict[str, Source]:
    if not isinstance(tables, Mapping):
        raise ArgumentError("a batch", found=type(tables).__name__, allowed="tables by name: {'orders': table}")
    schema = catalog.schema
    allowed = [CUSTOMERS, *schema.streams]
    for name in tables:
        if name in allowed:
            continue
        hint = nearest(str(name), allowed)
        if name in schema.lookups:
            hint = "lookups are read when an index is built: build it anew"
        elif name in schema.labels:
            hint = "labels are loaded: load(name, table)"
        raise ArgumentError("a batch has no such table", found=repr(name), allowed=listed(allowed), hint=hint)
    return {name: source_of(name, table) for name, table in tables.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class _Read:
    """One table: whose its rows are, of which something is kept, and the rows as they came."""

    keys: KeyColumn
    lasting: Mask
    pieces: list[Piece]


class _Reading:
    """One call of `read_batch`."""

    def __init__(self, catalog: Catalog, sources: dict[str, Source], on_error: OnError) -> None:
        self.sources = sources
        self._catalog = catalog
        self._space = KeySpace()
        self._tallies = {name: Tally(name, on_error) for name in sources}
        self._read: dict[str, _Read] = {}

    def customers(self, versions: Kind | None) -> CustomerRows:
        """The table of customers, as far as it has columns."""
        source, present = self.sources[CUSTOMERS].opened()
        declared = self._catalog.schema.customers.attributes
        attributes = [name for name, field in declared.items() if set(columns_of(name, field)) & set(present)]
        pieces: list[Piece] = []
        tally = self._tallies[CUSTOMERS]
        rows = read_customers(self._catalog, source, self._space, tally, None, attributes, versions, pieces)
        self._read[CUSTOMERS] = _Read(rows.keys, rows.good, pieces)
        return rows

    def stream(self, name: str, lookups: Mapping[str, Dimension]) -> Rows:
        """The rows of a stream."""
        _expect_lookups(self._catalog, name, lookups)
        pieces: list[Piece] = []
        source, tally = self.sources[name], self._tallies[name]
        rows = read_rows(self._catalog, name, source, self._space, lookups, tally, None, pieces)
        self._read[name] = _Read(rows.keys, rows.lasting, pieces)
        return rows

    def batch(
        self,
        customers: CustomerRows | None,
        streams: dict[str, Rows],
        keys: AnyKeys,
        erased: Callable[[pa.Array], Mask] | None,
        inside: Callable[[Ints], Mask] | None,
    ) -> Batch:
        """What all tables say together."""
        dropped = {} if erased is None else self._drop(erased, streams)
        universe = self._universe()
        values, become = meant(universe.settle().values, keys.aliases)
        if become is not None:
            universe.become(become)
        ids, count = keys.lookup(values), len(values)
        winners = np.full(count, -1, np.int64) if customers is None else customers.winners(universe, count)
        strangers = self._strangers(ids, winners >= 0, universe, streams, inside)
        reports: list[SourceReport] = []
        if customers is not None:
            tally = self._tallies[CUSTOMERS]
            reports.append(customers.report(tally, winners, dropped.get(CUSTOMERS, 0)))
        events, graves = {}, {}
        for name in list(streams):
            rows = streams.pop(name)
            settled = settle(rows, universe, count)
            reports.append(of_stream(self._tallies[name], settled, ~strangers, dropped.get(name, 0)))
            events[name] = settled.events
            if settled.graves is not None:
                graves[name] = settled.graves
        upserted = winners >= 0
        return Batch(
            keys=values,
            ids=ids,
            attributes=customers.attributes(winners) if customers is not None and upserted.any() else {},
            upserted=upserted,
            versions=None if customers is None else customers.hidden(winners).get(VERSION),
            strangers=strangers,
            events=events,
            graves=graves,
            report=Report(tuple(reports), rejections(list(self._tallies.values()))),
            dropped=sum(dropped.values()),
            tables={name: accepted(read.pieces, read.lasting) for name, read in self._read.items()},
        )

    def _universe(self) -> Universe:
        universe = Universe(self._space)
        for read in self._read.values():
            universe.admit(read.keys, read.lasting)
        return universe

    def _drop(self, erased: Callable[[pa.Array], Mask], streams: Mapping[str, Rows]) -> dict[str, int]:
        """Leave the rows of erased customers out; how many of each table they are."""
        universe = self._universe()
        gone = erased(universe.settle().values)
        if not gone.any():
            return {}
        dropped = {}
        for name, read in self._read.items():
            theirs = universe.theirs(read.keys, read.lasting, gone)
            read.lasting[theirs] = False
            if name in streams:
                streams[name].leave_out(theirs)
            dropped[name] = int(np.count_nonzero(theirs))
        return dropped

    def _strangers(
        self, ids: Ints, upserted: Mask, universe: Universe, streams: Mapping[str, Rows],
        inside: Callable[[Ints], Mask] | None,
    ) -> Mask:  # fmt: skip
        named = upserted.copy()
        if not self._catalog.schema.customers.only:
            if not any(ID in rows.marks for rows in streams.values()):
                return np.zeros(len(ids), np.bool_)
            for rows in streams.values():
                named |= universe.named(rows.keys, rows.counts, len(ids))
        outside = ids < 0
        if inside is not None:
            outside[~outside] = ~inside(ids[~outside])
        return outside & ~named


def _expect_lookups(catalog: Catalog, stream: str, lookups: Mapping[str, Dimension]) -> None:
    """An index that an earlier version saved has no lookups."""
    for field in catalog.schema.streams[stream].fields.values():
        there = reached(field, catalog.schema.lookups)
        if there is not None and (there[0] not in lookups or there[1] not in lookups[there[0]].columns):
            raise ArgumentError(
                f"the index does not hold the lookup {there[0]!r}, through which rows of {stream!r} come",
                hint="build it anew",
            )
