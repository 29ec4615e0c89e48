"""What holds for every test."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import coverage
import pytest
from hypothesis import HealthCheck, settings

# Times are never asserted: a busy machine must not fail a property, nor the drawing of its examples.
settings.register_profile("segdex", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("segdex")


HERE = Path(__file__).parent
WITHOUT_KERNELS = (
    "rules", "schema", "store/test_container.py", "store/test_crash.py", "store/test_damage.py",
    "store/test_format_page.py", "store/test_guarantees_page.py", "store/test_journal.py", "store/test_killing.py",
    "store/test_lock.py", "store/test_os.py", "store/test_snapshot.py",
)  # fmt: skip
"""Folders and modules whose tests run no kernel: without compiled ones they would do the same once more."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests that run no kernel out of the run with uncompiled kernels."""
    places = [HERE / name for name in WITHOUT_KERNELS]
    for item in items:
        if any(item.path.is_relative_to(place) for place in places):
            item.add_marker(pytest.mark.compiled)


def _fork_with(measuring: coverage.Coverage) -> None:
    """Have no child born while another thread holds the lock of what is measured: the child would wait for ever."""
    collector = getattr(measuring, "_collector", None)
    if getattr(collector, "data_lock", None) is not None:
        lock = collector.data_lock = threading.RLock()
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


if (running := coverage.Coverage.current()) is not None:
    _fork_with(running)
