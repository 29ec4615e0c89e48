"""Buckets: a stable pseudo-random number of each customer, by which a part of them is drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segdex.ingest.arrays import text_buffers
from segdex.ingest.keys import AnyKeys, Keys
from segdex.schema.types import ValueType
from segdex.values import kernels_hash
from segdex.values.column import Column, Ints

_BLOCK = 1 << 20
"""Keys that are hashed at a time: integers are written out as text first."""


def buckets(keys: AnyKeys, salt: str, count: int) -> Column:
    """The bucket of each customer, 0 to *count* - 1, shape (customers,); of one that was erased any of them.

    It is xxh3-64 of the salt, a zero byte and the key as text (UTF-8, an integer by its digits), modulo *count*: the
    same in every process, on every machine, in every version, and for 7 as for ``'7'``.
    """
    found = [_of_part(part, salt.encode() + b"\0", count) for part in keys.parts]
    return Column(ValueType("integer", role="computed"), found[0] if len(found) == 1 else np.concatenate(found))


def _of_part(keys: Keys, prefix: bytes, count: int) -> Ints:
    hashes = np.empty(len(keys.values), np.uint64)
    for start in range(0, len(hashes), _BLOCK):
        texts = keys.values.slice(start, _BLOCK).cast(pa.large_string())
        hash_texts(texts, prefix, hashes[start : start + _BLOCK])
    found = (hashes % np.uint64(count)).astype(np.int64)
    if keys.numbering is None:
        return found
    if keys.erased:
        found = np.append(found, 0)  # the place after the last one
    return found[np.minimum(keys.numbering.places, len(found) - 1)]  # hashed in the order of keys


def hash_texts(texts: pa.LargeStringArray, prefix: bytes, out: npt.NDArray[np.uint64]) -> None:
    """Put xxh3-64 of *prefix* and each text into *out*."""
    if not len(texts):
        return
    offsets, data, _ = text_buffers(texts)
    scratch = np.empty(len(prefix) + int(np.diff(offsets).max()), np.uint8)
    scratch[: len(prefix)] = np.frombuffer(prefix, np.uint8)
    with np.errstate(over="ignore"):  # uncompiled, the kernel's words wrap around as they should
        kernels_hash.hash_texts(offsets, data, len(prefix), scratch, np.empty(8, np.uint64), out)
