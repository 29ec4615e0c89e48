"""Buckets: a stable pseudo-random number of each customer, by which a part of them is drawn."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from segdex.ingest.arrays import text_buffers
from segdex.ingest.keys import Keys
from segdex.schema.types import ValueType
from segdex.values import kernels_hash
from segdex.values.column import Column

_BLOCK = 1 << 20
"""Keys that are hashed at a time: integers are written out as text first."""


def buckets(keys: Keys, salt: str, count: int) -> Column:
    """The bucket of each customer, 0 to *count* - 1, shape (customers,).

    It is xxh3-64 of the salt, a zero byte and the key as text (UTF-8, an integer by its digits), modulo *count*: the
    same in every process, on every machine, in every version, and for 7 as for ``'7'``.
    """
    hashes = np.empty(len(keys), np.uint64)
    for start in range(0, len(keys), _BLOCK):
        texts = keys.values.slice(start, _BLOCK).cast(pa.large_string())
        _hash(texts, salt.encode() + b"\0", hashes[start : start + _BLOCK])
    found = (hashes % np.uint64(count)).astype(np.int64)
    if keys.numbering is not None:  # hashed in the order of keys
        found = found[keys.numbering.places]
    return Column(ValueType("integer", role="computed"), found)


def _hash(texts: pa.LargeStringArray, prefix: bytes, out: np.ndarray) -> None:
    offsets, data, _ = text_buffers(texts)
    scratch = np.empty(len(prefix) + int(np.diff(offsets).max()), np.uint8)
    scratch[: len(prefix)] = np.frombuffer(prefix, np.uint8)
    with np.errstate(over="ignore"):  # uncompiled, the kernel's words wrap around as they should
        kernels_hash.hash_texts(offsets, data, len(prefix), scratch, np.empty(8, np.uint64), out)
