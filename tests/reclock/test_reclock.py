"""The generation of a later clock is the one that would be built then: every value to the last bit, every set."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segdex.reclock import reclocked
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
    assert at.number == len(world.moments)
    assert at.epoch == first.epoch
    assert at.events is first.events
    assert_same(reclocked(first, world.moments[-1]), at)
    assert_same(first, world.derived(world.moments[0]))


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(st.integers(0, 2**32))
def test_any_world(seed: int) -> None:
    check(make(seed))
