"""The rows of a delta: what is known of those who have changed, as the base has them and as they are now.

Each customer who has changed has a *slot*, and what they are now stands in the latest of their rows. Rows are only ever
added (see `segdex.live.log`), so that a version is a number of rows, and which of them are the latest ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdex.bitmap.predicate import Words
from segdex.generation import MOST_LABELS, Delta, Generation, PredicateName, Values
from segdex.ingest.grown import numbered
from segdex.ingest.keys import AnyKeys
from segdex.live.bits import chunked
from segdex.live.families import of_customers
from segdex.live.gathering import lazily
from segdex.live.growing import Growing
from segdex.live.log import UNIVERSE, Before, Log, SetsOfBefore, SetsOfRows
from segdex.live.slots import Slots
from segdex.values.column import Column, Ints, Mask, distinct, texts
from segdex.values.family import Family

TRACKED = "tracked"
"""The label of the set that says who is in a tracked segment."""
MOST_CHANGED = 0.25
"""Of so large a part of all customers the changes are folded in by themselves; of few customers never."""
_MANY = 4096
"""So many rows that are no longer the latest may stand by, and as many as there are others."""


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Everything that is known of those who have changed.

    Attributes:
        base: the base.
        log: the rows; later versions share it.
        before: the customers as the base has them.
        slots: where each customer stands among those who have changed.
        ids: the dense id of each slot.
        owners: the dense id of each row.
        count: how many rows there are.
        latest: the latest row of each slot, int64, shape (slots,).
        are_latest: the same as one bit a row, of whole chunks.
    """

    base: Generation
    log: Log
    before: Before
    slots: Slots
    ids: Growing
    owners: Growing
    count: int
    latest: Ints
    are_latest: Words

    def with_rows(self, ids: Ints, slots: Ints, made: Generation, said: Mapping[PredicateName, Mask]) -> Rows:
        """These and what was derived of some customers.

        Args:
            ids: the dense ids of the customers, each once.
            slots: the slot of each; those from the number of slots on are new, and ascend by one.
            made: see `Log.put`.
            said: see `Log.put`.
        """
        known, count = self.slots.count, self.count + len(ids)
        fresh = ids[slots >= known]
        self.before.expect(known)
        self.log.put(self.count, made, said)
        self.ids.put(known, fresh)
        self.owners.put(self.count, ids)
        latest = np.empty(known + len(fresh), np.int64)
        latest[:known] = self.latest
        old = latest[slots[slots < known]]
        latest[slots] = self.count + np.arange(len(ids))
        bits = _with_last(chunked(self.are_latest, count), self.count, count)
        np.bitwise_and.at(bits, old >> 6, ~(np.uint64(1) << (old & 63).astype(np.uint64)))
        made_rows = dataclasses.replace(
            self, slots=self.slots.with_ids(fresh), count=count, latest=latest, are_latest=bits
        )
        return made_rows._without_old() if count > 2 * len(latest) + _MANY else made_rows

    def said(self, name: PredicateName, rows: Ints) -> Mask:
        """Which of some rows are in a set that does not follow from values."""
        return self.log.said(name, self.count)[rows]

    def _without_old(self) -> Rows:
        """The same without the rows that are no longer the latest ones."""
        log, latest = _log(self.base), self.latest
        catalog = self.base.catalog
        log.put(
            0,
            dataclasses.replace(
                self.base, count=len(latest),
                values={name: self._latest(name) for name in self.base.values},
                hidden={name: self.log.hidden_of(name, latest) for name in self.base.hidden},
                events={name: self.log.events_of(name, latest) for name in catalog.schema.streams},
                graves={name: self.log.graves_of(name, latest) for name in self.base.graves},
            ),
            {name: self.log.said(name, self.count)[latest] for name in self.log.all_said},
        )  # fmt: skip
        owners = Growing(np.int64)
        owners.put(0, self.ids.upto(len(latest)))
        return dataclasses.replace(
            self, log=log, owners=owners, count=len(latest), latest=np.arange(len(latest)),
            are_latest=_with_last(chunked(np.empty(0, np.uint64), len(latest)), 0, len(latest)),
        )  # fmt: skip

    def _latest(self, name: str) -> Values:
        if self.base.catalog.types[name].family:
            held = self.log.values(name, self.count)
            assert isinstance(held, Family)
            return of_customers(held, self.latest)
        return self.log.taken(name, self.latest)


