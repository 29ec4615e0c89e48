"""The clock moves: the base is made anew where it depends on it, and the rows of the delta are derived again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial

import numpy as np

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.derive import derive_few
from segdex.generation import MEMBER, Generation, PredicateName, Version
from segdex.live.apply import Places, Touched, placed
from segdex.live.log import UNIVERSE
from segdex.live.rows import keys_of
from segdex.live.state import Moved, Moves, State, composed, loaded_in, place_of, tracked_in
from segdex.reclock import reclocked
from segdex.values.column import Column, Ints, Mask

_NOBODY = np.empty(0, np.int64)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What is given of customers otherwise than before.

    Attributes:
        columns: labels and scores by name, one value a dense id.
        sets: the members of segments that were loaded, one truth a dense id.
        former: what a loaded segment was called before.
    """

    columns: Mapping[str, Column] = dataclasses.field(default_factory=dict)
    sets: Mapping[str, Mask] = dataclasses.field(default_factory=dict)
    former: Mapping[str, str] = dataclasses.field(default_factory=dict)


def advanced(state: State, as_of: int) -> tuple[State, Moves]:
    """The state at a later clock, and who entered and left the tracked segments. *state* stays as it is."""
    return rebased(state, reclocked(state.base, as_of))


def rebased(state: State, base: Generation, found: Found | None = None) -> tuple[State, Moves]:
    """The state over another base of the same customers and rows: what has changed since is derived anew for it.

    Args:
        state: where the index stands.
        base: the same customers at another clock, or under another schema.
        found: what is given of the customers otherwise than as *state* has it.
    """
    version, rows, found = state.version, state.rows, found or Found()
    base = dataclasses.replace(base, number=state.base.number)
    bare = state.next(Version(base, version.number + 1, version.key_source), None)
    ids = _NOBODY if rows is None else rows.ids.upto(rows.slots.count)
    both = [name for name in tracked_in(base.catalog) if name in tracked_in(state.catalog)]
    moves = {name: moved_between(state.tracked[name], bare.tracked[name], ids) for name in both}
    if rows is None or version.delta is None:
        return bare, moves
    log, latest, slots = rows.log, rows.latest, np.arange(len(ids))
    inside, nobody = rows.said(UNIVERSE, latest), np.zeros(len(ids), np.bool_)
    those = Touched(ids, slots, Places(np.full(len(ids), -1), slots, latest), inside, version.keys)
    before = {name: rows.said(place_of(name), latest) if name in both else nobody for name in tracked_in(base.catalog)}
    given = {
        name: found.columns[name].take(ids) if name in found.columns else log.taken(name, latest)
        for name in base.catalog.given
    }
    sets = {
        name: found.sets[name][ids]
        if name in found.sets
        else rows.said(PredicateName(found.former.get(name, name), MEMBER), latest)
        for name in loaded_in(base.catalog)
    }
    fresh = derive_few(
        base,
        partial(keys_of, version.keys, ids),
        given,
        {name: log.events_of(name, latest) for name in base.events},
        {name: log.graves_of(name, latest) for name in base.graves},
        _predicates(sets),
        {name: log.hidden_of(name, latest) for name in base.hidden},
        inside,
        bare.answers.binder,
        bare.answers.categories,
    )
    made, changed = placed(bare, those, fresh, before)
    return made.numbered(version.number + 1), composed(moves, {name: changed[name] for name in both})


def _predicates(sets: Mapping[str, Mask]) -> dict[str, Predicate]:
    return {name: hot.from_mask(mask) for name, mask in sets.items()}


def moved_between(before: Predicate, after: Predicate, without: Ints) -> Moved:
    """Who entered and who left, but for those in *without*."""
    old, new = hot.to_words(before), hot.to_words(after)
    entered, left = (
        np.setdiff1d(hot.to_ids(hot.from_words(bits, 64 * len(bits))).astype(np.int64), without)
        for bits in (new & ~old, old & ~new)
    )
    return Moved(entered, left)
