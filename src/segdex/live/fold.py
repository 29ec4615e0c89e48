"""Base and delta into a new base: everything is derived anew from the rows of all customers."""

from __future__ import annotations

import dataclasses

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.derive import Progress, derive
from segdex.events.store import Events
from segdex.generation import MEMBER, Generation, PredicateName
from segdex.ingest.grown import settled, under
from segdex.ingest.read import Tables
from segdex.ingest.report import Report, rejections
from segdex.live.gathering import reordered as reordered_rows
from segdex.live.state import State, loaded_in
from segdex.query.folded import folded
from segdex.spread import spread
from segdex.values.column import Column, Ints
from segdex.values.dictionaries import trimmed


def refolded(state: State, progress: Progress | None = None) -> Generation:
    """A base with the same customers and dense ids that holds all of *state*. Of the erased nothing is left in it."""
    whole = _whole(state)
    made = derive(state.catalog, _tables(state, whole), state.version.as_of, progress, whole.fitted, whole)
    return dataclasses.replace(made, number=state.version.number)


def reordered(state: State, progress: Progress | None = None) -> tuple[Generation, Ints]:
    """A base of all of *state* in which customers are numbered anew; and the new dense id of each old one, -1: none."""
    whole = _whole(state)
    tables = _tables(state, whole)
    held = tables.keys.take(np.arange(len(tables.keys)))
    made = derive(state.catalog, _by_key(tables), state.version.as_of, progress, whole.fitted)
    places = under(made.keys, None).lookup(held)
    sets = dict(made.predicates)
    for name in loaded_in(state.catalog):
        members = places[hot.to_ids(whole.predicates[PredicateName(name, MEMBER)])]
        sets[PredicateName(name, MEMBER)] = hot.from_ids(np.sort(members[members >= 0]), made.count)
    return dataclasses.replace(made, number=state.version.number, predicates=sets), places


def _whole(state: State) -> Generation:
    if state.version.delta is None:
        return state.base
    return folded(state.version, state.answers.universe)


def _tables(state: State, whole: Generation) -> Tables:
    universe = None if whole.all_inside else hot.to_mask(whole.universe, whole.count)
    return Tables(
        keys=settled(state.version.keys),
        attributes={name: trimmed(_column(whole, name)) for name in state.catalog.given},
        events=dict(zip(whole.events, spread(lambda name: _trimmed(whole.events[name]), [*whole.events]), strict=True)),
        report=Report((), rejections([])),
        universe=universe,
        lookups=dict(whole.lookups),
        hidden=dict(whole.hidden),
        graves={name: _trimmed(graves) for name, graves in whole.graves.items()},
    )


def _by_key(tables: Tables) -> Tables:
    """The tables as a build has them before it numbers customers: in the order of keys, and without those of nobody."""
    numbering = tables.keys.numbering
    if numbering is None:
        return tables
    held = numbering.ids.astype(np.int64)
    return dataclasses.replace(
        tables,
        keys=dataclasses.replace(tables.keys, numbering=None),
        attributes={name: column.take(held) for name, column in tables.attributes.items()},
        events={name: reordered_rows(events, held) for name, events in tables.events.items()},
        universe=None if tables.universe is None else tables.universe[held],
        hidden={name: column.take(held) for name, column in tables.hidden.items()},
        graves={name: reordered_rows(graves, held) for name, graves in tables.graves.items()},
    )


def _column(whole: Generation, name: str) -> Column:
    held = whole.values[name]
    assert isinstance(held, Column)
    return held


def _trimmed(events: Events) -> Events:
    return dataclasses.replace(
        events,
        fields={name: trimmed(column) for name, column in events.fields.items()},
        marks={name: trimmed(column) for name, column in events.marks.items()},
    )
