"""A batch into an index: those whom it names are derived anew from all their rows, and nobody else is looked at."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.bitmap import predicate as hot
from segdex.bitmap.predicate import Predicate
from segdex.derive import derive_few
from segdex.events.ids import Kept, decided
from segdex.events.store import Events
from segdex.events.update import joined
from segdex.generation import MEMBER, Generation, PredicateName, Values, Version
from segdex.ingest.batch import Batch
from segdex.ingest.grown import grown
from segdex.ingest.kept import VERSION
from segdex.ingest.keys import AnyKeys
from segdex.ingest.versions import newer
from segdex.live import gathering
from segdex.live.bits import UNIVERSE, Bits
from segdex.live.gathering import Places
from segdex.live.holders import naming, with_holders
from segdex.live.rows import Rows, Run, delta_of, kept_sets, keys_of
from segdex.live.state import Moved, Moves, State, loaded_in, place_of, tracked_in
from segdex.query.scan import Scan
from segdex.query.tally import Changed
from segdex.rules import nodes
from segdex.values.column import Column, Ints, Mask
from segdex.values.fold import gather

Fresh: TypeAlias = tuple[Generation, Scan]
"""What was derived of some customers, and what tells whom of them rules hold for."""


def applied(state: State, batch: Batch) -> tuple[State, Moves]:
    """The state after a batch, and who entered and left the tracked segments. *state* stays as it is.

    Raises:
        LimitError: a sum of integers leaves the range of 64 bits, or there are too many customers.
    """
    if not len(batch.ids):
        return state.numbered(state.version.number + 1), {}
    batch = with_holders(state, batch)
    those = _touched(state, batch)
    before = {name: was(state, name, those) for name in tracked_in(state.catalog)}
    made, moves = placed(state, those, _derived(state, batch, those), before)
    return naming(made, (batch.events, batch.graves), those.ids), moves


@dataclasses.dataclass(frozen=True, eq=False)
class Touched:
    """The customers whose rows become others.

    Attributes:
        ids: their dense ids, int64; new ones are those from the version's count on.
        slots: the slot of each, those from the number of slots on are new.
        places: where each one's row is now: 0 the base, from 1 the runs of the delta; -1 nowhere.
        inside: who of them is in the universe now.
        keys: the keys of all customers, new ones among them.
    """

    ids: Ints
    slots: Ints
    places: Places
    inside: Mask
    keys: AnyKeys

    def __len__(self) -> int:
        return len(self.ids)


def _touched(state: State, batch: Batch) -> Touched:
    new = np.flatnonzero(batch.ids < 0)
    if batch.turns is not None:
        new = new[np.argsort(batch.turns[new], kind="stable")]
    ids = batch.ids.copy()
    ids[new] = state.version.count + np.arange(len(new))
    keys = grown(state.version.keys, batch.keys.take(pa.array(new))) if len(new) else state.version.keys
    return touched(state, ids, keys)


def touched(state: State, ids: Ints, keys: AnyKeys) -> Touched:
    """The customers with the dense ids *ids*, each once."""
    version, rows = state.version, state.held
    slots = np.full(len(ids), -1, np.int64) if version.delta is None else version.delta.slots_of(ids)
    fresh = np.flatnonzero(slots < 0)
    known = slots.copy()
    slots[fresh] = len(rows.ids) + np.arange(len(fresh))
    runs, at = np.where(ids < version.base.count, 0, -1), np.where(ids < version.base.count, ids, -1)
    inside = np.zeros(len(ids), np.bool_)
    of_base = np.flatnonzero((known < 0) & (ids < version.base.count))
    inside[of_base] = hot.having(version.base.universe, ids[of_base])
    changed = np.flatnonzero(known >= 0)
    if len(changed):
        where = rows.where
        runs[changed], at[changed] = where.sources[known[changed]] + 1, where.rows[known[changed]]
        inside[changed] = rows.plus.take(UNIVERSE, known[changed])
    return Touched(ids, slots, Places(runs, at), inside, keys)


def _derived(state: State, batch: Batch, those: Touched) -> Fresh:
    """Everything of those whom the batch names, from their old rows and its own."""
    rows, base = state.held, state.base
    held = [base.values, *(run.values for run in rows.runs)]
    given = {name: gathering.values(held, name, those.places) for name in state.catalog.given}
    versions = [base.hidden, *(run.hidden for run in rows.runs)]
    hidden = {name: gathering.column(versions, name, those.places) for name in base.hidden}
    _upsert(given, hidden, batch)
    inside = those.inside | (~batch.strangers)
    sets = {}
    for segment in loaded_in(state.catalog):
        name = PredicateName(segment, MEMBER)
        sets[segment] = hot.from_mask(said(state, name, those, partial(base.predicates.__getitem__, name)))
    events, graves = _rows(state, batch, those)
    keys = partial(keys_of, those.keys, those.ids)
    answers = state.answers
    return derive_few(base, keys, given, events, graves, sets, hidden, inside, answers.binder, answers.categories)


def _rows(state: State, batch: Batch, those: Touched) -> tuple[dict[str, Events], dict[str, Events]]:
    """The rows of those whom the batch names, old ones and its own, and the graves of streams with ids."""
    base, runs = state.base, state.held.runs
    all_events = [base.events, *(run.events for run in runs)]
    all_graves = [base.graves, *(run.graves for run in runs)]
    events, graves = {}, {}
    for name in base.events:
        fields = list(state.catalog.schema.streams[name].fields)
        old = gathering.events(all_events, name, those.places)
        if name in base.graves:
            held = Kept(old, gathering.events(all_graves, name, those.places))
            if name in batch.events:
                held = decided(held, Kept(batch.events[name], batch.graves[name]), fields, _ranks(those))
            events[name], graves[name] = held
        else:
            events[name] = joined(old, batch.events[name], fields) if name in batch.events else old
    return events, graves


def _ranks(those: Touched) -> Ints:
    """Numbers that ascend as the keys of the customers do."""
    ranks = np.empty(len(those), np.int64)
    ranks[np.asarray(pc.array_sort_indices(those.keys.take(those.ids)))] = np.arange(len(those))
    return ranks


def _upsert(given: dict[str, Values], hidden: dict[str, Column], batch: Batch) -> None:
    """Attributes of the batch replace those of the customers who have a row in it, unless that is an older one."""
    replaced = batch.upserted
    if batch.versions is not None:
        replaced = replaced & newer(hidden[VERSION], batch.versions)
        hidden[VERSION] = _replaced(hidden[VERSION], batch.versions, replaced)
    for name, column in batch.attributes.items():
        given[name] = _replaced(_column(given[name]), column, replaced)


def _column(held: Values) -> Column:
    assert isinstance(held, Column)
    return held


def _replaced(held: Column, column: Column, where: Mask) -> Column:
    return gather([held, column], where.astype(np.int64), np.arange(len(where)))


# --- into the delta ------------------------------------------------------------------------------------------------


def placed(state: State, those: Touched, fresh: Fresh, before: Mapping[str, Mask]) -> tuple[State, Moves]:
    """The state in which *those* have the rows of *fresh*, and how they moved; *before*: who of them was where."""
    rows, base, (made, scan) = state.held, state.base, fresh
    sets = kept_sets(made, rows.kept)
    loaded = [PredicateName(segment, MEMBER) for segment in loaded_in(state.catalog)]
    kept = frozenset((*sets, *(name.name for name in loaded)))
    kept = rows.kept if kept == rows.kept else kept
    names = [PredicateName(name) for name in sets]
    names += [name for held in sets.values() for each in held.labelled for name in each.names if name is not None]
    count = max(len(rows.ids), int(those.slots.max(initial=-1)) + 1)
    is_new = those.slots >= len(rows.ids)
    plus = rows.plus.grown([*names, *loaded, *map(place_of, before)], count)
    plus.clear(those.slots[~is_new])
    for name, held in sets.items():
        plus.fill(held, PredicateName(name), made.universe, those.slots)
    for each in loaded:
        plus.put(each, made.predicates[each], those.slots)
    plus.put(UNIVERSE, made.universe, those.slots)
    moves, binder = {}, state.answers.binder
    for segment in before:
        members = scan.members(binder.bind_checked(nodes.Segment(segment)))
        plus.put_mask(place_of(segment), members, those.slots)
        moves[segment] = moved(before[segment], members, those.ids)
    minus, known = rows.minus.grown([*names, *loaded], count), np.flatnonzero(is_new & (those.ids < base.count))
    take_from(base, minus, kept, those.ids[known], those.slots[known])
    ids = np.concatenate([rows.ids, np.zeros(count - len(rows.ids), np.int64)])
    ids[those.slots] = those.ids
    run = Run(those.slots, made.values, made.events, made.hidden, made.graves)
    changed = Changed(those.slots, those.ids, scan)
    return with_rows(state, rows.with_run(run, ids, minus, plus, kept), those.keys, changed), moves


def take_from(base: Generation, bits: Bits, kept: frozenset[str], ids: Ints, slots: Ints) -> None:
    """What the base's sets say of *ids* is said of *slots*."""
    order = np.argsort(ids)
    ids, slots = ids[order], slots[order]
    for name in bits.places:
        if name in base.predicates and name.name in kept:
            bits.pick(name, base.predicates[name], ids, slots)
    bits.pick(UNIVERSE, base.universe, ids, slots)


def with_rows(state: State, rows: Rows, keys: AnyKeys, changed: Changed) -> State:
    """The state of the next generation, in which *rows* have changed, *changed* just now."""
    version = state.version
    delta = delta_of(rows, version.base, lambda: keys)
    made = Version(version.base, version.number + 1, lambda: keys, delta)
    return state.next(made, rows, changed)


def was(state: State, segment: str, those: Touched) -> Mask:
    """Who of *those* is in a tracked segment before the change."""
    return said(state, place_of(segment), those, lambda: state.tracked[segment])


def said(state: State, name: PredicateName, those: Touched, of_base: Callable[[], Predicate]) -> Mask:
    """Who of *those* is in a set: as their slot says, or else the base."""
    rows, found = state.held, np.zeros(len(those), np.bool_)
    late = those.slots < len(rows.ids)
    if late.any():
        found[late] = rows.plus.take(name, those.slots[late])
    early = np.flatnonzero(~late & (those.ids < state.base.count))
    if len(early):
        found[early] = hot.having(of_base(), those.ids[early])
    return found


def moved(before: Mask, after: Mask, ids: Ints) -> Moved:
    """Who of *ids* entered and who left."""
    return Moved(np.sort(ids[after & ~before]), np.sort(ids[before & ~after]))
