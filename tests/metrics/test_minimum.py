"""The search for a minimum: known functions, bounds, and functions that have none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from segdex.metrics.minimum import minimum

WIDE = np.full(2, 100.0)


def point(*arguments: Any) -> np.ndarray | None:
    found = minimum(*arguments)
    return None if found is None else found.point


def rosenbrock(at: np.ndarray) -> tuple[float, np.ndarray]:
    x, y = at
    value = (1 - x) ** 2 + 100 * (y - x * x) ** 2
    return float(value), np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])


@pytest.mark.parametrize("start", [(-1.2, 1.0), (0.0, 0.0), (50.0, -50.0), (1.0, 1.0)])
def test_a_curved_valley(start: tuple[float, float]) -> None:
    found = point(rosenbrock, np.array(start), -WIDE, WIDE)
    assert found is not None
    assert found == pytest.approx([1.0, 1.0], abs=1e-6)


def test_a_bound_that_holds_one_variable() -> None:
    found = point(rosenbrock, np.array([0.0, 0.0]), -WIDE, np.array([0.5, 100.0]))
    assert found is not None
    assert found == pytest.approx([0.5, 0.25], abs=1e-7)


def test_a_function_that_falls_for_ever_ends_at_the_bound() -> None:
    found = point(lambda p: (math.exp(-p[0]), np.array([-math.exp(-p[0])])), np.zeros(1), -np.ones(1), 5 * np.ones(1))
    assert found == pytest.approx([5.0])
    flat = point(lambda p: (float(-p.sum()), -np.ones(2)), np.zeros(2), -WIDE, WIDE)
    assert flat == pytest.approx([100.0, 100.0])


def test_a_start_outside_is_brought_inside() -> None:
    found = point(lambda p: (float(p @ p), 2 * p), np.full(2, 1e6), np.ones(2), WIDE)
    assert found == pytest.approx([1.0, 1.0])


def test_a_slope_that_lies_finds_nothing() -> None:
    assert minimum(lambda p: (float(p @ p), -2 * p), np.ones(2), -WIDE, WIDE) is None


def test_a_function_that_never_settles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segdex.metrics.minimum.MOST_STEPS", 3)
    assert minimum(rosenbrock, np.array([-1.2, 1.0]), -WIDE, WIDE) is None


def test_what_is_known_before_saves_steps() -> None:
    calls = 0

    def counted(at: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal calls
        calls += 1
        return rosenbrock(at)

    first = minimum(counted, np.array([-1.2, 1.0]), -WIDE, WIDE)
    assert first is not None
    before, calls = calls, 0
    again = minimum(counted, first.point + 1e-4, -WIDE, WIDE, first.inverse)
    assert again is not None
    assert again.point == pytest.approx([1.0, 1.0], abs=1e-6)
    assert calls < before / 3
