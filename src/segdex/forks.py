"""Locks that a forked child can take, and what needs none: a thread that held one does not exist in the child."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


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


class Once(Generic[T]):
    """A property that is computed when it is first asked for, and kept; as a decorator.

    Two threads may both compute it, and both get what the first one has put there. That of `functools` takes one lock
    for all objects of a class in Python 3.11, which a thread may hold while another one forks.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T | Self:
        if instance is None:
            return self
        value: T = instance.__dict__.setdefault(self._name, self._compute(instance))
        return value
