"""The numbering of customers, one customer at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CLASSES = 16


def places(columns: Sequence[Sequence[Any]], labels: Sequence[bool]) -> list[int]:
    """The places of customers in the order of *columns*.

    Args:
        columns: comparable values, None for a missing one.
        labels: which columns hold labels, which are no numbers to be cut into classes.
    """
    cut = [_classes(column) for column in columns]
    used = [column if is_label else classes for column, is_label, classes in zip(columns, labels, cut, strict=True)]
    used[-1] = columns[-1]
    return sorted(range(len(columns[0])), key=lambda at: ([_missing_first(column[at]) for column in used], at))


def _classes(column: Sequence[Any]) -> list[int | None]:
    """How many sixteenths of the known values are below each."""
    known = [value for value in column if value is not None]

    def below(value: Any) -> int:
        return sum(other < value for other in known)

    return [None if value is None else below(value) * CLASSES // len(known) for value in column]


def _missing_first(value: Any) -> tuple[bool, Any]:
    return (False, 0) if value is None else (True, value)
