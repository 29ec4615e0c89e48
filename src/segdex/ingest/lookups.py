"""Dimension tables: read once, and joined to the fields of streams that come through them."""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from segdex.errors import SourceError
from segdex.ingest.columns import gatherer, pick
from segdex.ingest.ids import KeyColumn, KeySpace
from segdex.ingest.intake import Part, Progress, take_in
from segdex.ingest.kept import Dimension
from segdex.ingest.report import Tally
from segdex.ingest.sources import Source
from segdex.ingest.universe import Universe
from segdex.schema.catalog import Catalog
from segdex.schema.fields import field_type, reached
from segdex.values.column import Ints


def used_fields(catalog: Catalog) -> dict[str, set[str]]:
    """Of each lookup the fields that fields of streams come through; a lookup without is not there."""
    schema = catalog.schema
    found: dict[str, set[str]] = {}
    for stream in schema.streams.values():
        for field in stream.fields.values():
            there = reached(field, schema.lookups)
            if there is not None:
                found.setdefault(there[0], set()).add(there[1])
    return found


def read_lookup(
    catalog: Catalog, name: str, used: Set[str], source: Source, tally: Tally, progress: Progress | None
) -> Dimension:
    """Read a lookup; of its fields the *used* ones are kept, and the others checked.

    Raises:
        SourceError: the table is wrong, or two rows have one key.
    """
    lookup = catalog.schema.lookups[name]
    space = KeySpace()
    key = KeyColumn(space)
    fields = {field: gatherer(field_type(each, "field"), catalog.zone) for field, each in lookup.fields.items()}
    parts = [Part(lookup.key, key, "bad")]
    parts += (Part(lookup.fields[field].column or field, each) for field, each in fields.items())
    good = take_in(source, parts, tally, progress)
    universe = Universe(space)
    universe.admit(key, good)
    keys = universe.settle()
    owners = universe.owners(key, good)
    rows = np.flatnonzero(good)
    _expect_distinct(owners[rows].astype(np.int64), rows, tally, lookup.key)
    places = np.empty(len(keys), np.int64)
    places[owners[rows]] = rows
    return Dimension(keys, {field: pick(each.finish(), places) for field, each in fields.items() if field in used})


def _expect_distinct(ids: Ints, rows: Ints, tally: Tally, column: str) -> None:
    _, first, counts = np.unique(ids, return_index=True, return_counts=True)
    if (counts > 1).any():
        repeated = np.delete(np.arange(len(ids)), first)[0]
        earlier = first[np.searchsorted(np.unique(ids), ids[repeated])]
        raise SourceError(
            "two rows of a lookup have one key", place=f"{tally.place(int(rows[repeated]))}, column {column!r}",
            found=f"the key of {tally.place(int(rows[earlier]))}", hint="keep one row a key",
        )  # fmt: skip
