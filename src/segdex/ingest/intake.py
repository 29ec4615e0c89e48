"""Reading one source into its columns: every batch is converted, judged row by row, and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa

from segdex.errors import SourceError
from segdex.ingest.arrays import Problem, rows_where
from segdex.ingest.columns import Gatherer, Plain
from segdex.ingest.ids import KeyColumn
from segdex.ingest.readers import Batch
from segdex.ingest.report import Tally
from segdex.ingest.sources import Source
from segdex.values.column import Mask

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is being done, how many rows are done, and how many there are (0: not known)."""


class Part(NamedTuple):
    """One column of a source and where it goes.

    *null* says what a missing value does to its row: nothing, or of a key or a time that it makes the row nobody's, or
    bad.
    """

    column: str
    gatherer: Gatherer
    null: Literal["allowed", "unowned", "bad"] = "allowed"


def take_in(
    source: Source, parts: Sequence[Part], tally: Tally, progress: Progress | None, keep: list[Batch] | None = None
) -> Mask:
    """Read all rows of *source* into the gatherers of *parts*; which of them are good, shape (rows,).

    Batches are put into *keep* as they came, where they are wanted.

    Raises:
        SourceError: the source cannot be read, a column has the wrong type, or a row is bad and bad rows raise.
    """
    good: list[Mask] = [np.empty(0, np.bool_)]
    for batch in source.batches(list(dict.fromkeys(part.column for part in parts))):
        tally.malformed(batch)
        if batch.rows == 0:
            continue
        unowned = np.zeros(batch.rows, np.bool_)
        found: list[tuple[str, Problem]] = []
        for column, gatherer, null in parts:
            try:
                problems = gatherer.add(batch.columns[column], batch.untyped)
            except SourceError as error:
                raise error.at(f"{batch.place}, column {column!r}") from None
            except pa.ArrowException:  # whose text may quote values
                raise SourceError(
                    "this column cannot be converted", place=f"{batch.place}, column {column!r}",
                    found=f"a column of {batch.columns[column].type}",
                ) from None  # fmt: skip
            found += ((column, problem) for problem in problems)
            if null == "allowed":
                continue
            assert isinstance(gatherer, Plain | KeyColumn)
            empty = ~gatherer.known()
            for problem in problems:
                empty[problem.rows] = False
            if null == "unowned":
                unowned |= empty
            elif empty.any():
                found.append((column, Problem(rows_where(empty), "a value is missing that every row must have")))
        good.append(tally.judge(batch, unowned, found))
        if keep is not None:
            keep.append(batch)
        if progress is not None:
            progress(f"reading {source.name}", tally.rows, 0)
    return np.concatenate(good)
