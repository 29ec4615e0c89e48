"""The customers' own table: one row a customer, of several with one key the last, or that of the greatest version."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from segdex.ingest.columns import FieldGatherer, Gatherer, gatherer, pick
from segdex.ingest.ids import KeyColumn, KeySpace
from segdex.ingest.intake import Part, Progress, take_in
from segdex.ingest.kept import VERSION
from segdex.ingest.places import Places
from segdex.ingest.readers import Batch
from segdex.ingest.report import SourceReport, Tally
from segdex.ingest.sources import Source
from segdex.ingest.universe import Universe
from segdex.ingest.versions import Kind, Versions
from segdex.schema.catalog import Catalog
from segdex.schema.model import Field
from segdex.values.column import Column, Ints, Mask


@dataclasses.dataclass(slots=True)
class CustomerRows:
    """The table in its order.

    Attributes:
        keys: whose each row is.
        good: which rows count.
        columns: the attributes that were read.
        version: the version of each row; None where the schema declares none.
    """

    keys: KeyColumn
    good: Mask
    columns: dict[str, Column]
    version: Column | None

    def winners(self, universe: Universe, count: int) -> Ints:
        """The row of each customer that counts, -1 for those that are not in the table; shape (count,)."""
        owners = universe.owners(self.keys, self.good)
        own = np.flatnonzero(self.good)
        if self.version is not None:
            own = own[np.argsort(self.version.data[own], kind="stable")]
        rows = np.full(count, -1, np.int64)
        rows[owners[own]] = own  # where an index comes twice, the last one is assigned
        return rows

    def attributes(self, winners: Ints) -> dict[str, Column]:
        """The values of customers, each as its row says; the rows give up their columns."""
        return {name: pick(self.columns.pop(name), winners) for name in list(self.columns)}

    def hidden(self, winners: Ints) -> dict[str, Column]:
        """What is kept of the rows beside attributes, for rows that come later."""
        return {} if self.version is None else {VERSION: self.version.take(winners)}

    def report(self, tally: Tally, winners: Ints, dropped: int = 0) -> SourceReport:
        """What became of the rows, *dropped* of which are those of erased customers."""
        kept = int(np.count_nonzero(winners >= 0))
        replaced = int(np.count_nonzero(self.good)) - kept
        return SourceReport(tally.name, tally.rows, kept, tally.rejected, replaced=replaced, dropped=dropped)


def read_customers(
    catalog: Catalog,
    source: Source,
    space: KeySpace,
    tally: Tally,
    progress: Progress | None = None,
    attributes: Iterable[str] | None = None,
    versions: Kind | None = None,
    keep: list[Batch] | None = None,
) -> CustomerRows:
    """Read the table.

    Args:
        catalog: the checked schema.
        source: the table.
        space: numbers the keys.
        tally: counts the rows.
        progress: called after each batch.
        attributes: the names to be read; None: all that are declared.
        versions: what versions are that these will be compared with; None: there are none.
        keep: where batches of rows are put as they come.

    Raises:
        SourceError: the table is wrong.
    """
    declared = catalog.schema.customers
    keys = KeyColumn(space)
    names = list(declared.attributes) if attributes is None else list(attributes)
    fields = {name: _gatherer(catalog, name) for name in names}
    parts = [Part(declared.key, keys, "bad")]
    for name, each in fields.items():
        parts += _parts(name, declared.attributes[name], each)
    version = None
    if declared.version is not None:
        version = Versions(catalog.zone, versions)
        parts.append(Part(declared.version, version))
    good = take_in(source, parts, tally, progress, keep)
    columns = {name: each.finish() for name, each in fields.items()}
    return CustomerRows(keys, good, columns, None if version is None else version.finish())


def columns_of(name: str, field: Field) -> list[str]:
    """The columns of the table that an attribute is made of: one, of a place two."""
    if field.type == "geo":
        return [field.latitude or "", field.longitude or ""]
    return [field.column or name]


def _gatherer(catalog: Catalog, attribute: str) -> FieldGatherer | Places:
    kind = catalog.types[attribute]
    return Places(kind) if kind.kind == "geo" else gatherer(kind, catalog.zone)


def _parts(name: str, field: Field, held: FieldGatherer | Places) -> list[Part]:
    gatherers: tuple[Gatherer, ...] = (held.latitude, held.longitude) if isinstance(held, Places) else (held,)
    return [Part(column, each) for column, each in zip(columns_of(name, field), gatherers, strict=True)]
