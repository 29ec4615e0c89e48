"""Ranges of values by rank codes: counts, members, classes, and ranks that were stored wrong."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdex.bitmap.predicate import CHUNK
from segdex.bitmap.program import INPUT_TABLES, assemble
from segdex.bitmap.ranks import MOST_CLASSES, RANGE, Ranks, check_order, range_of, ranks_of, stored_ranks
from segdex.errors import CorruptError
from tests.query.formulas import COUNTS, random_range, random_values

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_a_range_is_what_comparing_values_says(seed: int) -> None:
    chance = random.Random(seed)
    count = chance.choice(COUNTS)
    mask, made = random_range(chance, np.ones(count, np.bool_))
    assert len(made) == mask.sum()
    states = made.states.tolist()
    for chunk, state in enumerate(states):
        part = mask[chunk * CHUNK : (chunk + 1) * CHUNK]
        assert state == RANGE or (part.all() and len(part) == CHUNK if state else not part.any())
    program = assemble([made], [(INPUT_TABLES[0], (0,))], count, count)
    assert program.count() == mask.sum()
    found = np.unpackbits(program.write_members().view(np.uint8), count=count, bitorder="little")
    assert (found == mask).all()


@settings(max_examples=25)
@given(seed=SEEDS)
def test_classes_are_intervals_and_codes_their_numbers(seed: int) -> None:
    chance = random.Random(seed)
    values = random_values(chance, chance.choice(COUNTS))
    known = np.sort(values[~np.isnan(values)] if values.dtype == np.float64 else values[values != -(2**63)])
    edges = [chance.choice(known.tolist()) for _ in range(3)] if len(known) else []
    ranks = ranks_of(values, edges)
    check_order(ranks)
    assert (values[ranks.places] == known).all()
    assert len(ranks.starts) <= MOST_CLASSES
    firsts = known[ranks.starts]
    assert (firsts[1:] > firsts[:-1]).all()
    assert set(edges) <= set(firsts.tolist()), "edges of bands begin classes"
    codes = np.searchsorted(firsts, values, "right")
    codes[np.isnan(values) if values.dtype == np.float64 else values == -(2**63)] = 0
    assert (ranks.codes[: len(values)] == codes).all()
    assert not ranks.codes[len(values) :].any()
    stored_ranks(values, ranks.places, ranks.starts, ranks.codes)
    if len(np.unique(known)) <= MOST_CLASSES:
        assert (firsts == known[ranks.ends - 1]).all(), "few values have a class each"


def test_round_thresholds_and_heavy_values_are_classes_of_their_own() -> None:
    rng = np.random.default_rng(4)
    values = (rng.lognormal(6, 1, 200_000) * 100).astype(np.int64)
    values[rng.random(len(values)) < 0.3] = 0
    ranks = ranks_of(values, edges=[77_777])
    ordered = values[ranks.places]
    firsts = ordered[ranks.starts]
    assert ordered[np.searchsorted(ordered, 77_777)] in firsts, "an edge begins a class"
    assert ordered[ranks.ends[0] - 1] == 0, "a third of all values is 0"
    assert len(firsts) > 240
    assert (firsts[2:] % 100 < 5).mean() > 0.8


def ranks() -> Ranks:
    values = np.array([5, 3, -(2**63), 3, 900], np.int64)
    return ranks_of(values)


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held["places"].__setitem__(0, 2),
        lambda held: held["places"].__setitem__(3, 5),
        lambda held: held["places"].__setitem__(slice(2, 4), [4, 0]),
        lambda held: held["starts"].__setitem__(0, 1),
        lambda held: held["starts"].__setitem__(1, 0),
        lambda held: held["starts"].__setitem__(2, 4),
        lambda held: held["starts"].__setitem__(1, -1),
        lambda held: held["codes"].__setitem__(0, 1),
        lambda held: held["codes"].__setitem__(2, 1),
        lambda held: held["codes"].__setitem__(3, 0),
        lambda held: held["codes"].__setitem__(4, 4),
        lambda held: held["codes"].__setitem__(60, 1),
        lambda held: held.update(codes=held["codes"][:5]),
        lambda held: held.update(starts=held["starts"][1:]),
        lambda held: held.update(starts=held["starts"][:0]),
        lambda held: held.update(places=held["places"][1:]),
    ],
)
def test_stored_ranks_that_do_not_fit_are_refused(change) -> None:
    good = ranks()
    parts = {name: getattr(good, name).copy() for name in ("places", "starts", "codes")}
    stored_ranks(good.values, **parts)
    change(parts)
    with pytest.raises(CorruptError):
        stored_ranks(good.values, **parts)


def test_places_out_of_order_are_found_by_verifying() -> None:
    good = ranks()
    for swap in ([3, 1], [1, 1]):  # two customers of one value, and one of them twice
        places = good.places.copy()
        places[:2] = swap
        with pytest.raises(CorruptError):
            check_order(stored_ranks(good.values, places, good.starts, good.codes))


def test_the_range_of_nothing() -> None:
    empty = ranks_of(np.zeros(0, np.float64))
    assert (len(range_of(empty, 0.0, 1.0)), empty.count(0.0, 1.0)) == (0, 0)
    missing = ranks_of(np.full(10, np.nan))
    assert range_of(missing, -np.inf, np.inf).states.tolist() == [0]
