"""Checks of portable Roaring bytes, held to CRoaring's own reading."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from segdex.store import portable
from segdex.store.portable import MalformedError

EDGES = [0, 1, 2, 4095, 4096, 4097, 65_534, 65_535, 65_536, 65_537, 131_071, 131_072, 2**32 - 1]


def shapes() -> dict[str, BitMap]:
    ids = np.random.default_rng(3).choice(400_000, 30_000, replace=False).tolist()
    every_other = BitMap(range(0, 65_536, 2))
    runs = BitMap(range(10, 3 * 65_536))
    few = BitMap([1, 2, 3, 70_000])
    few.run_optimize()
    mixed = BitMap([*range(5, 90), *range(200, 9000, 3), *range(65_536, 131_072), *range(300_000, 300_500)]) | BitMap(
        ids
    )
    mixed.run_optimize()
    many = BitMap([at * 65_536 + 7 for at in range(9)]) | BitMap(range(65_536, 65_600))
    many.run_optimize()
    return {
        "empty": BitMap(),
        "one": BitMap([0]),
        "edges": BitMap(EDGES),
        "full": BitMap(range(65_536)),
        "4096": BitMap(range(0, 8192, 2)),
        "4097": BitMap(range(0, 8194, 2)),
        "every other": every_other,
        "runs": runs,
        "few runs": few,
        "mixed": mixed,
        "many": many,
    }


@pytest.mark.parametrize("shape", shapes())
def test_what_croaring_writes_is_well_formed(shape):
    bitmap = shapes()[shape]
    data = memoryview(bitmap.serialize())
    count = bitmap.max() + 1 if bitmap else 0
    portable.check(data, count)
    if bitmap:
        with pytest.raises(MalformedError, match="beyond the last customer"):
            portable.check(data, count - 1)


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.one_of(st.integers(0, 300_000), st.sampled_from(EDGES))),
    st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 9000)), max_size=3),
    st.booleans(),
)
def test_any_set_is_well_formed(ids, ranges, optimise):
    bitmap = BitMap(ids)
    for start, length in ranges:
        bitmap |= BitMap(range(start, start + length))
    if optimise:
        bitmap.run_optimize()
    portable.check(memoryview(bitmap.serialize()), 2**32)


@pytest.mark.parametrize("shape", ["empty", "one", "edges", "few runs", "many"])
def test_every_truncation_and_every_tail_is_refused(shape):
    data = shapes()[shape].serialize()
    for length in range(len(data)):
        with pytest.raises(MalformedError):
            portable.check(memoryview(data)[:length], 2**32)
    with pytest.raises(MalformedError):
        portable.check(memoryview(data + b"\0\0"), 2**32)


@pytest.mark.parametrize("shape", ["empty", "one", "edges", "few runs", "many"])
def test_every_flipped_byte_is_refused_or_another_set_that_croaring_agrees_on(shape):
    """A flip may turn one good set into another; it must then be one that CRoaring writes back the same."""
    data = shapes()[shape].serialize()
    accepted = 0
    for position in range(len(data)):
        for pattern in (0x01, 0x80, 0xFF):
            flipped = bytearray(data)
            flipped[position] ^= pattern
            try:
                portable.check(memoryview(flipped), 2**32)
            except MalformedError:
                continue
            accepted += 1
            bitmap = BitMap.deserialize(bytes(flipped))
            ids = np.array(bitmap, np.int64)
            assert len(ids) == len(bitmap)
            assert (np.diff(ids) > 0).all()
            assert bitmap == BitMap(ids.tolist())
    assert accepted < 3 * len(data) / 2


def test_a_bitset_with_a_wrong_cardinality():
    data = bytearray(BitMap(range(0, 10_000, 2)).serialize())
    portable.check(memoryview(data), 2**32)
    data[-1] ^= 1
    with pytest.raises(MalformedError, match="cardinality of a bitset"):
        portable.check(memoryview(data), 2**32)


@pytest.mark.parametrize("cookie", [b"\0" * 8, b"\x39\x30\0\0", b"\x3a\x30\0\0\xff\xff\xff\xff"])
def test_foreign_bytes(cookie):
    with pytest.raises(MalformedError):
        portable.check(memoryview(cookie), 2**32)
