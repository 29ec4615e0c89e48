"""Labels: a table of keys, labels and maybe scores to one value a customer.

A label says something about customers who are known; it makes nobody a customer, and decides nothing about what keys
are. So its keys are numbered by themselves and then looked up among those of the customers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from segdex.ingest.columns import gatherer, pick
from segdex.ingest.ids import KeyColumn, KeySpace
from segdex.ingest.intake import Part, Progress, take_in
from segdex.ingest.report import SourceReport, Tally
from segdex.ingest.sources import Source
from segdex.ingest.universe import Universe
from segdex.schema.labels import LABEL, SCORE
from segdex.values.column import Column, Ints, Mask


class LabelColumns(NamedTuple):
    """The columns of a label's table; *score* None: it has none."""

    key: str
    label: str
    score: str | None = None


class Labelled(NamedTuple):
    """A label of every customer.

    Attributes:
        label: a category, shape (customers,).
        score: a number, shape (customers,), or None.
        report: what became of the rows.
    """

    label: Column
    score: Column | None
    report: SourceReport


def read_label(
    source: Source,
    columns: LabelColumns,
    lookup: Callable[[pa.Array], Ints],
    count: int,
    tally: Tally,
    progress: Progress | None,
    own: Callable[[pa.Array], Mask] | None = None,
) -> Labelled:
    """Read the table of a label; of several rows with one key the last one counts, as a whole.

    Args:
        source: the table.
        columns: what its columns are called.
        lookup: the dense ids of keys, -1 for those that no customer has.
        count: how many dense ids there are.
        tally: counts the rows.
        progress: called after each batch.
        own: which keys are those of customers themselves, and not others that mean them: a row with one comes first.

    Raises:
        SourceError: the table cannot be read, or a row is bad and bad rows raise.
    """
    space = KeySpace()
    key, label, score = KeyColumn(space), gatherer(LABEL, dt.UTC), gatherer(SCORE, dt.UTC)
    parts = [Part(columns.key, key, "unowned"), Part(columns.label, label)]
    if columns.score is not None:
        parts.append(Part(columns.score, score))
    good = take_in(source, parts, tally, progress)
    owners, theirs = _owners(space, key, good, lookup, own)
    held = np.flatnonzero(owners >= 0)
    held = held[np.argsort(theirs[held], kind="stable")]
    rows = np.full(count, -1, np.int64)
    rows[owners[held]] = held  # where an index comes twice, the last one is assigned
    kept = int(np.count_nonzero(rows >= 0))
    report = SourceReport(
        tally.name, tally.rows, kept, tally.rejected, tally.unowned,
        strangers=int(np.count_nonzero(good)) - len(held), replaced=len(held) - kept,
    )  # fmt: skip
    scores = None if columns.score is None else pick(score.finish(), rows)
    return Labelled(pick(label.finish(), rows), scores, report)


def _owners(
    space: KeySpace, column: KeyColumn, good: Mask, lookup: Callable[[pa.Array], Ints],
    own: Callable[[pa.Array], Mask] | None,
) -> tuple[Ints, Mask]:  # fmt: skip
    """The dense id of each row, shape (rows,), -1 for rows that do not count, and for keys that no customer has; and
    which rows have the key of the customer.
    """
    named = Universe(space)
    named.admit(column, good)
    keys = named.settle().values
    ids, theirs = np.append(lookup(keys), -1), np.ones(len(keys) + 1, np.bool_)
    if own is not None:
        theirs[:-1] = own(keys)
    places = np.minimum(named.owners(column, good), len(keys))
    return ids[places], theirs[places]
