"""Values by name that are made when they are first asked for, and shared by the generations that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import partial
from typing import Any, Generic, TypeVar

from segdex.forks import ForkLock

V = TypeVar("V")


class Cell(Generic[V]):
    """A value that is made once, at its first use, by any thread.

    Args:
        make: makes it; let go when it has.
    """

    def __init__(self, make: Callable[[], V]) -> None:
        self._make: Callable[[], V] | None = make
        self._value: list[V] = []
        self._lock = ForkLock()

    @property
    def is_made(self) -> bool:
        """Whether the value is there."""
        return bool(self._value)

    def get(self) -> V:
        """The value."""
        if not self._value:
            with self._lock:
                if not self._value:
                    assert self._make is not None
                    self._value.append(self._make())
                    self._make = None
                    self.let_go()
        return self._value[0]

    def let_go(self) -> None:
        """Forget what the value was made of; called when it is there."""


def made(value: V) -> Cell[V]:
    """A cell whose value is there."""
    return Cell(lambda: value)


class Cells(MutableMapping[str, V]):
    """Values by name, each in a cell; a copy shares the cells."""

    def __init__(self, cells: Mapping[str, Cell[V]]) -> None:
        self.cells = dict(cells)

    def __getitem__(self, name: str) -> V:
        return self.cells[name].get()

    def __setitem__(self, name: str, value: V) -> None:
        self.cells[name] = made(value)

    def __delitem__(self, name: str) -> None:
        del self.cells[name]

    def __contains__(self, name: object) -> bool:  # without making the value
        return name in self.cells

    def __iter__(self) -> Iterator[str]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    def __reduce__(self) -> tuple[Any, ...]:
        return (dict, (dict(self),))


def cells_of(held: Mapping[str, V]) -> Cells[V]:
    """The values of any mapping in cells; what is not made there is not made for it."""
    if isinstance(held, Cells):
        return Cells(held.cells)
    return Cells({name: Cell(partial(held.__getitem__, name)) for name in held})
