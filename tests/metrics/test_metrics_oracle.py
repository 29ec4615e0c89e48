"""Every kind of metric against its naive meaning."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segdex.metrics import select
from segdex.metrics.source import Source
from segdex.rules.windows import Last
from tests.metrics.worlds import (
    AS_OF,
    GAPS,
    METRICS,
    MICRO,
    STREAMS,
    TIMES,
    World,
    answers,
    make_world,
    random_rows,
    source,
    worlds,
)  # fmt: skip
from tests.oracle import metrics as oracle

# Plain Python warns where compiled kernels do not: infinity less infinity is a missing value on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")


def check(name: str, world: World, seed: int = 0, made: Source | None = None) -> None:
    found = answers(name, made or source(world, random.Random(seed)))
    expected = {
        (customer, category): oracle.value(METRICS[name], customer, world, category) for customer, category in found
    }
    assert found == expected, METRICS[name]
    assert not any(held == 0 and math.copysign(1, held) < 0 for held in found.values() if isinstance(held, float))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds(), st.lists(st.sampled_from(sorted(METRICS)), min_size=25, max_size=25, unique=True), st.integers(0, 99))
def test_any_metric_over_any_small_world(world: World, names: list[str], seed: int) -> None:
    for name in names:
        check(name, world, seed)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds(), st.randoms(use_true_random=False))
def test_metrics_that_share_what_they_have_in_common(world: World, generator: random.Random) -> None:
    made = dataclasses.replace(source(world, generator), common={})
    for name in generator.sample(sorted(METRICS), 40):
        check(name, world, made=made)
    assert made.common


ABOUT_TIME = sorted(
    name
    for name, metric in METRICS.items()
    if metric.kind in ("sequence", "streak", "active_periods")
    or metric.stream in GAPS
    or isinstance(metric.window, Last)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.integers(0, 2**32), st.sampled_from([15, 12 * 60, 5 * 24 * 60, 20 * 24 * 60]))
def test_metrics_about_time_where_much_happens(seed: int, minutes: int) -> None:
    """Rows are so many minutes apart, some a microsecond more or less, so that they follow and join one another."""
    generator = random.Random(seed)
    apart = [n * dt.timedelta(minutes=minutes) for n in range(-1, 24)]
    times = [AS_OF - each + generator.choice([0, 0, 0, -1, 1]) * MICRO for each in apart]
    rows = {
        name: random_rows(generator, times, timed, 2, generator.randrange(30), unknown=0.1)
        for name, (timed, _) in STREAMS.items()
    }
    world = make_world(rows, generator, 3)
    for name in generator.sample(ABOUT_TIME, 40):
        check(name, world, seed)


@pytest.mark.parametrize("rows_of_a_block", [1, 5, select.MOST_ROWS])
def test_every_metric_over_one_world(rows_of_a_block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "MOST_ROWS", rows_of_a_block)
    generator = random.Random(11)
    rows = {name: random_rows(generator, TIMES, timed, 4, 40) for name, (timed, _) in STREAMS.items()}
    world = make_world(rows, generator, 6)
    for name in METRICS:
        check(name, world)


def test_every_metric_over_no_rows_at_all() -> None:
    generator = random.Random(5)
    for customers in (0, 2):
        world = make_world({name: [] for name in STREAMS}, generator, customers)
        for name in METRICS:
            check(name, world)
