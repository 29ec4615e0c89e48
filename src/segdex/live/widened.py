"""Categories that are new to an index where the base's own stages and tracked segments range over all of them.

What the base knows of its customers was computed when there were fewer categories. Where one more makes a difference
to those whom no batch has named, which is rare, everything is computed anew.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.generation import alone
from segdex.live.advance import moved_between
from segdex.live.fold import refolded
from segdex.live.state import Moves, State, place_of, tracked_in
from segdex.query.answers import put_in
from segdex.query.beyond import asks_any
from segdex.query.bind import Bound
from segdex.rules import nodes

_NOBODY = np.empty(0, np.int64)


def widened(state: State) -> tuple[State, Moves]:
    """*state*, computed anew where a category that came since makes a difference, and who moved by that."""
    if state.version.delta is None or not any(state.answers.differs(rule) for rule in kept_rules(state)):
        return state, {}
    return recomputed(state)


def recomputed(state: State) -> tuple[State, Moves]:
    """*state* with all that is known computed anew from all rows, and who moved by that."""
    made = state.folded(dataclasses.replace(alone(refolded(state)), number=state.version.number))
    names = tracked_in(state.catalog)
    return made, {name: moved_between(_members(state, name), made.tracked[name], _NOBODY) for name in names}


def kept_rules(state: State) -> list[Bound]:
    """The rules that range over categories, of those whose answers are kept."""
    schema, binder = state.catalog.schema, state.answers.binder
    rules = [stage.where for stages in schema.stages.values() for stage in stages]
    bound = [binder.bind_checked(rule) for rule in rules if isinstance(rule, nodes.Rule)]
    bound += [binder.bind_checked(nodes.Segment(name)) for name in tracked_in(state.catalog)]
    return [each for each in bound if asks_any(each)]


def _members(state: State, name: str) -> Predicate:
    """Who is in a tracked segment by what is known."""
    delta, count = state.version.delta, state.version.count
    if delta is None:
        return state.tracked[name]
    now = delta.plus.predicates[place_of(name)]
    return hot.from_words(put_in(state.tracked[name], now, delta.owners, count), count)