def _with_last(bits: Words, first: int, end: int) -> Words:
    """*bits*, of no later rows than *first*, with those from *first* to *end* - 1 set."""
    word = bits[first >> 6 : (first >> 6) + 1].copy()
    bits[first >> 6 : -(-end // 64)] = ~np.uint64(0)
    if first & 63 and first < end:
        bits[first >> 6] &= ~((np.uint64(1) << np.uint64(first & 63)) - np.uint64(1))
        bits[first >> 6] |= word[0]
    return chunked(bits, end)


def begun(base: Generation) -> Rows:
    """Nobody has changed."""
    ids = Growing(np.int64)
    nobody, none = np.empty(0, np.int64), np.empty(0, np.uint64)
    return Rows(base, _log(base), Before(base, ids), Slots(), ids, Growing(np.int64), 0, nobody, none)


def _log(base: Generation) -> Log:
    """A log with room for as many as change before they are folded in."""
    return Log(base, int(MOST_CHANGED * base.count))


# --- as generations ------------------------------------------------------------------------------------------------


def delta_of(rows: Rows, key_source: Callable[[], AnyKeys]) -> Delta:
    """The rows as what is asked: minus and plus."""
    base, log, before, count, changed = rows.base, rows.log, rows.before, rows.count, rows.slots.count
    ids, owners = rows.ids.upto(changed), rows.owners.upto(count)
    families = {name: None for name, kind in base.catalog.types.items() if kind.family and kind.role == "band"}
    rests = lazily(families, base.rest)
    minus = dataclasses.replace(
        base, count=changed, ranks={}, rests=rests,
        # Those of the base: a rule may ask for them, and finds the erased in it too.
        key_source=lambda: keys_of(base.keys, np.where(ids < base.count, ids, -1)),
        universe=before.set_of(UNIVERSE, changed),
        values=lazily(base.values, lambda name: before.values(name, changed)),
        events=lazily(base.events, lambda name: before.events(name, changed)),
        graves=lazily(base.graves, lambda name: before.events(name, changed, graves=True)),
        predicates=SetsOfBefore(before, base.predicates, changed),
    )  # fmt: skip
    sets = SetsOfRows(log, base.predicates, count, rows.are_latest)
    plus = dataclasses.replace(
        base, count=count, ranks={}, rests=rests,
        key_source=lambda: keys_of(key_source(), owners),
        universe=sets[UNIVERSE],
        values=lazily(base.values, lambda name: log.values(name, count)),
        events=lazily(base.events, lambda name: log.events(name, count)),
        graves=lazily(base.graves, lambda name: log.graves(name, count)),
        hidden=lazily(base.hidden, lambda name: log.hidden(name, count)),
        predicates=sets,
        dictionaries=lazily(base.dictionaries, lambda name: _dictionary(base, sets, name, log.values, count)),
    )  # fmt: skip
    return Delta(rows.slots, ids, rows.latest, owners, minus, plus)


def keys_of(keys: AnyKeys, ids: Ints) -> AnyKeys:
    """The keys of some customers, these numbered in the order given; erased ones, and who is nowhere, -1, have none."""
    values = keys.take(np.maximum(ids, 0)) if len(keys) else pa.nulls(len(ids), pa.int64())
    if (ids < 0).any():
        values = pc.if_else(pa.array(ids >= 0), values, pa.scalar(None, values.type))
    known = np.flatnonzero(np.asarray(values.is_valid()))
    return numbered(values.drop_null(), known, len(ids))


def _dictionary(
    base: Generation, sets: SetsOfRows, name: str, values: Callable[[str, int], Values], count: int
) -> Column:
    """The strings of a name: those of the base and what came since, where it has sets for its labels."""
    held, kind = base.dictionaries[name], base.catalog.types[name]
    if PredicateName(name) in sets and base.labels(name) is not None:
        if kind.family or kind.role in ("band", "stage"):
            return held
        assert held.dictionary is not None
        known = held.dictionary.to_pylist()
        extra = set(sets.labels(name)) - set(known)
        if not extra:
            return held
        if len(known) + len(extra) <= MOST_LABELS:
            strings: pa.LargeStringArray = texts(sorted({*known, *extra}, key=str.encode))
            return Column(held.type, np.arange(len(strings), dtype=np.int32), strings)
    now = values(name, count)
    column = now.column if isinstance(now, Family) else now
    assert column.dictionary is not None
    return distinct(column)
