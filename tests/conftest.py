"""What holds for every test."""

from __future__ import annotations

import os
import threading

import coverage
from hypothesis import HealthCheck, settings

# Times are never asserted: a busy machine must not fail a property, nor the drawing of its examples.
settings.register_profile("segdex", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("segdex")


def _fork_with(measuring: coverage.Coverage) -> None:
    """Have no child born while another thread holds the lock of what is measured: the child would wait for ever."""
    collector = getattr(measuring, "_collector", None)
    if getattr(collector, "data_lock", None) is not None:
        lock = collector.data_lock = threading.RLock()
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


if (running := coverage.Coverage.current()) is not None:
    _fork_with(running)
