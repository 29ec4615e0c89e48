"""What an advance of the clock is made of: ranks that are mended, sets that flip, rows and values that are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdex.bitmap import predicate as hot
from segdex.bitmap import rerank
from segdex.bitmap.ranks import ranks_of
from segdex.events.store import Events
from segdex.reclock.finding import within_any
from segdex.reclock.spans import Span
from segdex.reclock.touched import Touched, united, without
from tests.reclock.worlds import assert_ranks

VALUES = st.sampled_from([-1.5, 0.0, 1.0, 2.0, 3.0, float("inf"), float("nan")])


@given(st.lists(st.tuples(VALUES, VALUES, st.booleans(), st.booleans()), max_size=40), st.sampled_from([0, 1, 4]))
def test_ranks_are_mended(drawn: list[tuple[float, float, bool, bool]], most: int) -> None:
    """Whoever comes to have a value is told, and some of those whose value changes; the others are found."""
    before, after = (np.array([each[at] for each in drawn], np.float64) for at in (0, 1))
    stays = np.array([each[2] for each in drawn], np.bool_)
    inside = np.array([each[3] for each in drawn], np.bool_)
    after = np.where(stays, before, after)
    ids = np.flatnonzero(~stays & (np.isnan(before) | (np.arange(len(drawn)) % 3 > 0))).astype(np.uint32)
    for among in (None, inside):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rerank, "MOST", most)
            mended = rerank.reranked(ranks_of(before, (1.0,), among), after, ids, (1.0,), among)
        assert_ranks("mended", mended, ranks_of(after, (1.0,), among))


@given(st.sets(st.integers(0, 70_000)), st.sets(st.integers(0, 70_000)))
def test_sets_flip(members: set[int], turned: set[int]) -> None:
    before = hot.from_ids(np.array(sorted(members), np.int64), 70_001)
    after = hot.flipped(before, np.array(sorted(turned), np.uint32), 70_001)
    assert hot.to_ids(after).tolist() == sorted(members ^ turned)
    assert after.words.tobytes() == hot.from_ids(np.array(sorted(members ^ turned), np.int64), 70_001).words.tobytes()


@pytest.mark.parametrize(("members", "turned"), [(500, 30), (512, 1), (70_000, 70_000), (0, 65_536)])
def test_containers_change_their_kind(members: int, turned: int) -> None:
    before = hot.from_ids(np.arange(members), 70_001)
    after = hot.flipped(before, np.arange(turned, dtype=np.uint32), 70_001)
    expected = hot.from_ids(np.setxor1d(np.arange(members), np.arange(turned)), 70_001)
    assert after.words.tobytes() == expected.words.tobytes()


TIMES = st.integers(-20, 20).map(lambda step: step * 500_000_000 + 1_700_000_000_000_000)
FAR = st.sampled_from([-(2**63) + 1, -1, 0, 2**63 - 1])


@given(
    st.lists(st.lists(TIMES | FAR, max_size=5), min_size=1, max_size=8),
    st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=4),
)
def test_rows_in_spans(rows: list[list[int]], ends: list[tuple[int, int]]) -> None:
    offsets = np.cumsum([0, *map(len, rows)])
    time = np.array([each for customer in rows for each in customer], np.int64)
    spans = [Span("s", min(pair), max(pair)) for pair in ends]
    reaches = [frozenset(spans[:1]), frozenset(spans), frozenset[Span]()]
    touched = Touched({"s": Events(offsets, time, {})}, reaches)
    for reach in reaches:
        inside = [[any(span.low < at <= span.high for span in reach) for at in customer] for customer in rows]
        assert touched.customers(reach).tolist() == [at for at, held in enumerate(inside) if any(held)]
        flat = [each for held in inside for each in held]
        assert touched.rows("s", reach).tolist() == [at for at, held in enumerate(flat) if held]


EDGES = st.sampled_from([-1e20, -3.0, -1.0, 0.0, 1e-300, 0.1, 1.0, 7.0, 1e14, 1e16, float("inf")])


# Plain Python warns where compiled kernels do not: what is too large for a float is in no bucket.
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@given(st.lists(EDGES | st.just(float("nan"))), st.lists(st.tuples(EDGES, EDGES), min_size=1, max_size=4))
def test_values_in_ranges(values: list[float], ranges: list[tuple[float, float]]) -> None:
    lows, highs = (np.array([end(pair) for pair in ranges], np.float64) for end in (min, max))
    found = within_any(np.array(values, np.float64), lows, highs)
    assert found.tolist() == [
        at for at, v in enumerate(values) if any(a <= v <= b for a, b in zip(lows, highs, strict=True))
    ]


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_ascending_numbers(one: set[int], other: set[int]) -> None:
    a, b = (np.array(sorted(each), np.int64) for each in (one, other))
    assert united([a, b]).tolist() == sorted(one | other)
    assert without(a, b).tolist() == sorted(one - other)
