"""The clock moves: the base is made anew where it depends on it, and the rows of the delta are derived again."""

from __future__ import annotations

import dataclasses

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.generation import Generation, Version
from segdex.live.apply import Touched, derived, placed
from segdex.live.bits import UNIVERSE
from segdex.live.gathering import Places
from segdex.live.state import Moved, Moves, State, composed, place_of, tracked_in
from segdex.reclock import reclocked
from segdex.values.column import Ints

_NOBODY = np.empty(0, np.int64)


def advanced(state: State, as_of: int) -> tuple[State, Moves]:
    """The state at a later clock, and who entered and left the tracked segments. *state* stays as it is."""
    return rebased(state, reclocked(state.base, as_of))


def rebased(state: State, base: Generation) -> tuple[State, Moves]:
    """The state over another base of the same customers and rows: what has changed since is derived anew for it."""
    version, rows = state.version, state.rows
    base = dataclasses.replace(base, number=state.base.number)
    bare = state.next(Version(base, version.number + 1, version.key_source), None)
    ids = _NOBODY if rows is None else rows.ids
    moves = {name: _moved(state.tracked[name], bare.tracked[name], ids) for name in tracked_in(state.catalog)}
    if rows is None or version.delta is None:
        return bare, moves
    slots, plus = np.arange(len(ids)), version.delta.plus
    those = Touched(ids, slots, Places(slots * 0, slots), rows.plus.take(UNIVERSE, slots), version.keys)
    before = {name: rows.plus.take(place_of(name), slots) for name in moves}
    given = {name: plus.values[name] for name in base.catalog.given}
    fresh = derived(state, base, those, given, plus.events, those.inside)
    made, changed = placed(bare, those, fresh, before)
    made = made.next(dataclasses.replace(made.version, number=version.number + 1), made.rows)
    return made, composed(moves, changed)


def _moved(before: Predicate, after: Predicate, without: Ints) -> Moved:
    """Who entered and who left, but for those in *without*."""
    old, new = hot.to_words(before), hot.to_words(after)
    entered, left = (
        np.setdiff1d(hot.to_ids(hot.from_words(bits, 64 * len(bits))).astype(np.int64), without)
        for bits in (new & ~old, old & ~new)
    )
    return Moved(entered, left)
