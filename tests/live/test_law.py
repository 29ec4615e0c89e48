"""The law over random lives; `python -m tests.live` is the long run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from segdex import generation, sets
from segdex.live import rows
from segdex.reclock import advance, changes
from tests.live.lives import drawn, live
from tests.live.steps import STEPS

pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
NAMES = [name for name, (_, weight) in STEPS.items() for _ in range(weight)]


# Lives take too long to be shrunk here: `python -m tests.live` leaves out step by step what does not matter.
@settings(max_examples=12, deadline=None, suppress_health_check=SLOW, phases=[Phase.explicit, Phase.generate])
@given(st.integers(0, 1 << 30), st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 1 << 20)), max_size=8))
def test_any_life(world: int, taken: list[tuple[str, int]]) -> None:
    live(world, taken)


@pytest.mark.compiled  # `test_any_life` leads such lives with uncompiled kernels too
@pytest.mark.parametrize("part", range(4))
def test_the_same_lives_each_time(part: int) -> None:
    for seed in range(part * 3, part * 3 + 3):
        live(seed, drawn(seed), every=4)


def test_more_labels_than_have_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """With few labels told by sets, columns go over that number while the index lives."""
    for module in (generation, sets, rows, advance, changes):
        monkeypatch.setattr(module, "MOST_LABELS", 3)
    for seed in range(100, 104):
        live(seed, drawn(seed))
