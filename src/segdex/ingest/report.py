"""What reading found: rows by what became of them, and the bad ones by file, row, column and reason."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa

from segdex.errors import SourceError
from segdex.ingest.arrays import Problem
from segdex.ingest.readers import Batch
from segdex.values.column import Mask

OnError: TypeAlias = Literal["raise", "skip"]

MOST_LISTED = 10_000
"""How many bad rows of one source are listed; all are counted."""


@dataclasses.dataclass(frozen=True, slots=True)
class SourceReport:
    """What became of the rows of one source: *rows* is the sum of all that follows it.

    Attributes:
        name: ``customers``, the name of a stream, ``lookups.`` and the name of a lookup, or ``labels.`` and that of a
            label.
        rows: how many were read.
        kept: how many are in the index, and count.
        rejected: bad rows, left out because of ``on_error="skip"``.
        unowned: rows of a stream or a label whose key is null: they belong to nobody.
        excluded: rows of a stream that its ``where`` leaves out.
        strangers: rows of a stream whose customer is not in the universe, with ``only = true``: they are there if the
            customer ever comes; of a label those of keys that no customer has, which are left out.
        replaced: rows of customers, or of a label, for which a later row has the same key, or one of a greater version;
            of a stream with ids those in whose place another row of their id stands, and those that remove an event.
        dropped: rows of customers who were erased; only in a batch, since nobody is when an index is built.
    """

    name: str
    rows: int
    kept: int
    rejected: int = 0
    unowned: int = 0
    excluded: int = 0
    strangers: int = 0
    replaced: int = 0
    dropped: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What reading all tables found.

    Attributes:
        sources: one report a source, in the order in which they were read.
        rejected: an Arrow table with the columns source, file, row (counted from 1 after a header), column and
            reason; the first 10,000 bad rows of each source.
    """

    sources: tuple[SourceReport, ...]
    rejected: pa.Table

    def __getitem__(self, name: str) -> SourceReport:
        return next(source for source in self.sources if source.name == name)

    def to_arrow(self) -> pa.Table:
        """One row a source, with the counts of `SourceReport`."""
        names = [field.name for field in dataclasses.fields(SourceReport)]
        return pa.table({name: [getattr(source, name) for source in self.sources] for name in names})


@dataclasses.dataclass(frozen=True, slots=True)
class Rejection:
    """One bad row."""

    source: str
    file: str
    row: int
    column: str | None
    reason: str

    def error(self) -> SourceError:
        """The error that says so."""
        place = f"{self.file}, row {self.row}"
        return SourceError(self.reason, place=place if self.column is None else f"{place}, column {self.column!r}")


REJECTED = pa.schema(
    [
        ("source", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("column", pa.string()),
        ("reason", pa.string()),
    ]
)


class Tally:
    """Counts the rows of one source while it is read, and decides what a bad row does."""

    def __init__(self, name: str, on_error: OnError) -> None:
        self.name = name
        self.rows = 0
        self.rejected = 0
        self.unowned = 0
        self.listed: list[Rejection] = []
        self._on_error = on_error
        self._read = 0
        self._batches: list[tuple[int, Batch]] = []

    def place(self, row: int) -> str:
        """Where the row is that was read as number *row* (from 0, lines that are no rows not counted)."""
        at = bisect.bisect_right(self._batches, row, key=lambda each: each[0]) - 1
        start, batch = self._batches[at]
        return f"{batch.place}, row {batch.number(row - start)}"

    def malformed(self, batch: Batch) -> None:
        """Count the lines of a text file that are no rows.

        Raises:
            SourceError: there is one, and bad rows raise.
        """
        self.rows += len(batch.malformed)
        for number, reason in batch.malformed:
            self._reject(Rejection(self.name, batch.place, number, None, reason))

    def judge(self, batch: Batch, unowned: Mask, found: Sequence[tuple[str, Problem]]) -> Mask:
        """The good rows of *batch*, given who has no owner and the problems of each column.

        Raises:
            SourceError: an owned row has a problem, and bad rows raise.
        """
        first: dict[int, tuple[str, str]] = {}
        for column, problem in found:
            for row in problem.rows[~unowned[problem.rows]].tolist():
                first.setdefault(row, (column, problem.reason))
        for row in sorted(first):
            column, reason = first[row]
            self._reject(Rejection(self.name, batch.place, batch.number(row), column, reason))
        good = ~unowned
        good[list(first)] = False
        self._batches.append((self._read, dataclasses.replace(batch, columns={})))
        self._read += batch.rows
        self.rows += batch.rows
        self.unowned += int(np.count_nonzero(unowned))
        return good

    def _reject(self, rejection: Rejection) -> None:
        if self._on_error == "raise":
            raise rejection.error()
        self.rejected += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(rejection)


def rejections(tallies: Sequence[Tally]) -> pa.Table:
    """All bad rows that are listed, as a table."""
    rows = [dataclasses.asdict(rejection) for tally in tallies for rejection in tally.listed]
    return pa.Table.from_pylist(rows, schema=REJECTED)
