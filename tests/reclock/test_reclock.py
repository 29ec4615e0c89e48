"""The generation of a later clock is the one that would be built then: every value to the last bit, every set."""

from __future__ import annotations

import dataclasses
import gc
import weakref

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import advance
from segdex.bitmap import rerank
from segdex.derive import derive
from segdex.generation import Generation
from segdex.reclock import columns, reclocked
from segdex.schema.load import load
from tests.metrics.worlds import METRICS
from tests.reclock.worlds import Moving, assert_same, make

pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def check(world: Moving) -> None:
    """From each moment to the next, and from the first one to the last."""
    first = world.derived(world.moments[0])
    at = first
    for moment in world.moments[1:]:
        at = reclocked(at, moment)
        assert_same(at, world.derived(moment, first.fitted))
    assert at.number == first.number + len(world.moments) - 1
    assert at.epoch == first.epoch
    assert at.events is first.events
    assert_same(reclocked(first, world.moments[-1]), at)
    assert_same(chain(first, world.moments[1:]), at)
    assert_same(first, world.derived(world.moments[0]))


def chain(first: Generation, moments: list[int]) -> Generation:
    """From moment to moment without reading anything."""
    for moment in moments:
        first = reclocked(first, moment)
    return first


@settings(max_examples=12, deadline=None, suppress_health_check=SLOW)
@given(st.integers(0, 2**32))
def test_any_world(seed: int) -> None:
    check(make(seed))


@settings(max_examples=12, deadline=None, suppress_health_check=SLOW)
@given(st.integers(0, 2**32))
def test_any_world_where_little_seems_to_change(seed: int) -> None:
    """So few customers are all made anew else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rerank, "MOST", 0)
        patch.setattr(columns, "MOST", 0)
        check(make(seed))


KINDS = sorted({metric.kind for metric in METRICS.values()})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind: str) -> None:
    names = sorted(name for name, metric in METRICS.items() if metric.kind == kind)
    for seed in range(2):
        check(make(seed, names[seed :: max(len(names) // 8, 1)][:8], customers=6))


@pytest.fixture(scope="module")
def many() -> tuple[Generation, Moving]:
    """Customers of two chunks, and ten events each."""
    catalog, tables = load(advance.SCHEMA), advance.generate(70_000)
    moments = [advance.AS_OF, advance.AS_OF + advance.DAY, advance.AS_OF + 33 * advance.DAY]
    world = Moving(catalog, tables, moments)
    return world.derived(moments[0]), world


@pytest.mark.compiled
def test_many_customers(many: tuple[Generation, Moving]) -> None:
    first, world = many
    at = first
    for moment in world.moments[1:]:
        at = reclocked(at, moment)
        assert_same(at, world.derived(moment, first.fitted))


@pytest.mark.compiled
def test_what_does_not_change_is_shared_and_nothing_is_written(many: tuple[Generation, Moving]) -> None:
    first, _ = many
    for value in first.values.values():
        getattr(value, "column", value).data.flags.writeable = False
    for ranks in first.ranks.values():
        ranks.places.flags.writeable = ranks.codes.flags.writeable = False
    moved = reclocked(first, advance.AS_OF + advance.DAY)
    for name in ("country", "born"):
        assert moved.values[name] is first.values[name]
    assert moved.ranks["born"] is first.ranks["born"]
    assert moved.universe is first.universe
    same = [name for name, members in first.predicates.items() if moved.predicates[name] is members]
    assert len(same) > 5


@pytest.mark.compiled
def test_a_clock_that_stands_changes_nothing(many: tuple[Generation, Moving]) -> None:
    first, _ = many
    assert_same(dataclasses.replace(reclocked(first, first.as_of), number=first.number), first)


@pytest.mark.compiled
def test_generations_between_are_let_go(many: tuple[Generation, Moving]) -> None:
    first, _ = many
    between = reclocked(first, advance.AS_OF + advance.DAY)
    last = reclocked(between, advance.AS_OF + 2 * advance.DAY)
    gone = weakref.ref(between)
    del between
    gc.collect()
    assert gone() is None
    assert len(last.values["engagement"].data) == 70_000  # type: ignore[union-attr]


def test_many_years_at_once() -> None:
    world = make(5)
    first = world.derived(world.moments[0])
    later = world.moments[0] + (1 << 51)
    assert_same(reclocked(first, later), derive(world.catalog, world.fresh(), later, fitted=first.fitted))


def test_moments_long_ago_are_told_to_the_microsecond() -> None:
    """Beyond 71 years days no longer tell the moment, and are computed from it."""
    days = np.array([0.0, 1 / 3, 26_000.123, 40_000.0, 700_000.5, np.nan])
    asked: list[list[int]] = []

    def of_some(ids: np.ndarray) -> columns.Column:
        asked.append(ids.tolist())
        return columns.Column(load(advance.SCHEMA).types["since_order"], np.zeros(len(ids)))

    moved = columns.Since(now=86_400_000_000, of_some=of_some).shifted(days, 0, np.arange(10, 16))
    assert asked == [[13, 14]]
    assert moved[:3].tolist() == [1.0, (28_800_000_000 + 86_400_000_000) / 86_400e6, 26_001.123]
    assert moved[3:5].tolist() == [0.0, 0.0]
    assert np.isnan(moved[5])
