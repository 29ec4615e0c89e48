"""Every kind of metric against its naive meaning."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import random
from collections.abc import Iterable
from typing import Any

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


def check(names: Iterable[str], world: World, seed: int = 0, made: Source | None = None) -> None:
    made = made or source(world, random.Random(seed))
    for name in names:
        found = answers(name, made)
        same(found, expected(name, world, found), METRICS[name])


def expected(name: str, world: World, asked: Iterable[tuple[int, str | None]]) -> dict[tuple[int, str | None], Any]:
    return {(customer, by): oracle.value(METRICS[name], customer, world, by) for customer, by in asked}


def same(found: dict[Any, Any], wanted: dict[Any, Any], what: object) -> None:
    assert found == wanted, what
    assert not any(held == 0 and math.copysign(1, held) < 0 for held in found.values() if isinstance(held, float)), what


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds(), st.lists(st.sampled_from(sorted(METRICS)), min_size=25, max_size=25, unique=True), st.integers(0, 99))
def test_any_metric_over_any_small_world(world: World, names: list[str], seed: int) -> None:
    check(names, world, seed)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds(), st.randoms(use_true_random=False))
def test_metrics_that_share_what_they_have_in_common(world: World, generator: random.Random) -> None:
    made = dataclasses.replace(source(world, generator), common={})
    check(generator.sample(sorted(METRICS), 40), world, made=made)
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
    check(generator.sample(ABOUT_TIME, 40), world, seed)


def test_every_metric_over_one_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows are looked at in a block."""
    generator = random.Random(11)
    rows = {name: random_rows(generator, TIMES, timed, 4, 40) for name, (timed, _) in STREAMS.items()}
    world = make_world(rows, generator, 6)
    sizes = (1, 5, select.MOST_ROWS)
    made = {size: source(world, random.Random(0)) for size in sizes}
    for name, metric in METRICS.items():
        wanted: dict[Any, Any] = {}
        for size in sizes:
            monkeypatch.setattr(select, "MOST_ROWS", size)
            found = answers(name, made[size])
            wanted = wanted or expected(name, world, found)
            same(found, wanted, f"{metric} by blocks of {size}")


def test_every_metric_over_no_rows_at_all() -> None:
    generator = random.Random(5)
    for customers in (0, 2):
        world = make_world({name: [] for name in STREAMS}, generator, customers)
        check(METRICS, world)
