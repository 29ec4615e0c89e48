"""Customers into one: the survivor has all that any of them had, and goes by any of their keys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pyarrow as pa

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.derive import derive_few
from segdex.errors import ArgumentError, CorruptError
from segdex.events.arrange import arrange
from segdex.events.renumber import widened
from segdex.events.store import Events
from segdex.events.update import loose
from segdex.generation import MEMBER, PredicateName, Values
from segdex.ingest.aliases import with_keys
from segdex.ingest.grown import under
from segdex.live.apply import Touched, hidden_of, placed, rows_of, said, touched, values_of, was
from segdex.live.holders import naming
from segdex.live.records import Merge
from segdex.live.rows import keys_of
from segdex.live.state import Moves, State, loaded_in, tracked_in
from segdex.schema.labels import score_name
from segdex.schema.model import Schema
from segdex.values.column import Column, Ints


def merge_of(state: State, keep: pa.Array, drop: pa.Array) -> tuple[Merge | None, int]:
    """What is written of a merge, and how many customers are merged into another; None: all are one already.

    Raises:
        ArgumentError: nobody has the key *keep*, one of *drop* is that of an erased customer, or one is none.
    """
    survivor = int(state.answers.lookup(keep)[0])
    if survivor < 0:
        raise ArgumentError("nobody has the key that is to be kept", allowed="the key of a customer")
    texts = drop.cast(pa.large_string())
    if texts.null_count:
        raise ArgumentError("a key to be dropped is none", found="null", allowed="keys")
    if state.erased.among(drop).any():
        raise ArgumentError(
            "a key to be dropped is that of an erased customer", allowed="other keys",
            hint="readmit it first: then its rows are those of the customer whose key is kept",
        )  # fmt: skip
    keys = state.version.keys
    kept: str = keys.take([survivor]).cast(pa.large_string())[0].as_py()
    meant = texts if keys.aliases is None else keys.aliases.meant(texts)
    dropped = [each for each in dict.fromkeys(meant.to_pylist()) if each != kept]
    found = state.answers.lookup(pa.array(dropped, pa.large_string()))
    return (Merge(kept, tuple(dropped)) if dropped else None), int(np.count_nonzero(found >= 0))


def merged(state: State, action: Merge) -> tuple[State, Moves]:
    """The state in which customers are one, and who entered and left the tracked segments. *state* stays as it is."""
    old = state.version.keys
    held = under(old, None).lookup(pa.array([action.keep, *action.drop], pa.large_string()))
    if held[0] < 0:  # whoever writes such a record has seen to it that there is one
        raise CorruptError("customers are merged into one who is not there")
    keys = under(old, with_keys(old.aliases, action.keep, action.drop))
    ids = np.append(held[:1], held[1:][held[1:] >= 0])
    those = touched(state, ids, keys)
    before = {name: was(state, name, those) for name in tracked_in(state.catalog)}
    base = state.base
    given = _one_row({name: values_of(state, name, those.places) for name in state.catalog.given}, state.catalog.schema)
    events = _one_history(state, {name: rows_of(state, name, those.places) for name in base.events})
    graves = _one_history(state, {name: rows_of(state, name, those.places, graves=True) for name in base.graves})
    fresh = derive_few(
        base, partial(keys_of, keys, ids), given, events, graves, _one_membership(state, those),
        {name: _latest(hidden_of(state, name, those.places)) for name in base.hidden},
        np.arange(len(ids)) == 0, state.answers.binder, state.answers.categories,
    )  # fmt: skip
    made, moves = placed(state, those, fresh, before)
    return naming(made, (events, graves), ids), moves


def _one_row(columns: Mapping[str, Column], schema: Schema) -> dict[str, Values]:
    """Each value of the first, or else of the next one who has one; a score goes with its label."""
    chosen = {name: _first(np.flatnonzero(column.known)) for name, column in columns.items()}
    for label in schema.labels.keys() & chosen.keys():
        if columns[label].known.any() and score_name(label) in chosen:
            chosen[score_name(label)] = chosen[label]
    return {name: _alone(column, chosen[name]) for name, column in columns.items()}


def _first(rows: Ints) -> int:
    return int(rows[0]) if len(rows) else 0


def _alone(column: Column, row: int) -> Column:
    """The first item is that of *row*; the others are missing."""
    return column.take(np.append(row, np.full(len(column) - 1, -1)))


def _latest(versions: Column) -> Column:
    """The greatest version; a missing one is the least."""
    return _alone(versions, int(np.argmax(versions.data)))


def _one_history(state: State, held: Mapping[str, Events]) -> dict[str, Events]:
    """All rows as those of the first."""
    made = {}
    for name, events in held.items():
        rows = loose(events, list(state.catalog.schema.streams[name].fields))
        made[name] = widened(arrange(rows, np.zeros(events.rows, np.uint32), 1), events.customers)
    return made


def _one_membership(state: State, those: Touched) -> dict[str, Predicate]:
    """The first is in each segment that was loaded with any of them; the others are in none."""
    first, sets = np.arange(len(those)) == 0, {}
    for segment in loaded_in(state.catalog):
        name = PredicateName(segment, MEMBER)
        mask = said(state, name, those, partial(state.base.predicates.__getitem__, name))
        sets[segment] = hot.from_mask(first & bool(mask.any()))
    return sets
