"""The kernel's hashes against the xxhash library, at every length at which XXH3 changes its way."""

from __future__ import annotations

import random

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from segdex.values import kernels_hash

EDGES = [241, 255, 256, 257, 319, 320, 321, 1023, 1024, 1025, 1088, 1089, 2047, 2048, 2049, 2112, 2113, 5000]


def hashed(texts: list[bytes], prefix: bytes = b"") -> list[int]:
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    data = np.array(bytearray(b"".join(texts)), np.uint8)
    scratch = np.zeros(len(prefix) + max(map(len, texts)), np.uint8)
    scratch[: len(prefix)] = bytearray(prefix)
    out = np.empty(len(texts), np.uint64)
    with np.errstate(over="ignore"):
        kernels_hash.hash_texts(offsets, data, len(prefix), scratch, np.empty(8, np.uint64), out)
    return out.tolist()


@pytest.mark.parametrize("length", [*range(241), *EDGES])
def test_every_length(length: int) -> None:
    chance = random.Random(length)
    text = chance.randbytes(length)
    cut = chance.randint(0, length)
    assert hashed([text[cut:]], text[:cut]) == [xxhash.xxh3_64_intdigest(text)]


@given(
    texts=st.lists(st.binary(max_size=300), min_size=1, max_size=8),
    prefix=st.one_of(st.binary(max_size=30), st.binary(min_size=200, max_size=1200)),
)
def test_any_texts_behind_any_prefix(texts: list[bytes], prefix: bytes) -> None:
    assert hashed(texts, prefix) == [xxhash.xxh3_64_intdigest(prefix + text) for text in texts]


def test_bytes_of_all_ones() -> None:
    for length in (1, 4, 9, 16, 17, 129, 241, 1025):
        assert hashed([b"\xff" * length]) == [xxhash.xxh3_64_intdigest(b"\xff" * length)]
