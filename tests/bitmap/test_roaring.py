"""Predicates in hot form to and from `BitMap`."""

from __future__ import annotations

import numpy as np
import pytest
from pyroaring import BitMap

from segdex.bitmap import roaring
from segdex.errors import ArgumentError
from tests.oracle import portable as naive


def test_a_set_with_runs_becomes_a_predicate():
    bitmap = BitMap(range(10, 140_000))
    bitmap.remove(77)
    bitmap.run_optimize()
    assert naive.ids_of(roaring.from_bitmap(bitmap, 140_000)) == bitmap.to_array().tolist()


@pytest.mark.parametrize("count", [0, 1, 65_535, 65_536, 100_000])
def test_ids_at_or_beyond_the_count_are_refused(count):
    with pytest.raises(ArgumentError, match=f"found {count}; allowed: ids below {count}"):
        roaring.from_bitmap(BitMap([0, count]), count)
    if count:
        assert naive.ids_of(roaring.from_bitmap(BitMap([0, count - 1]), count)) == sorted({0, count - 1})


def test_an_empty_set_has_the_chunks_of_the_count():
    assert roaring.from_bitmap(BitMap(), 0).chunks == 0
    assert roaring.from_bitmap(BitMap(), 65_537).chunks == 2


@pytest.mark.parametrize("count", [0, 1, 7, 64, 65_536, 65_537, 150_000])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.03, 0.5, 1.0])
def test_a_mask_becomes_a_set(count, share):
    mask = np.random.default_rng(count).random(count) < share
    assert roaring.from_mask(mask) == BitMap(np.flatnonzero(mask).tolist())
