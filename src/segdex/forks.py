"""Locks that a forked child can take: a thread that held one in the parent does not exist in the child."""

from __future__ import annotations

import os
import threading
import weakref
from types import TracebackType


class ForkLock:
    """A lock that is free in a forked child, whoever held it in the parent.

    What it guards must be fit to be read after any single statement under it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _held.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Make the lock free; only for a child that has one thread."""
        self._lock = threading.Lock()


_held: weakref.WeakSet[ForkLock] = weakref.WeakSet()


def _renew() -> None:
    for lock in list(_held):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
