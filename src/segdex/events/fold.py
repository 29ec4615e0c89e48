"""The rows of two tables folded into one: some customers' rows replaced, some new, some gone."""

from __future__ import annotations

import dataclasses

import numpy as np

from segdex.events.store import UNIT, Events
from segdex.events.update import mixed, rearranged, unit_of
from segdex.values.column import Column, Data, Ints, texts
from segdex.values.dictionaries import alike, trimmed
from segdex.values.fold import concatenated
from segdex.values.splice import Splice, spliced


def folded(base: Events, other: Events, places: Ints, rows: Ints, count: int) -> Events:
    """*base* where customer ``places[j]`` has the rows of customer ``rows[j]`` of *other* in place of their own.

    Columns are put together one by one, of runs, so that beside the result memory holds one column of it once more.
    No string stays that no row has any more.

    Args:
        base: the rows; they are not changed.
        other: rows of the same stream.
        places: dense ids, each at most once, some of which may be new.
        rows: a customer of *other* for each; negative: they have no rows in the end.
        count: how many customers there are in the end, at least as many as now; new ones not in *places* have no rows.

    Raises:
        VersionError: the base was stored by a version that kept no units.
    """
    if any(one.dictionary is not None for one, _ in _mixed(base, other)):
        other = _in_text(other, base)
    anew = bool(_mixed(base, other))  # 7 and 10 have become '10' and '7'
    order = np.argsort(places, kind="stable")
    places, rows = places[order], rows[order]
    runs = spliced(base.offsets, other.offsets, places, rows, count)
    made = Events(
        offsets=runs.offsets,
        time=None if base.time is None or other.time is None else runs.of(base.time, other.time),
        fields={name: _spliced(base.fields[name], other.fields[name], runs) for name in base.fields},
        marks={name: _spliced(base.marks[name], other.marks[name], runs) for name in base.marks if name != UNIT},
    )
    if base.unit_offsets is not None and other.unit_offsets is not None:
        made = _with_units(made, base, other, spliced(base.unit_offsets, other.unit_offsets, places, rows, count))
    return rearranged(made) if anew else made


def _with_units(made: Events, base: Events, other: Events, runs: Splice) -> Events:
    """*made* with transactions; *runs* are those of transactions."""
    assert base.units is not None
    assert other.units is not None
    units = np.zeros(int(runs.offsets[-1]) + 1, np.int64)
    np.cumsum(runs.of(np.diff(base.units), np.diff(other.units)), out=units[1:])
    marks = {**made.marks, UNIT: _spliced(unit_of(base), unit_of(other), runs)}
    return dataclasses.replace(made, units=units, unit_offsets=runs.offsets, marks=marks)


def _spliced(base: Column, other: Column, runs: Splice) -> Column:
    """The items of both, by *runs*."""
    base, other = alike([base, other])
    if base.offsets is None or other.offsets is None:
        data: Data = runs.of(base.data, other.data)  # type: ignore[assignment]
        return trimmed(dataclasses.replace(base, data=data))
    offsets = np.zeros(int(runs.offsets[-1]) + 1, np.int64)
    np.cumsum(runs.of(np.diff(base.offsets), np.diff(other.offsets)), out=offsets[1:])
    of_tags = runs.within(base.offsets, other.offsets, offsets)
    codes: Data = of_tags.of(base.data, other.data)  # type: ignore[assignment]
    return trimmed(dataclasses.replace(base, data=codes, offsets=offsets))


# --- identifiers -------------------------------------------------------------------------------------------------


def _mixed(base: Events, other: Events) -> list[tuple[Column, Column]]:
    """The columns of identifiers that hold integers on one side and text on the other."""
    names = [name for name, column in other.fields.items() if column.type.kind == "id"]
    pairs = [(base.fields[name], other.fields[name]) for name in names]
    if base.units is not None:
        pairs.append((unit_of(base), unit_of(other)))
    return [pair for pair in pairs if mixed(pair)]


def _in_text(events: Events, like: Events) -> Events:
    """*events* with text for integers where *like* has it."""

    def moved(column: Column, as_in: Column) -> Column:
        if not mixed([column, as_in]) or as_in.dictionary is None:
            return column
        return concatenated([column, Column(column.type, np.empty(0, np.int32), texts([]))])

    fields = {name: moved(column, like.fields[name]) for name, column in events.fields.items()}
    marks = dict(events.marks)
    if events.units is not None:
        marks[UNIT] = moved(unit_of(events), unit_of(like))
    return rearranged(dataclasses.replace(events, fields=fields, marks=marks))
