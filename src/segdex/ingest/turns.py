"""Batches that are read together: in which of them each key came first, so that new customers are numbered as if the
batches had been taken in one after another.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from segdex.ingest.ids import NOBODY, KeyColumn
from segdex.ingest.keys import KeyValues, canonical
from segdex.ingest.universe import Universe
from segdex.values.column import Ints, Mask


def turns_of(universe: Universe, values: KeyValues, tables: Iterable[tuple[KeyColumn, Mask, Ints]]) -> Ints:
    """The place of each key among *values* were these ordered by the batch that they came with first.

    Within a batch keys ascend: as numbers where all keys of that batch are, else as texts.

    Args:
        universe: settled.
        values: its keys, ascending.
        tables: of each the keys of its rows, the rows that count, and the number of the batch that each row is of.
    """
    tables = list(tables)
    batches = 1 + max((int(batch.max(initial=0)) for _, _, batch in tables), default=0)
    first = np.full(len(values), batches, np.int64)
    texts = np.zeros(batches + 1, np.bool_)  # whether among the keys of a batch there is text
    ranks = np.arange(len(values))
    numbers, usual = canonical(values) if pa.types.is_large_string(values.type) else (ranks, ranks >= 0)
    for column, rows, batch in tables:
        owners, start = universe.owners(column, rows), 0
        named = owners != NOBODY
        np.minimum.at(first, owners[named], batch[named])
        for (text, codes), typed in zip(column.parts, column.typed, strict=True):
            part = np.flatnonzero(named[start : start + len(codes)]) + start if text else ranks[:0]
            texts[batch[part if typed else part[~usual[owners[part]]]]] = True
            start += len(codes)
    by_number = np.empty(len(values), np.int64)
    by_number[np.argsort(numbers, kind="stable")] = ranks
    turns = np.empty(len(values), np.int64)
    turns[np.lexsort((np.where(texts[first], ranks, by_number), first))] = ranks
    return turns
