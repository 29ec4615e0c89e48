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
from segdex.derive import FEW, derive_few
from segdex.events.ids import Kept, decided
from segdex.events.store import Events
from segdex.events.update import joined, picked
from segdex.forks import Once
from segdex.generation import MEMBER, Generation, PredicateName, Values, Version
from segdex.ingest.batch import Batch
from segdex.ingest.grown import grown
from segdex.ingest.kept import VERSION
from segdex.ingest.keys import AnyKeys
from segdex.ingest.versions import newer
from segdex.live.gathering import column_at, column_in_order, events_in_order
from segdex.live.holders import naming, with_holders
from segdex.live.log import UNIVERSE
from segdex.live.rows import Rows, delta_of, keys_of
from segdex.live.state import Moved, Moves, State, loaded_in, place_of, tracked_in
from segdex.query.scan import Scan
from segdex.query.tally import Changed
from segdex.rules import nodes
from segdex.spread import spread
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
        ids: their dense ids, int64, each once; new ones are those from the version's count on.
        slots: the slot of each, those from the number of slots on are new.
        places: where each one's row is now.
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


@dataclasses.dataclass(frozen=True, eq=False)
class Places:
    """Where customers' rows are: in the delta, in the base, or nowhere.

    Attributes:
        base: the row of each in the base, int64; -1: what counts is not there.
        late: those whose row is in the delta.
        rows: the row of each of these.
    """

    base: Ints
    late: Ints
    rows: Ints

    @Once
    def early(self) -> Ints:
        """All but those whose row is in the delta."""
        is_late = np.zeros(len(self.base), np.bool_)
        is_late[self.late] = True
        return np.flatnonzero(~is_late)

    @Once
    def of_base(self) -> Ints:
        """Those whose row is in the base, in the order of these rows: neighbours lie close together."""
        held = np.flatnonzero(self.base >= 0)
        return held[np.argsort(self.base[held])]


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
    rows, of_base = state.held, state.base.count
    slots = rows.slots.of(ids)
    late, fresh = np.flatnonzero(slots >= 0), np.flatnonzero(slots < 0)
    places = Places(np.where((slots < 0) & (ids < of_base), ids, -1), late, rows.latest[slots[late]])
    inside = np.zeros(len(ids), np.bool_)
    inside[late] = rows.said(UNIVERSE, places.rows)
    inside[places.of_base] = hot.having(state.base.universe, ids[places.of_base])
    slots[fresh] = rows.slots.count + np.arange(len(fresh))
    return Touched(ids, slots, places, inside, keys)


def values_of(state: State, name: str, places: Places) -> Column:
    """The values of an attribute or label; missing for who is nowhere."""
    return _at(_column(state.base.values[name]), partial(state.held.log.taken, name), places)


def hidden_of(state: State, name: str, places: Places) -> Column:
    """As `values_of`, of a column that no rule can name."""
    return _at(state.base.hidden[name], partial(state.held.log.hidden_of, name), places)


def _at(base: Column, taken: Callable[[Ints], Column], places: Places) -> Column:
    if not len(places.late):
        return column_at(base, places.base)
    parts = [column_at(base, places.base[places.early]), taken(places.rows)]
    return column_in_order(parts, np.concatenate([places.early, places.late]))


def rows_of(state: State, name: str, places: Places, graves: bool = False) -> Events:
    """The rows of a stream, or those that are no events; none for who is nowhere."""
    parts = _parts(state, name, places, graves)
    return events_in_order(
        [events for events, _ in parts], np.concatenate([whose for _, whose in parts]), len(places.base)
    )


def _parts(state: State, name: str, places: Places, graves: bool = False) -> list[tuple[Events, Ints]]:
    """Rows of the base and of the delta, and whose they are."""
    base, log = (state.base.graves if graves else state.base.events)[name], state.held.log
    parts = [(picked(base, places.base[places.of_base]), places.of_base)]
    if len(places.late):
        parts.append(((log.graves_of if graves else log.events_of)(name, places.rows), places.late))
    return parts


def _derived(state: State, batch: Batch, those: Touched) -> Fresh:
    """Everything of those whom the batch names, from their old rows and its own."""
    base = state.base
    given: dict[str, Values] = {name: values_of(state, name, those.places) for name in state.catalog.given}
    hidden = {name: hidden_of(state, name, those.places) for name in base.hidden}
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
    names = list(state.base.events)
    held = spread(lambda name: _of_stream(state, batch, those, name), names, several=len(those) > FEW)
    found = dict(zip(names, held, strict=True))
    return (
        {name: events for name, (events, _) in found.items()},
        {name: graves for name, (_, graves) in found.items() if graves is not None},
    )


def _of_stream(state: State, batch: Batch, those: Touched, name: str) -> tuple[Events, Events | None]:
    """The rows of one stream, and its graves where it has ids."""
    fields = list(state.catalog.schema.streams[name].fields)
    if name in state.base.graves:
        held = Kept(rows_of(state, name, those.places), rows_of(state, name, those.places, graves=True))
        if name in batch.events:
            held = decided(held, Kept(batch.events[name], batch.graves[name]), fields, _ranks(those))
        return held
    if name not in batch.events:
        return rows_of(state, name, those.places), None
    # The old rows are not put in the order of customers first: they are with the new ones.
    parts = [*_parts(state, name, those.places), (batch.events[name], np.arange(len(those)))]
    return joined(parts, len(those), fields), None


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
    made, scan = fresh
    loaded = [PredicateName(segment, MEMBER) for segment in loaded_in(state.catalog)]
    sets = {each: hot.to_mask(made.predicates[each], made.count) for each in loaded}
    sets[UNIVERSE] = hot.to_mask(made.universe, made.count)
    moves, binder = {}, state.answers.binder
    for segment in before:
        members = scan.members(binder.bind_checked(nodes.Segment(segment)))
        sets[place_of(segment)] = members
        moves[segment] = moved(before[segment], members, those.ids)
    changed = Changed(those.slots, those.ids, scan.apart())
    rows = state.held.with_rows(those.ids, those.slots, made, sets)
    return with_rows(state, rows, those.keys, changed), moves


def with_rows(state: State, rows: Rows, keys: AnyKeys, changed: Changed) -> State:
    """The state of the next generation, in which *rows* have changed, *changed* just now."""
    version = state.version
    delta = delta_of(rows, lambda: keys)
    made = Version(version.base, version.number + 1, lambda: keys, delta)
    return state.next(made, rows, changed)


def was(state: State, segment: str, those: Touched) -> Mask:
    """Who of *those* is in a tracked segment before the change."""
    return said(state, place_of(segment), those, lambda: state.tracked[segment])


def said(state: State, name: PredicateName, those: Touched, of_base: Callable[[], Predicate]) -> Mask:
    """Who of *those* is in a set that does not follow from values: as their row says, or else the base."""
    found, places = np.zeros(len(those), np.bool_), those.places
    if len(places.late):
        found[places.late] = state.held.said(name, places.rows)
    if len(places.of_base):
        found[places.of_base] = hot.having(of_base(), those.ids[places.of_base])
    return found


def moved(before: Mask, after: Mask, ids: Ints) -> Moved:
    """Who of *ids* entered and who left."""
    return Moved(np.sort(ids[after & ~before]), np.sort(ids[before & ~after]))
