"""Where strings stand among others that ascend."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.ingest import kernels
from segdex.ingest.arrays import text_buffers, text_bytes
from segdex.values.column import Ints

_HASHING_PAYS = 8
"""From one wanted string in so many held ones, one pass with a hash table beats that many searches."""
_STRIDE, _MANY, _LARGE = 16, 256, 1 << 18


def firsts_of(held: pa.LargeStringArray) -> pa.LargeStringArray:
    """The first of every few strings: a table of contents for `places_of`, which fits a cache."""
    return held.take(pa.array(np.arange(0, len(held), _STRIDE)))


def wants_firsts(strings: pa.LargeStringArray, held: pa.LargeStringArray) -> bool:
    """Whether so many strings are searched among so many that a table of contents pays."""
    return len(strings) >= _MANY and len(held) >= _LARGE


def places_of(
    strings: pa.LargeStringArray, held: pa.LargeStringArray, firsts: pa.LargeStringArray | None = None
) -> Ints:
    """The place of each string among *held*, which ascend by bytes, none twice; -1 for null and for what is not there.

    Args:
        strings: in any order.
        held: where they are looked for.
        firsts: see `firsts_of`.
    """
    if len(strings) * _HASHING_PAYS > len(held):
        found = pc.fill_null(pc.index_in(strings, value_set=held, skip_nulls=True), -1)
        return np.asarray(found).astype(np.int64)
    contents = held[:0] if firsts is None else firsts
    places = np.empty(len(strings), np.int64)
    kernels.search_texts(*text_bytes(held), *text_bytes(contents), _STRIDE, *text_buffers(strings), places)
    return places
