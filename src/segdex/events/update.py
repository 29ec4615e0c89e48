"""Rows that join rows: a batch's and the stored ones as if they had been read together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from segdex.errors import SourceError, VersionError
from segdex.events.arrange import arrange
from segdex.events.renumber import rows_of
from segdex.events.store import UNIT, Events
from segdex.values.column import Column, Ints
from segdex.values.dictionaries import lightened
from segdex.values.fold import concatenated


def joined(parts: Sequence[tuple[Events, Ints]], customers: int, fields: Sequence[str]) -> Events:
    """The rows of several `Events` of one stream as `arrange` gives them when they are read together.

    Args:
        parts: rows, and for each of their customers which one of the result it is.
        customers: how many there are in the result.
        fields: the fields in the order in which they are declared: ties are settled by them.

    Raises:
        VersionError: the rows were stored by a version that kept no units.
    """
    rows = together([loose(events, fields) for events, _ in parts])
    owners = [whose.astype(np.uint32)[owners_of(events)] for events, whose in parts]
    return arrange(rows, np.concatenate(owners), customers)


def rearranged(events: Events) -> Events:
    """*events* in the order that `Events` promises, where the order of units or of values has become another."""
    return arrange(loose(events, list(events.fields)), owners_of(events), events.customers)


def picked(events: Events, customers: Ints) -> Events:
    """The rows of some customers, each at most once, these numbered in the order given."""
    bare, rows = rows_of(events, customers)
    fields = {name: lightened(column.take(rows)) for name, column in events.fields.items()}
    marks = {name: lightened(column) for name, column in bare.marks.items()}
    return dataclasses.replace(bare, fields=fields, marks=marks)


def chained(parts: Sequence[Events]) -> Events:
    """The rows of several `Events` of one stream, of which there is at least one; their customers one after another."""
    first = parts[0]
    if len(parts) == 1:
        return first
    fields = {name: [part.fields[name] for part in parts] for name in first.fields}
    marks = {name: [part.marks[name] for part in parts] for name in first.marks if _in_all(parts, name)}
    made = Events(
        offsets=_chained(part.offsets for part in parts),
        time=None if first.time is None else np.concatenate([part.time for part in parts if part.time is not None]),
        fields={name: concatenated(columns) for name, columns in fields.items()},
        units=None if first.units is None else _chained(part.units for part in parts),
        unit_offsets=None if first.units is None else _chained(part.unit_offsets for part in parts),
        marks={name: concatenated(columns) for name, columns in marks.items()},
    )
    return rearranged(made) if any(map(mixed, [*fields.values(), *marks.values()])) else made


def mixed(columns: Sequence[Column]) -> bool:
    """Whether some of several columns of identifiers hold integers and some text, which are in another order."""
    return len({column.dictionary is None for column in columns}) > 1


def unit_of(events: Events) -> Column:
    """The unit of each transaction of rows that have units.

    Raises:
        VersionError: the rows were stored by a version that did not keep them.
    """
    if events.unit is None:
        raise VersionError(
            "the index was written by a version that kept no units of transactions, so that no rows can join them",
            hint="build it again",
        )
    return events.unit


@dataclasses.dataclass(slots=True)
class LooseRows:
    """See `segdex.events.arrange.Loose`."""

    time: Ints | None
    unit: Column | None
    fields: dict[str, Column]
    marks: dict[str, Column]


def loose(events: Events, fields: Sequence[str]) -> LooseRows:
    """The rows of *events* with the unit of each."""
    unit = None
    if events.units is not None:
        unit = unit_of(events).take(np.repeat(np.arange(events.transactions), np.diff(events.units)))
    marks = {name: events.marks[name] for name in events.marks if name != UNIT}
    return LooseRows(events.time, unit, {name: events.fields[name] for name in fields}, marks)


def together(parts: Sequence[LooseRows]) -> LooseRows:
    """The rows of all parts, one part after the other; a part without units among others has missing ones.

    Raises:
        SourceError: versions are times in one part and numbers in another.
    """
    units = [part.unit for part in parts]
    like = next((unit for unit in units if unit is not None), None)
    times = [part.time for part in parts if part.time is not None]
    rows = [_count(part) for part in parts]
    return LooseRows(
        time=np.concatenate(times) if times else None,
        unit=None
        if like is None
        else concatenated([_none(like, n) if unit is None else unit for unit, n in zip(units, rows, strict=True)]),
        fields={name: concatenated([part.fields[name] for part in parts]) for name in parts[0].fields},
        marks={name: concatenated(_marks([part.marks[name] for part in parts])) for name in parts[0].marks},
    )


def _count(rows: LooseRows) -> int:
    if rows.time is not None:
        return len(rows.time)
    return next((len(column) for column in (*rows.marks.values(), *rows.fields.values())), 0)


def _none(like: Column, count: int) -> Column:
    """As many missing values as asked for."""
    return like.take(np.full(count, -1, np.int64))


def _marks(columns: list[Column]) -> list[Column]:
    """Columns of one mark that can be put together: versions of one kind."""
    known = {column.type.kind == "time" for column in columns if column.known.any()}
    if len(known) > 1:
        raise SourceError(
            "versions are times in some rows and numbers in others", hint="give all rows of the stream one or the other"
        )
    kind = next((column.type for column in columns if column.known.any()), columns[0].type)
    return [
        column if column.known.any() else _none(dataclasses.replace(column, type=kind), len(column))
        for column in columns
    ]


def owners_of(events: Events) -> npt.NDArray[np.uint32]:
    """The customer of each row."""
    return np.repeat(np.arange(events.customers, dtype=np.uint32), np.diff(events.offsets))


def _in_all(parts: Sequence[Events], mark: str) -> bool:
    return all(mark in events.marks for events in parts)


def _chained(offsets: Iterable[Ints | None]) -> Ints:
    """Offsets of lists that come one after another."""
    held = [each for each in offsets if each is not None]
    ends = np.cumsum([0, *(each[-1] for each in held)])
    return np.concatenate([held[0][:1], *(each[1:] + end for each, end in zip(held, ends[:-1], strict=True))])
