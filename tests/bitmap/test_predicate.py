"""Predicates in hot form: built, read back, and refused where they were stored wrong."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import CHUNK, MOST_ARRAY
from segdex.errors import CorruptError
from tests.query.formulas import COUNTS, random_mask

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(
    seed=SEEDS,
    sizes=st.lists(st.sampled_from([0, 1, 60, MOST_ARRAY, MOST_ARRAY + 1, CHUNK]), min_size=1, max_size=3),
)
def test_which_of_some_ids_are_in_a_set(seed: int, sizes: list[int]) -> None:
    """Ids that ascend are told chunk by chunk, others one by one; chunks of every kind, few ids and many of each."""
    chance = np.random.default_rng(seed)
    mask = np.zeros(len(sizes) * CHUNK, np.bool_)
    for chunk, size in enumerate(sizes):
        mask[chunk * CHUNK + chance.choice(CHUNK, size, replace=False)] = True
    held = hot.from_mask(mask)
    borders = [at for chunk in range(len(sizes)) for at in (chunk * CHUNK, chunk * CHUNK + CHUNK - 1)]
    for many in (0, 3, 2000):
        ids = np.append(chance.integers(0, len(mask), many), borders)
        for asked in (ids, np.sort(ids), np.append(ids, [-1, -1])):
            assert hot.having(held, asked).tolist() == [bool(mask[one]) and one >= 0 for one in asked.tolist()]


@settings(max_examples=25)
@given(seed=SEEDS)
def test_every_way_of_building_gives_the_same_words(seed: int) -> None:
    chance = random.Random(seed)
    count = chance.choice(COUNTS)
    mask = random_mask(chance, count)
    made = hot.from_mask(mask)
    ids = np.flatnonzero(mask).astype(np.uint32)
    assert (hot.to_mask(made, count) == mask).all()
    assert (hot.to_ids(made) == ids).all()
    assert len(made) == len(ids)
    assert made.cardinalities.tolist() == [int(mask[at : at + CHUNK].sum()) for at in range(0, count, CHUNK)]
    codes = mask.astype(np.int32) - 1  # 0 where true, -1 elsewhere
    for other in (hot.from_ids(ids, count), hot.from_codes(codes, np.arange(count, dtype=np.uint32), 1, count)[0]):
        assert other.words.tobytes() == made.words.tobytes()
    assert hot.from_stored(made.words, count).words is made.words
    asked = [0, count - 1, *(chance.randrange(count) for _ in range(20))]
    assert [hot.has(made, one) for one in asked] == mask[asked].tolist()


@settings(max_examples=15)
@given(seed=SEEDS, labels=st.integers(1, 9))
def test_one_predicate_for_each_code(seed: int, labels: int) -> None:
    chance = random.Random(seed)
    count = chance.choice(COUNTS)
    codes = np.full(count, -1, np.int32)
    for code in range(labels):
        codes[random_mask(chance, count)] = code
    made = hot.from_codes(codes, np.arange(count, dtype=np.uint32), labels, count)
    assert len(made) == labels
    for code, predicate in enumerate(made):
        assert (hot.to_mask(predicate, count) == (codes == code)).all()
        assert predicate.address % 64 == 0


def test_nobody_and_no_labels() -> None:
    nobody = hot.from_mask(np.zeros(0, np.bool_))
    assert (len(nobody), nobody.chunks, len(nobody.words)) == (0, 0, 0)
    assert hot.from_codes(np.zeros(0, np.int32), np.zeros(0, np.uint32), 0, 5) == []
    assert len(hot.everyone(CHUNK + 1)) == CHUNK + 1


def test_containers_are_as_the_module_says() -> None:
    for size, words in ((0, 8), (1, 16), (32, 16), (33, 24), (MOST_ARRAY, 8 + 128), (MOST_ARRAY + 1, 8 + 1024)):
        made = hot.from_ids(np.arange(size), CHUNK)
        assert len(made.words) == words, size
    assert len(hot.everyone(CHUNK).words) == 8, "a full chunk has no container"


def stored(ids: list[int], count: int) -> np.ndarray:
    return hot.from_ids(np.array(ids, np.int64), count).words.copy()


def changed(words: np.ndarray, at: int, value: int) -> np.ndarray:
    words[at] = value
    return words


DENSE = list(range(0, 2000, 2))


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (np.zeros(0, np.uint64), 1),
        (np.zeros(16, np.uint64), 1),
        (stored([5], 9), 5),  # an id beyond the last customer
        (stored(DENSE, CHUNK), 1998),
        (hot.everyone(CHUNK).words.copy(), CHUNK - 1),
        (changed(stored([1, 2, 3], 9), 0, (1 << 24) | 4), 9),  # another cardinality
        (changed(stored([1, 2, 3], 9), 0, (2 << 24) | 3), 9),  # another place
        (changed(stored([1, 2, 3], 9), 0, 2**63), 9),
        (changed(stored([1, 2, 3], 9), 0, (1 << 24) | (CHUNK + 1)), 9),
        (changed(stored([1, 2, 3], 9), 8, 1 | 3 << 16 | 2 << 32), 9),  # values that fall
        (changed(stored([1, 2, 3], 9), 8, 1 | 1 << 16 | 2 << 32), 9),  # a value twice
        (changed(stored([1, 2, 3], 9), 8, 1 | 2 << 16 | 3 << 32 | 4 << 48), 9),  # more after the last one
        (changed(stored([1, 2, 3], 9), 9, 7), 9),
        (changed(stored([1, 2, 3], 9), 1, 7), 9),  # more after the directory
        (changed(stored(DENSE, CHUNK), 8, 2**64 - 1), CHUNK),  # a bitset with more bits than said
    ],
)
def test_stored_words_that_are_no_predicate(words: np.ndarray, count: int) -> None:
    with pytest.raises(CorruptError):
        hot.from_stored(words, count)


def test_every_flipped_bit_is_refused_or_another_set() -> None:
    count = 70
    ids = [0, 3, 63, 64, 69]
    whole = stored(ids, count)
    for bit in range(64 * len(whole)):
        words = whole.copy()
        words[bit // 64] ^= np.uint64(1 << bit % 64)
        try:
            found = hot.to_ids(hot.from_stored(words, count)).tolist()
        except CorruptError:
            continue
        assert found != ids
        assert found == sorted(set(found))
        assert found[-1] < count
