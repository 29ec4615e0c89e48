"""Rows of one id are one event, one row at a time: the obvious twin of `segdex.events.ids`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A row of a stream with ids; *key* is the customer's."""

    key: int
    at: int
    id: Any
    version: Any
    deleted: bool | None
    fields: tuple[Any, ...]


def greatness(row: Row, where: Callable[[Row], bool]) -> tuple[Any, ...]:
    """What rows of one id are compared by; null is least."""

    def known(value: Any) -> tuple[bool, Any]:
        return (value is not None, 0 if value is None else value)

    return (known(row.version), row.at, tuple(map(known, row.fields)), row.deleted is True or not where(row), row.key)


def winners(rows: Sequence[Row], where: Callable[[Row], bool]) -> list[Row]:
    """One row of each id, and all rows without one."""
    best: dict[str, Row] = {}
    alone = []
    for row in rows:
        if row.id is None:
            alone.append(row)
        elif str(row.id) not in best or greatness(row, where) > greatness(best[str(row.id)], where):
            best[str(row.id)] = row
    return [*alone, *best.values()]


def events(rows: Sequence[Row], where: Callable[[Row], bool]) -> list[Row]:
    """The rows that are events."""
    return [row for row in winners(rows, where) if row.deleted is not True and where(row)]
