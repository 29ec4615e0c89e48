"""A mapping whose values are made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from segdex.forks import ForkLock

K = TypeVar("K")
V = TypeVar("V")


class Lazy(Mapping[K, V]):
    """Values by key, each made once, at its first use, by any thread.

    Args:
        makers: what makes the value of each key, in the order in which keys are listed.
    """

    def __init__(self, makers: Mapping[K, Callable[[], V]]) -> None:
        self._makers = makers
        self._made: dict[K, V] = {}
        self._lock = ForkLock()

    def __getitem__(self, key: K) -> V:
        made = self._made
        if key not in made:
            make = self._makers[key]
            with self._lock:
                if key not in made:
                    made[key] = make()
        return made[key]

    def __contains__(self, key: object) -> bool:  # without making the value
        return key in self._makers

    def __iter__(self) -> Iterator[K]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __reduce__(self) -> tuple[Any, ...]:
        return (dict, (dict(self),))
